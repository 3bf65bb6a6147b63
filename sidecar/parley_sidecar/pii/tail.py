"""Text that arrives in pieces and leaves without personal data: a value that is split over pieces never gets out.

Used by `layers.scrub` for streams. What is released is `HOLD` characters behind the end, since what follows may make a
value of it; more is held only while one value, or text without any boundary, is longer than that.
"""

import re
from collections.abc import Callable
from typing import Final

from parley_sidecar.pii import Naming, replaced, spans
from parley_sidecar.pii.kinds import Span

HOLD: Final = 256
"""Characters behind the end of what has arrived that wait for what follows."""
_CONTEXT: Final = 256
"""Characters before what waits that are read again with it, for the words in them."""
_STEP: Final = 96
"""New characters for which it is worth looking again."""
_GROWTH: Final = 4
"""A part of the length that must be new too, so that the work for one long value stays linear in it."""
_BOUNDARY: Final = re.compile(r"[\s\u3001\u3002\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""After these no value of one word goes on: white space, and scripts that do without."""


class Tail:
    """The end of one text: `add` takes a piece and returns what may be shown, `finish` the rest."""

    __slots__ = ("_buffer", "_find", "_look_at", "_naming", "_released")

    def __init__(self, naming: Naming, find: Callable[[str], list[Span]] = spans) -> None:
        self._naming = naming
        self._find = find
        self._buffer = ""
        self._released = 0
        self._look_at = HOLD + _STEP

    @property
    def waiting(self) -> int:
        """How many characters are read at the next look."""
        return len(self._buffer)

    def add(self, piece: str) -> str:
        """Return what can be shown now that `piece` is here, with tokens in place of personal data."""
        self._buffer += piece
        if len(self._buffer) < self._look_at:
            return ""
        end = self._boundary(len(self._buffer) - HOLD)
        if end <= self._released:
            self._wait()
            return ""
        found = self._find(self._buffer)
        end = next((span.start for span in found if span.start < end < span.end), end)
        return self._release(end, found)

    def finish(self) -> str:
        """Return all that is left."""
        return self._release(len(self._buffer), self._find(self._buffer))

    def _boundary(self, limit: int) -> int:
        """Return the last place between words that is not behind `limit`."""
        for index in range(limit, self._released, -1):
            if _BOUNDARY.match(self._buffer, index - 1):
                return index
        return self._released

    def _release(self, end: int, found: list[Span]) -> str:
        start = self._released
        if end > start:
            shown = [
                Span(max(span.start, start) - start, span.end - start, span.kind)
                for span in found
                if start < span.end <= end
            ]
            text = replaced(self._buffer[start:end], shown, self._naming)
            cut = self._context(end)
            self._buffer, self._released = self._buffer[cut:], end - cut
        else:
            text = ""
        self._wait()
        return text

    def _context(self, end: int) -> int:
        """Return where the text to read again begins: at a boundary, so that no word is cut."""
        low = max(0, end - _CONTEXT)
        boundary = _BOUNDARY.search(self._buffer, low, end)
        return 0 if low == 0 else boundary.end() if boundary else low

    def _wait(self) -> None:
        self._look_at = len(self._buffer) + max(_STEP, len(self._buffer) // _GROWTH)
