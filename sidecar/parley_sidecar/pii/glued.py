"""Values with nothing between them: one is seen only when the other is gone. Used by `hiding` and `answering`."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from parley_sidecar.pii import replaced, token
from parley_sidecar.pii.covered import within
from parley_sidecar.pii.kinds import Span

_AFTER: Final = re.compile(r"[^\s.,;:!?\"')\]}>|]|[\s./()+-]\d")
_BEFORE: Final = re.compile(r"[^\s,;:\"'(\[{<>=|]\Z|\d[\s./()+-]\Z")
"""What stands beside a value that is not cut off by white space or punctuation."""
_NEAR: Final = 64
"""In so many characters before and behind a value another one may show when it is gone."""
_CONTEXT: Final = 128
"""How many more are read with them, for the words that tell what they are."""
_SHORT: Final = 512
"""A text of no more characters is looked at as a whole, which costs as little."""
_SPACE: Final = re.compile(r"\s")
_DIGIT: Final = re.compile(r"\d")
_TOUCHES: Final = re.compile(r"[^\s\w]*\w")
_TOUCHED: Final = re.compile(r"\w[^\s\w]*\Z")
"""Letters and digits with no white space between them and a value."""

Part = tuple[int, int]
"""From where to where in a text."""


def glued(text: str, found: list[Span], look: Callable[[str], list[Span]]) -> list[Span]:
    """Return what `look` finds in a text beside what was found, once that has given way to tokens.

    It looks only where more than punctuation touches a value, which is rare; and in a long text only around those
    values beside which something is left that may be one.
    """
    if not any(_is_glued(text, span) for span in found):
        return []
    tokens, hidden = _tokens(found), replaced(text, found, token)
    if len(hidden) <= _SHORT:
        return _behind_tokens(found, tokens, look(hidden))
    near = _joined((low - _NEAR, high + _NEAR) for low, high in _exposed(hidden, tokens))
    seen = [
        Span(start + low, end + low, kind)
        for low, high in _joined(_around(hidden, part) for part in near)
        for start, end, kind in look(hidden[low:high])
    ]
    return _behind_tokens(found, tokens, [span for span in seen if _is_in(span, near)])


def _is_glued(text: str, span: Span) -> bool:
    return bool(_AFTER.match(text, span.end) or _BEFORE.search(text, max(0, span.start - 2), span.start))


def _tokens(found: list[Span]) -> list[Part]:
    """Return where the tokens stand that these give way to."""
    places: list[Part] = []
    shift = 0
    for span in found:
        start = span.start + shift
        end = start + len(token(span.kind, ""))
        places.append((start, end))
        shift = end - span.end
    return places


def _exposed(text: str, tokens: list[Part]) -> Iterator[Part]:
    """Yield the tokens near which a digit is left, or that letters touch."""
    ends = [0, *(end for _, end in tokens)]
    starts = [*(start for start, _ in tokens[1:]), len(text)]
    for (low, high), before, behind in zip(tokens, ends, starts, strict=False):
        left = text[max(before, low - _NEAR) : low], text[high : min(behind, high + _NEAR)]
        if any(map(_DIGIT.search, left)) or _TOUCHES.match(left[1]) or _TOUCHED.search(left[0]):
            yield low, high


def _joined(parts: Iterable[Part]) -> list[Part]:
    """Return parts that are in order with those joined that touch each other."""
    joined: list[Part] = []
    for low, high in parts:
        if joined and low <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(high, joined[-1][1])
        else:
            joined.append((low, high))
    return joined


def _around(text: str, part: Part) -> Part:
    """Return a part with what is read around it; no word is cut."""
    low, high = max(0, part[0] - _CONTEXT), part[1] + _CONTEXT
    space = _SPACE.search(text, high)
    return max(text.rfind(" ", 0, low), text.rfind("\n", 0, low)) + 1, space.start() if space else len(text)


def _is_in(span: Span, parts: list[Part]) -> bool:
    """Say whether a span has a character in one of the parts."""
    place = bisect_right(parts, (span.end - 1, span.end)) - 1
    return place >= 0 and span.start < parts[place][1]


def _behind_tokens(found: list[Span], tokens: list[Part], seen: list[Span]) -> list[Span]:
    """Return spans of the text with tokens as spans of the text itself, without those of nothing but tokens."""

    def original(place: int) -> Part:
        """Return where a character comes from: a place, or the whole value behind its token."""
        index = bisect_right(tokens, (place, len(found) + place)) - 1
        if index < 0:
            return place, place + 1
        span, (_, end) = found[index], tokens[index]
        if place < end:
            return span.start, span.end
        return place - end + span.end, place - end + span.end + 1

    places = [Span(original(start)[0], original(end - 1)[1], kind) for start, end, kind in seen]
    is_known = within(found)
    return [one for one in places if not is_known(one)]
