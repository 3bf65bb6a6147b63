"""What counts as personal data for one component: its types, its allow-list, its own patterns and its recognizer.

`pipeline` makes one for each component; `layers.scrub` asks it. Without settings it is `pii.spans` and nothing else.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Sequence
from itertools import accumulate
from operator import attrgetter
from typing import Final, Self

from parley_crds.resource import Privacy
from parley_sidecar import pii
from parley_sidecar.errors import InvalidComponent
from parley_sidecar.http_client import HttpClient
from parley_sidecar.pii.allowed import Allowed
from parley_sidecar.pii.kinds import Kind, Span, merged
from parley_sidecar.pii.patterns import OwnPatterns
from parley_sidecar.pii.view import View
from parley_sidecar.recognizer import recognizer

Recognize = Callable[[Sequence[str]], Awaitable[list[list[Span]]]]
"""What somebody else finds in texts; raises `errors.RecognizerUnavailable`."""

OFF_LOOP_CHARACTERS: Final = 32 * 1024
"""From this size on a thread scans, since the event loop would stand still for several milliseconds."""
_STEPS_OF_OURS: Final = 256
"""As many steps of own patterns cost in the worst case about as much as all that is found without them."""


class Finder:
    """Finds what one component's privacy calls personal data."""

    def __init__(self, choice: pii.Choice | None, allowed: Allowed, recognize: Recognize | None, steps: int) -> None:
        self._choice = choice
        self._allowed = allowed
        self._recognize = recognize
        self.off_loop_characters = OFF_LOOP_CHARACTERS * _STEPS_OF_OURS // (_STEPS_OF_OURS + steps)
        """From this many characters on, `spans` belongs into a thread."""

    @classmethod
    def of(cls, privacy: Privacy, http: HttpClient) -> Self:
        """Make a component's.

        Raises:
            InvalidComponent: when a pattern or the recognizer's address cannot be used.
        """
        allowed = Allowed(privacy.allow)
        try:
            patterns = OwnPatterns(privacy.patterns)
            recognize = recognizer(privacy.recognizer, http) if privacy.recognizer else None
        except ValueError as error:
            raise InvalidComponent(f"spec.privacy: {error}") from None
        is_special = privacy.types or allowed or privacy.patterns
        choice = _Chosen(frozenset(privacy.types), allowed, patterns) if is_special else None
        return cls(choice, allowed, recognize, patterns.steps)

    def spans(self, text: str) -> list[Span]:
        """Return where personal data stands in a text, in order and without overlaps; asks no recognizer."""
        return pii.spans(text, self._choice)

    async def find(self, texts: Sequence[str]) -> list[list[Span]]:
        """Return the spans of each text, with what the recognizer finds; long texts are read in a thread.

        Raises:
            RecognizerUnavailable: when there is a recognizer, and it gives no good answer.
        """
        found = await self._scanned(texts)
        if self._recognize is None:
            return found
        theirs = await self._recognize(texts)
        return [self._joined(*each) for each in zip(texts, found, theirs, strict=True)]

    async def _scanned(self, texts: Sequence[str]) -> list[list[Span]]:
        if sum(map(len, texts)) < self.off_loop_characters:
            return [self.spans(text) for text in texts]
        return await asyncio.to_thread(lambda: [self.spans(text) for text in texts])

    def _joined(self, text: str, ours: list[Span], theirs: list[Span]) -> list[Span]:
        """Return both; where they overlap ours stay whole, and of theirs what is beside."""
        wanted = [span for span in theirs if not self._allowed(span.kind, text[span.start : span.end])]
        return sorted([*ours, *(part for span in merged(wanted) for part in _beside(text, span, ours))])


class _Chosen:
    """The choice of one component."""

    def __init__(self, types: frozenset[Kind], allowed: Allowed, patterns: OwnPatterns) -> None:
        self._types = types
        self._allowed = allowed
        self._patterns = patterns

    def __call__(self, view: View, text: str, found: list[Span]) -> tuple[list[Span], list[Span]]:
        """Return what the patterns match, and what is of the types; without what is allowed and all within that."""
        own = view.original(self._patterns(view.text))
        counted = [span for span in found if span.kind in self._types] if self._types else found
        if not self._allowed:
            return own, counted
        allowed = [span for span in (*own, *counted) if self._allowed(span.kind, text[span.start : span.end])]
        return _outside(allowed, own), _outside(allowed, counted)


def _outside(allowed: list[Span], found: list[Span]) -> list[Span]:
    """Return the spans that lie in none of the allowed ones."""
    allowed = sorted(allowed)
    ends = list(accumulate((span.end for span in allowed), max, initial=0))
    return [span for span in found if span.end > ends[bisect_right(allowed, span.start, key=attrgetter("start"))]]


def _beside(text: str, span: Span, ours: list[Span]) -> list[Span]:
    """Return the parts of a span that lie outside of ours and hold a letter or a digit, without what is around that."""
    parts: list[Span] = []
    at = span.start
    index = bisect_right(ours, span.start, key=attrgetter("end"))
    while at < span.end:
        other = ours[index] if index < len(ours) and ours[index].start < span.end else None
        start, end = at, other.start if other else span.end
        while start < end and not text[start].isalnum():
            start += 1
        while end > start and not text[end - 1].isalnum():
            end -= 1
        if start < end:
            parts.append(Span(start, end, span.kind))
        at, index = other.end if other else span.end, index + 1
    return parts
