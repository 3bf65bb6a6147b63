"""A store under test, of either kind, and how time passes for it; `stores/conftest.py` makes them."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from parley_sidecar.stores.memory import MemoryStore
from parley_sidecar.stores.protocol import Place, Store
from parley_sidecar.stores.redis import RedisStore


@dataclass(slots=True)
class Clock:
    """The time of a store in the process, in seconds."""

    now_s: float = 1_000.0

    def __call__(self) -> float:
        """Return it."""
        return self.now_s


@dataclass(frozen=True, slots=True)
class Either:
    """A store, and the clock it goes by if that is ours."""

    store: Store
    clock: Clock | None = None

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """Let time pass until something holds: hundredths of seconds, that of Redis truly."""
        async with asyncio.timeout(30):
            while not await holds():
                if self.clock:
                    self.clock.now_s += 0.01
                await asyncio.sleep(0 if self.clock else 0.01)


@asynccontextmanager
async def either_store(url: str | None) -> AsyncIterator[Either]:
    """Make an empty store: in the process, or in the Redis at `url`, under a namespace of its own there."""
    if url is None:
        clock = Clock()
        made = Either(MemoryStore(clock), clock)
    else:
        made = Either(RedisStore(url, place=Place(uuid.uuid4().hex, limit_s=5)))
    try:
        yield made
    finally:
        await made.store.aclose()
