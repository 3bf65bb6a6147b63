"""Time limits on waiting, at a fraction of what a timer of the loop costs: a tenth of `asyncio.timeout`.

Every request sets some, and nearly all are taken back. So a loop has one `Bell` with one timer, for the earliest of
them; setting and taking back are a set's operations. An `Alarm` bounds any number of waits, one after the other, and
its time may move: a stream has one for all its deltas.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Final, Protocol

EARLY_S: Final = 0.001
"""How much too early a timer may be. Source: libuv counts in milliseconds."""


class Rings(Protocol):
    """What goes off at a time."""

    at_s: float
    """On the loop's clock."""

    def ring(self) -> None:
        """Go off; it is set no more."""
        ...


class Bell:
    """Rings whatever is set, at its time. Whoever moves its own time sets it again."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._all: set[Rings] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._next_s = 0.0
        self.stop = self._all.discard
        """Take one back, whether or not it is set."""

    def set(self, one: Rings) -> None:
        """Ring this one when its time comes."""
        self._all.add(one)
        if self._timer is None or one.at_s < self._next_s:
            self._look_at(one.at_s)

    def _look_at(self, at_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._next_s = self.loop.call_at(at_s, self._look), at_s

    def _look(self) -> None:
        """Ring all that are due; then wait for the earliest of the others, of which many came since the last look."""
        self._timer = None
        late_s = self.loop.time() + EARLY_S
        due = [one for one in self._all if one.at_s <= late_s]
        self._all.difference_update(due)
        if self._all:
            self._look_at(min(one.at_s for one in self._all))
        for one in due:
            one.ring()


class Bells:
    """The bell of whatever loop runs: a process has one loop. Limits of one size share a bell, moments have another."""

    def __init__(self) -> None:
        self._latest: Bell | None = None

    def of(self, loop: asyncio.AbstractEventLoop) -> Bell:
        """Return a bell of this loop, the same one as long as no other loop comes in between."""
        if self._latest is None or self._latest.loop is not loop:
            self._latest = Bell(loop)
        return self._latest


_alarms: Final = Bells()


class TimesUp(Exception):
    """The alarm went off during a wait."""


class Alarm:
    """Ends a wait within its `with` block by TimesUp, at `at_s` on the loop's clock.

    It stays set after a block that went well: `stop` it, or enter again. A cancellation from outside stays one. Without
    a time it is set when it is moved first.
    """

    __slots__ = ("_bell", "_cancelling", "_loop", "_rang", "_task", "at_s", "unattended")

    def __init__(self, loop: asyncio.AbstractEventLoop, at_s: float | None = None) -> None:
        self._loop = loop
        self._bell = _alarms.of(loop)
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._rang = False
        self.at_s = 0.0
        self.unattended: Callable[[], object] | None = None
        """Called instead if nobody waits when the time comes."""
        if at_s is not None:
            self.move(at_s)

    def move(self, at_s: float) -> None:
        """Go off at another time, on the loop's clock."""
        self.at_s = at_s
        self._bell.set(self)

    def stop(self) -> None:
        """Never go off, unless it is moved."""
        self._bell.stop(self)

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

    def ring(self) -> None:
        """End the wait that is under way."""
        if self._task is not None:
            self._rang = True
            self._task.cancel()
        elif self.unattended is not None:
            self.unattended()
