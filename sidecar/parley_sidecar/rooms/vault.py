"""A chat room's vault: the values that were hidden in it, each with its number, where all sidecars find them.

`layers.scrub` fills it before the provider is asked; `room` makes one for each request.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

import msgspec

from parley_sidecar.errors import RoomSealed
from parley_sidecar.pii.kinds import Kind
from parley_sidecar.pii.vault import SECRET, Named
from parley_sidecar.rooms.opened import Opened
from parley_sidecar.rooms.sealing import Sealing
from parley_sidecar.stores.protocol import Numbered

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(tuple[str, str])


class RoomNumbers:
    """The vault as one request sees it; see `pii.vault.Numbers`."""

    def __init__(self, read: Callable[[], Awaitable[Opened]], ttl_s: float) -> None:
        """Take what reads the room, which makes it at its first use."""
        self._read = read
        self._ttl_s = ttl_s
        self._room: Opened | None = None
        self._secrets: dict[bytes, Named] = {}

    async def known(self) -> Sequence[Named]:
        """Return all values of the room; a secret's is empty."""
        room = self._room = await self._read()
        known = values(room)
        self._secrets = {name: one for name, one in zip(room.record.values, known, strict=True) if one.kind == SECRET}
        return known

    def repeats(self, words: Iterable[str]) -> Sequence[Named]:
        """Return those words that are secrets of the room; they are known by their names, and by them alone."""
        if not self._room or not self._secrets:
            return ()
        named = ((word, self._secrets.get(self._room.sealing.name(word))) for word in words)
        return [one._replace(value=word) for word, one in named if one]

    async def assign(self, wanted: Sequence[tuple[Kind, str]]) -> Sequence[Named]:
        """Return each value's name: what it had already, whatever its kind now, or a new number of its kind."""
        room = self._room or await self._read()
        self._room = room
        sealed = [_numbered(room.sealing, kind, value) for kind, value in wanted]
        held = await room.store.number(room.tag, sealed, self._ttl_s)
        kept = (_named(room.sealing, value.name, entry) for value, entry in zip(sealed, held, strict=True))
        return [name._replace(value=value) for name, (_, value) in zip(kept, wanted, strict=True)]

    @property
    def epoch(self) -> bytes | None:
        """Tell this room from one of the same id that is made after it was erased; None before it was read."""
        return self._room.sealing.epoch if self._room else None


def values(room: Opened) -> tuple[Named, ...]:
    """Return what a room's vault holds.

    Raises:
        RoomSealed: when one of the values cannot be read.
    """
    return tuple(_named(room.sealing, name, held) for name, held in room.record.values.items())


def _numbered(sealing: Sealing, kind: Kind, value: str) -> Numbered:
    name = sealing.name(value)
    kept = "" if kind == SECRET else value  # its name is enough to know it again
    return Numbered(name, kind.encode(), sealing.seal(_what(name), _ENCODER.encode((kind, kept))))


def _named(sealing: Sealing, name: bytes, held: bytes) -> Named:
    number, _, sealed = held.partition(b":")
    opened = sealing.unseal(_what(name), sealed)
    if opened is None:
        raise RoomSealed("a value of the chat room's vault cannot be read: it was changed, or sealed with another key")
    kind, value = _DECODER.decode(opened)
    return Named(kind, value, int(number))


def _what(name: bytes) -> bytes:
    return b"value " + name
