"""The store in the process: the first tier in front of Redis, and the only one where there is no Redis.

Two of them are used: one for answers, which lets go of the oldest, and one for chat rooms, which refuses when it is
full.
"""

import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from parley_sidecar.errors import StoreUnavailable
from parley_sidecar.model import CacheTier
from parley_sidecar.stores.mailbox import LOST, Mailbox
from parley_sidecar.stores.memory_rooms import Rooms
from parley_sidecar.stores.protocol import RESULT_S, Keep, Numbered, RoomRecord, Taken

MAX_ENTRIES: Final = 1024
MAX_BYTES: Final = 8 * 1024 * 1024
"""Keys and values together, of answers."""
LEASES_AT_REST: Final = 1024
"""So many leases may lie about before those whose time is over are looked for."""


@dataclass(slots=True)
class _Lease:
    token: bytes
    until_s: float


class MemoryStore:
    """The store of one process, bounded in entries and bytes; the least recently used value goes first."""

    tier: CacheTier = "memory"

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._entries: OrderedDict[bytes, tuple[bytes, float]] = OrderedDict()
        self._bytes = 0
        self._leases: dict[bytes, _Lease] = {}
        self._most_leases = LEASES_AT_REST
        self._watches: dict[bytes, set[Mailbox]] = {}
        self._rooms = Rooms(clock)

    async def get(self, key: bytes, limit_s: float | None = None) -> bytes | None:  # noqa: ARG002 - answers at once
        """Return the value, or None when there is none or its time is over."""
        return self._get(key)

    async def set(self, key: bytes, value: bytes, ttl_s: float) -> None:
        """Keep `value` for `ttl_s` seconds, replacing what was there; one that is larger than the store is not kept."""
        self._set(key, value, ttl_s)

    async def agree(self, key: bytes, value: bytes, ttl_s: float) -> bytes:
        """Return what is there, or else put `value` there; either lives for `ttl_s` seconds from now."""
        there = self._get(key)
        agreed = value if there is None else there
        self._set(key, agreed, ttl_s)
        return agreed

    async def take(
        self,
        key: bytes,
        token: bytes,
        lease_s: float,
        awaited: bytes = b"",
        limit_s: float | None = None,  # noqa: ARG002 - answers at once
    ) -> Taken:
        """Return the value, or how the flight with the token `awaited` ended; else take the lease, if it is free."""
        value = self._get(key)
        if value is None and awaited:
            value = self._get(_result(key, awaited))
        if value is not None:
            return Taken(value)
        holder = self._holder(key)
        if holder is None:
            holder = token
            self._lease(key, token, lease_s)
        return Taken(holder=holder)

    async def renew(self, key: bytes, token: bytes, lease_s: float) -> bool:
        """Hold the lease for `lease_s` seconds from now; False when it is not, or no longer, this token's."""
        if self._holder(key) != token:
            return False
        self._lease(key, token, lease_s)
        return True

    async def finish(self, key: bytes, token: bytes, result: bytes | None = None, keep_s: float = 0.0) -> bool:
        """Give the lease back and tell who watches the key; False, and nothing done, when it is another's."""
        if self._holder(key) != token:
            return False
        del self._leases[key]
        if result is not None and keep_s > 0:
            self._set(key, result, keep_s)
        elif result is not None:
            self._set(_result(key, token), result, RESULT_S)
        await self.publish(key, token)
        return True

    async def publish(self, key: bytes, message: bytes) -> None:
        """Tell all who watch the key now."""
        for box in self._watches.get(key, ()):
            box.put(message)

    @asynccontextmanager
    async def watch(self, key: bytes) -> AsyncIterator[Mailbox]:
        """Subscribe to the key's messages meanwhile."""
        box = Mailbox()
        self._watches.setdefault(key, set()).add(box)
        try:
            yield box
        finally:
            self._watches[key].discard(box)
            if not self._watches[key]:
                del self._watches[key]

    async def open_room(self, tag: bytes, meta: bytes, ttl_s: float) -> RoomRecord:
        """Return a room, made with `meta` if there is none; it lives for `ttl_s` seconds from now."""
        return self._rooms.open(tag, meta, ttl_s).record()

    async def read_room(self, tag: bytes) -> RoomRecord | None:
        """Return a room, or None if there is none."""
        room = self._rooms.get(tag)
        return room.record() if room else None

    async def append(self, tag: bytes, token: bytes, revision: int, turn: bytes, keep: Keep) -> bool:
        """Add a turn; False, and nothing done, unless the room has this revision and `token` leases `tag/turn`."""
        room = self._rooms.get(tag)
        if room is None or room.revision != revision or self._holder(tag + b"/turn") != token:
            return False
        self._rooms.append(room, turn, keep)
        return True

    async def number(self, tag: bytes, values: Sequence[Numbered], ttl_s: float) -> Sequence[bytes]:
        """Return what the vault holds for each name: what was there, or the sealed value with its new number."""
        room = self._rooms.get(tag)
        if room is None:
            raise StoreUnavailable("the chat room is gone")
        return self._rooms.number(room, values, ttl_s)

    async def erase(self, tag: bytes) -> bool:
        """Forget the room, and every value kept under a name of its tag; say whether there was a room."""
        for key in [key for key in self._entries if key.startswith(tag + b"/")]:
            self._drop(key)
        for key in [key for key in self._leases if key.startswith(tag + b"/")]:
            del self._leases[key]
        return self._rooms.erase(tag)

    async def ping(self) -> None:
        """Answer: the process is always there."""

    async def aclose(self) -> None:
        """Forget everything; who watches looks again, and finds nothing."""
        self._entries.clear()
        self._bytes = 0
        self._leases.clear()
        self._rooms.clear()
        for key in self._watches:
            await self.publish(key, LOST)

    def _get(self, key: bytes) -> bytes | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        value, expires_at_s = entry
        if expires_at_s <= self._clock():
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return value

    def _set(self, key: bytes, value: bytes, ttl_s: float) -> None:
        self._drop(key)
        size = len(key) + len(value)
        if size > MAX_BYTES:
            return
        self._entries[key] = (value, self._clock() + ttl_s)
        self._bytes += size
        while len(self._entries) > MAX_ENTRIES or self._bytes > MAX_BYTES:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= len(key) + len(entry[0])

    def _holder(self, key: bytes) -> bytes | None:
        lease = self._leases.get(key)
        if lease is None:
            return None
        if lease.until_s <= self._clock():
            del self._leases[key]
            return None
        return lease.token

    def _lease(self, key: bytes, token: bytes, lease_s: float) -> None:
        """Give out a lease; when many have come together, forget those whose time is over."""
        self._leases[key] = _Lease(token, self._clock() + lease_s)
        if len(self._leases) > self._most_leases:
            for held in list(self._leases):
                self._holder(held)
            self._most_leases = max(LEASES_AT_REST, 2 * len(self._leases))


def _result(key: bytes, token: bytes) -> bytes:
    return key + b"#" + token
