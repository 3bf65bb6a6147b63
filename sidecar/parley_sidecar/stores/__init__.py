"""Shared state behind one small protocol, with two implementations: in-process and Redis.

`Stores` is how layers see the two tiers: the one in the process always, the shared one while a snapshot names it.
"""

import asyncio
import base64
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from parley_crds.stream import StoreSection
from parley_sidecar.errors import StoreUnavailable
from parley_sidecar.stores.memory import MemoryStore
from parley_sidecar.stores.protocol import Place, Store

Connect = Callable[[StoreSection, Place], Store | None]


def connect_redis(section: StoreSection, place: Place) -> Store | None:
    """Connect to Redis; the client is imported only where there is a Redis."""
    if not section.url:
        return None
    from parley_sidecar.stores.redis import connect  # noqa: PLC0415 - a laptop without Redis does not pay for it

    return connect(section, place)


@dataclass(frozen=True, slots=True)
class RoomsPlace:
    """Where chat rooms are kept, and the keys that seal them there, the one for new rooms first."""

    store: Store
    keys: tuple[bytes, ...] = field(default=(), repr=False)
    """None where nothing leaves the process."""


class Stores:
    """Holds the tiers, and what is being written to them; layers look at them anew at every request."""

    def __init__(
        self,
        count_fault: Callable[[str], None],
        place: Place = Place(),  # noqa: B008 - frozen
        connect: Connect = connect_redis,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Begin with the process's own tier; `count_fault` is told each failed operation on the shared one.

        `clock` is Unix time in seconds: the processes that share a store compare theirs.
        """
        self.clock = clock
        self.place = place
        self.memory: Store = MemoryStore(clock)
        self.shared: Store | None = None
        self.failed = count_fault
        self._own_rooms: Store | None = None
        self._keys: tuple[bytes, ...] = ()
        self._connect = connect
        self._version: str | None = None
        self._address = ("", "", False)
        self._writes: set[asyncio.Task[object]] = set()

    def keep_rooms_here(self) -> None:
        """Keep chat rooms in the process where no shared store is named: for a sidecar that is alone."""
        self._own_rooms = MemoryStore(self.clock)

    def rooms(self) -> RoomsPlace:
        """Return where chat rooms are kept now.

        Raises:
            StoreUnavailable: when there is no such place, or no key to seal them with.
        """
        if self.shared and self._keys:
            return RoomsPlace(self.shared, self._keys)
        if self.shared:
            raise StoreUnavailable("chat rooms need a context key to lie in Redis")
        if self._own_rooms:
            return RoomsPlace(self._own_rooms)
        raise StoreUnavailable("chat rooms need a shared store, and there is none")

    @property
    def lacks_key(self) -> bool:
        """Say whether there is a shared store and no key to seal chat rooms with in it."""
        return self.shared is not None and not self._keys

    async def use(self, section: StoreSection) -> None:
        """Take the shared store that a snapshot names; what runs on the one before ends there first.

        One that stays where it was goes on: only its keys are new.

        Raises:
            ValueError: when its URL is none, or a key is none.
        """
        if section.version == self._version:
            return
        encoded = (section.context_key, section.former_context_key)
        keys = tuple(base64.b64decode(key, validate=True) for key in encoded if key)
        former: Store | None = None
        address = (section.url, section.ca, bool(section.context_key))
        if address != self._address:
            former, self.shared = self.shared, self._connect(section, self.place)
        self._keys, self._version, self._address = keys, section.version, address
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
        if self._own_rooms:
            await self._own_rooms.aclose()
