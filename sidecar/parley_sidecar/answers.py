"""Answers as bytes, for the store: MessagePack of a fixed form, read back whole or not at all."""

import msgspec

from parley_sidecar.model import Answer


class Entry(msgspec.Struct, array_like=True, frozen=True):
    """An answer and its times in Unix seconds, so that any process that reads it knows its age and what it has left."""

    stored_at_s: float
    expires_at_s: float
    answer: Answer


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Entry)


def pack(entry: Entry) -> bytes:
    """Return an entry's bytes."""
    return _ENCODER.encode(entry)


def unpack(data: bytes) -> Entry | None:
    """Return the entry; None for bytes that another version wrote, or that are broken."""
    try:
        return _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
