"""One chat room: its turns, its vault, what can be read of it, and its end.

A room is (namespace, application, component, id). Its tag is a hash of all four, so that an application reaches none of
another's rooms, whatever id it gives, and no id lies in the store.
"""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from parley_sidecar.errors import RoomBusy, RoomNotFound
from parley_sidecar.model import Message
from parley_sidecar.pii.vault import Named
from parley_sidecar.rooms import vault
from parley_sidecar.rooms.leases import Leases
from parley_sidecar.rooms.opened import Opened
from parley_sidecar.rooms.sealing import Keys
from parley_sidecar.rooms.turn import Count, Rules, Turn
from parley_sidecar.stores.protocol import Store


@dataclass(frozen=True, slots=True)
class Place:
    """Where rooms lie now, and what seals them there."""

    store: Store
    keys: Keys


@dataclass(frozen=True, slots=True)
class Access:
    """What a room needs of its process."""

    place: Callable[[], Place]
    """Raises StoreUnavailable where rooms cannot be kept."""
    leases: Leases
    clock: Callable[[], float]
    """Unix time, in seconds."""
    count: Count


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message of a room as it is stored, scrubbed, and when that was: Unix time in seconds."""

    at_s: float
    message: Message


@dataclass(frozen=True, slots=True)
class Reading:
    """All that a room holds."""

    messages: tuple[StoredMessage, ...] = field(repr=False)
    """Oldest first."""
    values: tuple[Named, ...] = field(repr=False)
    """What the tokens in them stand for; a secret's value is empty."""
    turns: int = 0
    """How many requests with their answers the messages are."""


def tag_of(*parts: str) -> bytes:
    """Return what identifies a room in the store: no part can pass for a piece of another."""
    digest = hashlib.sha256(b"parley room 1")
    for part in parts:
        encoded = part.encode(errors="surrogatepass")
        digest.update(b" %d:%b" % (len(encoded), encoded))
    return digest.hexdigest().encode()


class Room:
    """A chat room, whether or not anything was said in it yet."""

    def __init__(self, tag: bytes, rules: Rules, access: Access) -> None:
        self.tag = tag
        self._rules = rules
        self._access = access

    async def begin(self, limit_s: float, hold_s: float) -> Turn:
        """Wait for a turn, for `limit_s` seconds at most, and read the room; whoever calls releases it.

        A turn that is not released is over after `hold_s` seconds.

        Raises:
            RoomBusy: when the turn does not come in time.
            RoomSealed: when the room cannot be read.
            StoreUnavailable: when the store does not answer.
        """
        place, access, began_s = self._access.place(), self._access, asyncio.get_running_loop().time()
        try:
            lease = await access.leases.wait(place.store, self.tag, limit_s, hold_s)
        except RoomBusy:
            access.count.count_turn("busy")
            raise
        access.count.count_room_wait(asyncio.get_running_loop().time() - began_s)
        has_begun = False
        try:
            turn = Turn(await self._open(place), self._rules, lease, access.count, access.clock)
            has_begun = True
        finally:
            if not has_begun:
                access.count.count_turn("unstored")
                lease.release()
        return turn

    def numbers(self) -> vault.RoomNumbers:
        """Return the room's vault, for one request."""
        return vault.RoomNumbers(lambda: self._open(self._access.place()), self._rules.ttl_s)

    async def read(self) -> Reading:
        """Return what is stored, and change nothing.

        Raises:
            RoomNotFound: when there is no such room.
            RoomSealed: when it cannot be read.
            StoreUnavailable: when the store does not answer.
        """
        place = self._access.place()
        record = await place.store.read_room(self.tag)
        if record is None:
            raise RoomNotFound("there is no chat room of this id")
        opened = Opened(self.tag, place.store, record, place.keys.sealing(self.tag, record.meta))
        turns = opened.turns()
        messages = (StoredMessage(turn.at_s, message) for turn in turns for message in turn.messages)
        return Reading(tuple(messages), vault.values(opened), len(turns))

    async def erase(self) -> bool:
        """Forget history, vault and cached answers, whatever key sealed them; say whether there was a room.

        A turn that is under way is not stored: its caller gets RoomLost.
        """
        return await self._access.place().store.erase(self.tag)

    async def _open(self, place: Place) -> Opened:
        """Return the room, made if there was none; it lives on from now."""
        record = await place.store.open_room(self.tag, place.keys.meta(), self._rules.ttl_s)
        return Opened(self.tag, place.store, record, place.keys.sealing(self.tag, record.meta))
