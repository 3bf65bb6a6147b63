"""A time limit on waiting, for the layers that set one: half the cost of `asyncio.timeout`, a sixth when used again.

An `Alarm` bounds any number of waits, one after the other, and its time may move: a stream has one for all its deltas.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType


class TimesUp(Exception):
    """The alarm went off during a wait."""


class Alarm:
    """Ends a wait within its `with` block by TimesUp, at `at_s` on the loop's clock.

    It stays set after a block that went well: `stop` it, or enter again. A cancellation from outside stays one.
    """

    __slots__ = ("_at_s", "_cancelling", "_handle", "_loop", "_rang", "_set_to_s", "_task", "unattended")

    def __init__(self, loop: asyncio.AbstractEventLoop, at_s: float) -> None:
        self._loop = loop
        self._at_s = self._set_to_s = at_s
        self._handle: asyncio.TimerHandle | None = loop.call_at(at_s, self._ring)
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._rang = False
        self.unattended: Callable[[], object] | None = None
        """Called instead if nobody waits when the time comes."""

    def move(self, at_s: float) -> None:
        """Go off at another time, on the loop's clock."""
        self._at_s = at_s
        if self._handle is None or at_s < self._set_to_s:
            self.stop()
            self._set(at_s)

    def stop(self) -> None:
        """Never go off, unless it is moved."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def __enter__(self) -> None:
        self._task = task = asyncio.current_task(self._loop)
        if task is None:
            raise RuntimeError("only a task can wait")
        self._cancelling = task.cancelling()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if kind is not None:
            self.stop()
        if self._rang and task is not None:
            self._rang = False
            if task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
                raise TimesUp from error

    def _set(self, at_s: float) -> None:
        self._set_to_s = at_s
        self._handle = self._loop.call_at(at_s, self._ring)

    def _ring(self) -> None:
        self._handle = None
        if self._at_s > self._set_to_s:
            self._set(self._at_s)  # it was moved meanwhile: moving only notes the time, which is cheap
        elif self._task is not None:
            self._rang = True
            self._task.cancel()
        elif self.unattended is not None:
            self.unattended()
