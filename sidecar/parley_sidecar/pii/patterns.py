"""The patterns that a component brings along, as one detector. Used by `finder`.

`parley_crds.patterns` proves at load how long a match can be and how many steps a character costs. Python's `re` holds
the interpreter while it searches, so that a thread alone would not help: a search is given a short window at a time.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from parley_crds.patterns import Bounds, bounds_of
from parley_crds.resource import Pattern
from parley_sidecar.pii.kinds import Span

WINDOW_STEPS: Final = 256 * 1024
"""What one search may cost at most, about 2 ms; in between, other threads have their turn."""


class _Own(NamedTuple):
    kind: str
    expression: re.Pattern[str]
    reach: int
    """Characters behind a match's start that decide on it."""
    window: int
    """Characters that are searched at once."""


class OwnPatterns:
    """All patterns of a component; raises ValueError for one that cannot be used."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        limits = bounds_of(patterns)
        self.steps = sum(one.steps for one in limits)
        self._patterns = [_compiled(*each) for each in zip(patterns, limits, strict=True)]

    def __call__(self, text: str) -> Iterator[Span]:
        """Return the values: the first group where there is one that took part, else the whole match."""
        for own in self._patterns:
            for found in _matches(own, text):
                start, end = found.span(1) if own.expression.groups and found.start(1) >= 0 else found.span()
                if start < end:
                    yield Span(start, end, own.kind)


def _compiled(pattern: Pattern, limits: Bounds) -> _Own:
    reach = limits.longest + 1
    return _Own(pattern.type, re.compile(pattern.regex), reach, WINDOW_STEPS // limits.steps + reach)


def _matches(own: _Own, text: str) -> Iterator[re.Match[str]]:
    """Return the matches as one search of the whole text would."""
    at = 0
    while at < len(text):
        end = min(len(text), at + own.window)
        sure = end if end == len(text) else end - own.reach
        for found in own.expression.finditer(text, at, end):
            if found.start() >= sure:
                break
            yield found
            at = found.end()
        at = max(at, sure)
