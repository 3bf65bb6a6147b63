"""Durations: Go's notation and bare seconds."""

import pytest

from parley_crds.durations import seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10m", 600.0),
        ("1h30m", 5400.0),
        ("250ms", 0.25),
        ("1.5s", 1.5),
        ("90", 90.0),
        (15, 15.0),
        ("0", 0.0),
        ("5µs", 5e-6),
    ],
)
def test_durations_are_read_as_go_reads_them(text: str | int, expected: float) -> None:
    """Every unit counts, units add up, and a bare number is seconds."""
    assert expected == pytest.approx(seconds(text))


@pytest.mark.parametrize("text", ["", "1x", "m", "-5s", " 5s", "5 s", "1h-2m", -1, True, "9" * 33])
def test_anything_else_is_refused_with_a_sentence(text: str | int) -> None:
    """A malformed duration never becomes a number, and the sentence shows the accepted forms."""
    with pytest.raises(ValueError, match="is not a duration such as 10m"):
        seconds(text)
