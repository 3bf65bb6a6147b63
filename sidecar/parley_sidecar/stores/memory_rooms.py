"""The chat rooms of a process; `memory` has one of these. It refuses when it is full: to forget in silence is wrong."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from parley_sidecar.errors import StoreUnavailable
from parley_sidecar.stores.protocol import Keep, Numbered, RoomRecord

MAX_ROOM_BYTES: Final = 32 * 1024 * 1024
"""All rooms together, with what Python needs to hold them."""
ROOM_BYTES: Final = 512
PART_BYTES: Final = 160
"""What an empty room, and each turn or value in it, costs beside its own bytes; measured on CPython 3.11."""


@dataclass(slots=True)
class Room:
    """One room, and how many bytes it counts for."""

    meta: bytes
    size: int
    until_s: float = 0.0
    revision: int = 0
    turns: list[bytes] = field(default_factory=list)
    values: dict[bytes, bytes] = field(default_factory=dict)
    counters: dict[bytes, int] = field(default_factory=dict)

    def record(self) -> RoomRecord:
        """Return it as it is now."""
        return RoomRecord(self.meta, self.revision, tuple(self.turns), dict(self.values))


class Rooms:
    """Rooms by tag, each with a lifetime, bounded in bytes together."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Begin empty; `clock` is in seconds."""
        self._clock = clock
        self._rooms: dict[bytes, Room] = {}
        self._bytes = 0
        self._next_end_s = math.inf

    def get(self, tag: bytes) -> Room | None:
        """Return a room whose time is not over."""
        room = self._rooms.get(tag)
        if room is not None and room.until_s <= self._clock():
            self.erase(tag)
            return None
        return room

    def open(self, tag: bytes, meta: bytes, ttl_s: float) -> Room:
        """Return a room, made with `meta` if there is none, and renew its lifetime; raises `StoreUnavailable`."""
        room = self.get(tag)
        if room is None:
            size = ROOM_BYTES + len(tag) + len(meta)
            self._make_way(size)
            room = self._rooms[tag] = Room(meta, size)
            self._bytes += size
        self._renew(room, ttl_s)
        return room

    def append(self, room: Room, turn: bytes, keep: Keep) -> None:
        """Add a turn, let go of those that are too many, and renew the lifetime; raises `StoreUnavailable`."""
        self._make_way(_size(turn))
        room.turns.append(turn)
        gone = room.turns[: -keep.turns]
        del room.turns[: -keep.turns]
        self._grow(room, _size(turn) - sum(map(_size, gone)))
        room.revision += 1
        self._renew(room, keep.ttl_s)

    def number(self, room: Room, values: Sequence[Numbered], ttl_s: float) -> Sequence[bytes]:
        """Give each new value the next number of its counter, and renew the lifetime; raises `StoreUnavailable`."""
        self._make_way(sum(_size(value.name, value.sealed) for value in values if value.name not in room.values))
        self._renew(room, ttl_s)
        for value in values:
            if value.name not in room.values:
                number = room.counters[value.counter] = room.counters.get(value.counter, 0) + 1
                held = room.values[value.name] = b"%d:%b" % (number, value.sealed)
                self._grow(room, _size(value.name, held))
        return [room.values[value.name] for value in values]

    def erase(self, tag: bytes) -> bool:
        """Forget a room, and say whether there was one."""
        room = self._rooms.pop(tag, None)
        if room is None:
            return False
        self._bytes -= room.size
        return room.until_s > self._clock()

    def clear(self) -> None:
        """Forget all of them."""
        self._rooms.clear()
        self._bytes = 0

    def _renew(self, room: Room, ttl_s: float) -> None:
        room.until_s = self._clock() + ttl_s
        self._next_end_s = min(self._next_end_s, room.until_s)

    def _grow(self, room: Room, more: int) -> None:
        room.size += more
        self._bytes += more

    def _make_way(self, more: int) -> None:
        """Make sure that there is room for so many bytes, without the rooms whose time is over.

        Raises:
            StoreUnavailable: when there is not.
        """
        if self._bytes + more > MAX_ROOM_BYTES and self._next_end_s <= self._clock():  # else the search is in vain
            for tag in list(self._rooms):
                self.get(tag)
            self._next_end_s = min((room.until_s for room in self._rooms.values()), default=math.inf)
        if self._bytes + more > MAX_ROOM_BYTES:
            raise StoreUnavailable("the sidecar has no memory left for chat rooms")


def _size(*parts: bytes) -> int:
    return PART_BYTES + sum(map(len, parts))
