"""The work queue: keys in, each worked on by itself, again after a growing pause until it succeeds.

De-duplicated: a key that waits is not added twice. Debounced: it waits a little for more changes. One at a time: a key
that is added while it is worked on is worked on once more afterwards. Handlers and timers add; `run` works.
"""

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from parley_operator.edges import succeeded

Key = tuple[str, str]
"""Namespace and name of a component."""

DEBOUNCE_S: Final = 0.1
RETRY_FIRST_S: Final = 0.5
RETRY_MOST_S: Final = 60.0
WORKERS: Final = 8
"""Keys that are worked on at the same time."""


class WorkQueue:
    """Belongs to one event loop; `add` must be called in it."""

    def __init__(
        self,
        work: Callable[[Key], Awaitable[None]],
        jitter: Callable[[], float] = random.random,
        workers: int = WORKERS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._work = work
        self._jitter = jitter
        self._due: dict[Key, float] = {}
        self._failures: dict[Key, int] = {}
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._since: dict[Key, float] = {}
        self._free = workers
        self._clock = clock
        self._last_ended = self._clock()
        self._woken = asyncio.Event()
        self._ended = asyncio.Event()

    @property
    def depth(self) -> int:
        """Keys that wait or are worked on."""
        return len(self._due.keys() | self._running.keys())

    def age_s(self) -> float:
        """Return how long the key that has waited longest has been due, or worked on, in seconds. From any thread."""
        oldest = min((*list(self._due.values()), *list(self._since.values())), default=math.inf)
        return max(0.0, self._clock() - oldest)

    def stuck_s(self) -> float:
        """Return for how long no work has ended, well or badly, although some was due, in seconds."""
        return min(self.age_s(), self._clock() - self._last_ended)

    def add(self, key: Key, after_s: float = DEBOUNCE_S) -> None:
        """Have a key worked on after `after_s` seconds; one that waits longer already is brought forward."""
        due = self._clock() + after_s
        self._due[key] = min(due, self._due.get(key, due))
        self._woken.set()

    async def settled(self, keys: Iterable[Key]) -> None:
        """Return once each of these keys has been worked on successfully since it was added."""
        waiting = set(keys)
        while waiting := waiting & (self._due.keys() | self._running.keys()):
            await self._ended.wait()

    async def run(self) -> None:
        """Work until cancelled; what is under way is cancelled too."""
        try:
            while True:
                self._woken.clear()
                pause_s = self._start_what_is_due()
                try:
                    async with asyncio.timeout(pause_s):
                        await self._woken.wait()
                except TimeoutError:
                    continue
        finally:
            for task in self._running.values():
                task.cancel()

    def _start_what_is_due(self) -> float | None:
        """Start what may be started; return the seconds until the next key is due, None if none waits."""
        now = self._clock()
        startable = sorted((due, key) for key, due in self._due.items() if key not in self._running)
        for due, key in startable:
            if due > now:
                return due - now
            if not self._free:
                return None
            self._free -= 1
            self._since[key] = self._due.pop(key)
            self._running[key] = asyncio.create_task(self._one(key))
        return None

    async def _one(self, key: Key) -> None:
        try:
            if await succeeded(self._work(key), "reconciling failed"):
                self._failures.pop(key, None)
            else:
                failures = self._failures[key] = self._failures.get(key, 0) + 1
                self.add(key, retry_after_s(failures, self._jitter()))
        finally:
            self._free += 1
            self._last_ended = self._clock()
            del self._running[key], self._since[key]
            self._woken.set()
            self._ended.set()
            self._ended = asyncio.Event()


def retry_after_s(failures: int, jitter: float) -> float:
    """Return the pause after so many failures in a row, in seconds; `jitter` from 0 to 1 takes up to half of it off."""
    whole = min(RETRY_FIRST_S * (1 << min(failures - 1, 16)), RETRY_MOST_S)
    return whole * (1 - jitter / 2)
