"""An event loop whose clock jumps to the next timer: hours of waiting take no time and are exact."""

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec

P = ParamSpec("P")


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for nothing: the time is skipped instead."""

    skipped_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready now; with no timer set nothing will ever be."""
        ready = super().select(0)
        if timeout is None and not ready:
            raise RuntimeError("nothing is going to happen any more")
        self.skipped_s += timeout or 0.0
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop that begins at 1000 s."""

    def __init__(self) -> None:
        self._jumps = _JumpingSelector()
        super().__init__(self._jumps)

    def time(self) -> float:
        """Return 1000 s and what was skipped."""
        return 1000.0 + self._jumps.skipped_s


def jumping(test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Run an async test on a loop of its own whose clock jumps."""

    @wraps(test)
    def run(*arguments: P.args, **named: P.kwargs) -> None:
        async def whole() -> None:
            await test(*arguments, **named)

        coroutine: Coroutine[Any, Any, None] = whole()
        with asyncio.Runner(loop_factory=JumpingLoop) as runner:
            runner.run(coroutine)

    return run


def elapsed_s() -> float:
    """Return what has passed on the running loop, in seconds."""
    return round(asyncio.get_running_loop().time() - 1000.0, 6)
