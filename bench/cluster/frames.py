"""WebSocket frames as one simulated sidecar needs them. Pure.

Of RFC 6455 only what the operator's server sends: whole messages, unmasked. A library that can do all of it would
cost the client's core more than the operator's, and it is the operator that is measured.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

TEXT: Final = 1
CLOSE: Final = 8
PING: Final = 9
_SHORT: Final = 126
"""Lengths below it stand in the second byte; it, and the number after it, say that two or eight bytes follow."""
_FINAL: Final = 0x80
_MASKED: Final = 0x80
_NO_MASK: Final = bytes(4)
"""A mask that changes nothing: a client must send one, and nobody between us is to be confused."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of the server."""

    opcode: int
    payload: bytes


def frame(opcode: int, payload: bytes) -> bytes:
    """Return a client's frame; raises ValueError for a payload of more than 125 bytes."""
    if len(payload) >= _SHORT:
        raise ValueError("a simulated sidecar has nothing long to say")
    return bytes((_FINAL | opcode, _MASKED | len(payload))) + _NO_MASK + payload


class Splitter:
    """Cuts what a server sends into frames."""

    def __init__(self) -> None:
        self._kept = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that are whole now."""
        self._kept += data
        while (ends := _ends(self._kept)) and ends[1] <= len(self._kept):
            begin, end = ends
            yield Frame(self._kept[0] & 0x0F, self._kept[begin:end])
            self._kept = self._kept[end:]


def _ends(data: bytes) -> tuple[int, int] | None:
    """Return where the payload of the first frame begins and ends; None while its head is not all there."""
    if len(data) < 2:
        return None
    short = data[1]
    size = 0 if short < _SHORT else 2 if short == _SHORT else 8
    if len(data) < 2 + size:
        return None
    length = int.from_bytes(data[2 : 2 + size], "big") if size else short
    return 2 + size, 2 + size + length
