"""Shared state behind one small protocol, with two implementations: in-process and Redis.

One conformance suite runs over both. Layers state their own policy for `StoreUnavailable`; `Stores` is how they see the
two tiers: the one in the process always, the shared one while a snapshot names it.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from parley_crds.stream import StoreSection
from parley_sidecar.model import CacheTier
from parley_sidecar.stores.memory import MemoryStore


class Store(Protocol):
    """Bytes by key with a lifetime. Every method raises `errors.StoreUnavailable` when the store cannot answer."""

    tier: CacheTier
    """What Cache-Status and the metrics call this store."""

    async def get(self, key: bytes) -> bytes | None:
        """Return the value, or None when there is none or its time is over."""
        ...

    async def set(self, key: bytes, value: bytes, ttl_s: float) -> None:
        """Keep `value` for `ttl_s` seconds, replacing what was there."""
        ...

    async def ping(self) -> None:
        """Answer if the store can be reached."""
        ...

    async def aclose(self) -> None:
        """Give back connections and memory."""
        ...


Connect = Callable[[StoreSection], Store | None]


def connect_redis(section: StoreSection) -> Store | None:
    """Connect to Redis; the client is imported only where there is a Redis."""
    if not section.url:
        return None
    from parley_sidecar.stores.redis import connect  # noqa: PLC0415 - a laptop without Redis does not pay for it

    return connect(section)


class Stores:
    """Holds the tiers, and what is being written to them; layers look at them anew at every request."""

    def __init__(
        self,
        count_fault: Callable[[str], None],
        connect: Connect = connect_redis,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Begin with the process's own tier; `count_fault` is told each failed operation on the shared one.

        `clock` is Unix time in seconds: the processes that share a store compare theirs.
        """
        self.clock = clock
        self.memory: Store = MemoryStore(clock)
        self.shared: Store | None = None
        self.failed = count_fault
        self._connect = connect
        self._version: str | None = None
        self._writes: set[asyncio.Task[object]] = set()

    async def use(self, section: StoreSection) -> None:
        """Take the shared store that a snapshot names; what runs on the one before ends there first.

        Raises:
            ValueError: when its URL is none.
        """
        if section.version == self._version:
            return
        former, self.shared = self.shared, self._connect(section)
        self._version = section.version
        if former:
            await former.aclose()

    def background(self, write: Coroutine[Any, Any, object]) -> None:
        """Let a write go on after its request; `drain` waits for it."""
        task = asyncio.create_task(write)
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    async def drain(self) -> None:
        """Wait for the writes that are under way; each has a time limit of its own."""
        while self._writes:
            await asyncio.wait(self._writes)

    async def aclose(self) -> None:
        """Finish the writes and close both tiers."""
        await self.drain()
        former, self.shared = self.shared, None
        if former:
            await former.aclose()
        await self.memory.aclose()
