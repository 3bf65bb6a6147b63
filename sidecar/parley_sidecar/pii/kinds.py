"""The kinds of personal data, and where one was found. Used by every detector and by `replacing`."""

from typing import NamedTuple

from parley_crds.resource import PersonalDataType

Kind = PersonalDataType | str
"""One of those that are found here, or a word of the user's own patterns or of a recognizer."""


class Span(NamedTuple):
    """A value within a text: `text[start:end]`."""

    start: int
    end: int
    kind: Kind


def merged(spans: list[Span]) -> list[Span]:
    """Return spans in order of their start; what overlaps becomes one span of the longest one's kind."""
    result: list[Span] = []
    longest = 0
    for span in sorted(spans, key=lambda found: (found.start, -found.end)):
        if not result or span.start >= result[-1].end:
            result.append(span)
            longest = span.end - span.start
            continue
        last = result[-1]
        kind = last.kind
        if span.end - span.start > longest:
            kind, longest = span.kind, span.end - span.start
        result[-1] = Span(last.start, max(last.end, span.end), kind)
    return result
