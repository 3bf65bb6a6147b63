"""Spans within others and known values in texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley_sidecar.pii.covered import occurrences, within
from parley_sidecar.pii.kinds import Span

FILLING = [f"filling {number}" for number in range(200)]
"""So many values that they are looked up."""


def test_a_span_within_another_is_told() -> None:
    """Its edges may be the other's; what begins before or ends behind is not within."""
    is_within = within([Span(2, 5, "IP"), Span(7, 9, "IP")])

    inside = [Span(2, 5, "A"), Span(3, 4, "A"), Span(8, 9, "A")]
    outside = [Span(1, 5, "A"), Span(2, 6, "A"), Span(5, 6, "A"), Span(4, 8, "A"), Span(9, 10, "A")]
    assert ([True] * 3, [False] * 5) == (list(map(is_within, inside)), list(map(is_within, outside)))


@pytest.mark.parametrize("others", [[], FILLING])
@given(text=st.text("ab", max_size=60), values=st.sets(st.text("ab", min_size=5, max_size=7), max_size=30))
def test_every_occurrence_is_found(others: list[str], text: str, values: set[str]) -> None:
    """Of few values and of many alike, as far as those of one value do not overlap."""
    found = sorted(occurrences([*values, *others])(text))

    expected = []
    for value in values:
        at = text.find(value)
        while at >= 0:
            expected.append((at, value))
            at = text.find(value, at + len(value))
    assert sorted(expected) == found
