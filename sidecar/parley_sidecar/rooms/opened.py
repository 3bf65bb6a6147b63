"""A chat room as it was read from the store, and what opens its parts. Used by the other modules of rooms."""

from dataclasses import dataclass

from parley_sidecar.errors import RoomSealed
from parley_sidecar.model import Partition
from parley_sidecar.rooms.records import TurnRecord, unpack
from parley_sidecar.rooms.sealing import Sealing
from parley_sidecar.stores.protocol import RoomRecord, Store

_ANSWER = b"answer "


@dataclass(frozen=True, slots=True)
class Opened:
    """A room whose key is at hand."""

    tag: bytes
    store: Store
    record: RoomRecord
    sealing: Sealing

    def turns(self) -> tuple[TurnRecord, ...]:
        """Return what was said, oldest first.

        Raises:
            RoomSealed: when a turn cannot be read.
        """
        first = self.record.revision - len(self.record.turns) + 1
        return tuple(self._turn(revision, blob) for revision, blob in enumerate(self.record.turns, first))

    def seal_turn(self, revision: int, packed: bytes) -> bytes:
        """Return a turn as it lies in the store: bound to its place in this room, and to this life of the room."""
        return self.sealing.seal(self._what(revision), packed)

    def partition(self) -> Partition:
        """Return where answers of this room are cached."""
        what = _ANSWER + self.sealing.epoch
        return Partition(
            self.tag,
            self.sealing.epoch,
            seal=lambda data: self.sealing.seal(what, data),
            unseal=lambda blob: self.sealing.unseal(what, blob),
        )

    def _turn(self, revision: int, blob: bytes) -> TurnRecord:
        packed = self.sealing.unseal(self._what(revision), blob)
        if packed is None:
            raise RoomSealed("a turn of the chat room cannot be read: it was changed, or sealed with another key")
        return unpack(packed)

    def _what(self, revision: int) -> bytes:
        return b"turn %d " % revision + self.sealing.epoch
