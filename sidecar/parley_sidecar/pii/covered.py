"""Spans within others, and known values in texts, in time that grows with the text only. Used by `hiding`."""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final

from parley_sidecar.pii.kinds import Span

KEY_CHARACTERS: Final = 5
"""The length of the shortest value that is looked for, by which all are indexed."""
_FEW: Final = 100
"""So many values are looked for one by one, which is quicker for short texts; more are looked up at each place."""


def within(outer: Sequence[Span]) -> Callable[[Span], bool]:
    """Return what says whether a span lies within one of these, which are in order and apart."""
    starts = [span.start for span in outer]

    def is_within(span: Span) -> bool:
        index = bisect_right(starts, span.start) - 1
        return index >= 0 and span.end <= outer[index].end

    return is_within


def occurrences(values: Collection[str]) -> Callable[[str], Iterator[tuple[int, str]]]:
    """Return what yields the places of these values in a text, of one value as far as they do not overlap.

    Each has `KEY_CHARACTERS` at least.
    """
    if len(values) <= _FEW:
        return lambda text: ((start, value) for value in values for start in _places(value, text))
    index: dict[str, dict[int, set[str]]] = {}
    for value in values:
        index.setdefault(value[:KEY_CHARACTERS], {}).setdefault(len(value), set()).add(value)

    def looked_up(text: str) -> Iterator[tuple[int, str]]:
        ends: dict[str, int] = {}
        for start in range(len(text) - KEY_CHARACTERS + 1):
            for length, alike in index.get(text[start : start + KEY_CHARACTERS], {}).items():
                value = text[start : start + length]
                if value in alike and start >= ends.get(value, 0):
                    ends[value] = start + length
                    yield start, value

    return looked_up


def _places(value: str, text: str) -> Iterator[int]:
    at = text.find(value)
    while at >= 0:
        yield at
        at = text.find(value, at + len(value))
