"""Values with nothing between them: one is seen only when the other is gone. Used by `hiding` and `answering`."""

import re
from bisect import bisect_right
from collections.abc import Callable
from typing import Final

from parley_sidecar.pii import replaced, token
from parley_sidecar.pii.covered import within
from parley_sidecar.pii.kinds import Span

_AFTER: Final = re.compile(r"[^\s.,;:!?\"')\]}>|]|[\s./()+-]\d")
_BEFORE: Final = re.compile(r"[^\s,;:\"'(\[{<>=|]\Z|\d[\s./()+-]\Z")
"""What stands beside a value that is not cut off by white space or punctuation."""


def glued(text: str, found: list[Span], look: Callable[[str], list[Span]]) -> list[Span]:
    """Return what `look` finds in a text beside what was found, once that has given way to tokens.

    It looks only where more than punctuation touches a value, which is rare.
    """
    if not any(_is_glued(text, span) for span in found):
        return []
    return _behind_tokens(found, look(replaced(text, found, token)))


def _is_glued(text: str, span: Span) -> bool:
    return bool(_AFTER.match(text, span.end) or _BEFORE.search(text, max(0, span.start - 2), span.start))


def _behind_tokens(found: list[Span], seen: list[Span]) -> list[Span]:
    """Return spans of the text with tokens as spans of the text itself, without those of nothing but tokens."""
    starts: list[int] = []
    shifts: list[int] = []
    shift = 0
    for span in found:
        starts.append(span.start + shift)
        shift += len(token(span.kind, "")) - (span.end - span.start)
        shifts.append(shift)

    def original(place: int) -> tuple[int, int]:
        """Return where a character comes from: a place, or the whole value behind its token."""
        index = bisect_right(starts, place) - 1
        if index < 0:
            return place, place + 1
        span = found[index]
        if place < starts[index] + len(token(span.kind, "")):
            return span.start, span.end
        return place - shifts[index], place - shifts[index] + 1

    places = [Span(original(start)[0], original(end - 1)[1], kind) for start, end, kind in seen]
    is_known = within(found)
    return [one for one in places if not is_known(one)]
