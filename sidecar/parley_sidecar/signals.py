"""The one owner of the process's signal handlers: uvicorn's servers install none, and an application gets its own copy.

Alone, the first SIGTERM or SIGINT asks the sidecar to stop. Beside an application every signal goes to it, and its end
is what stops the sidecar. Once it is stopping, another SIGTERM or SIGINT means: at once.
"""

import asyncio
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from parley_sidecar.child import Child

STOPPING: Final = (signal.SIGINT, signal.SIGTERM)
FORWARDED: Final = (*STOPPING, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


class Signals:
    """What the process was asked so far."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        """Set when the process should finish what it does and end."""
        self.hurry = asyncio.Event()
        """Set when it should end without finishing."""
        self.last: int | None = None
        """The latest signal that was meant for the sidecar itself."""
        self._child: Child | None = None

    @contextmanager
    def owned(self, numbers: Sequence[int] = STOPPING) -> Iterator[None]:
        """Handle these signals meanwhile, in the running loop of the main thread."""
        loop = asyncio.get_running_loop()
        for number in numbers:
            loop.add_signal_handler(number, self.receive, number)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    async def ended(self, child: Child) -> int:
        """Give the application every signal until it ends, one that came too early included; return its exit code."""
        self._child = child
        with self.owned(FORWARDED[len(STOPPING) :]):
            if self.last is not None:
                child.forward(self.last)
            code = await child.ended()
        self._child = None
        self.stop.set()
        return code

    def receive(self, number: int) -> None:
        """Take one signal."""
        if self._child:
            self._child.forward(number)
            return
        (self.hurry if self.stop.is_set() else self.stop).set()
        self.last = number
