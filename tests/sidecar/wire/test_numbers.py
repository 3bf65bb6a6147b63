"""Numbers may be text, and must mean something."""

import pytest

from parley_sidecar.errors import InvalidParameters, MalformedBody
from parley_sidecar.wire import numbers


@pytest.mark.parametrize(
    ("given", "value"), [(None, None), (0.7, 0.7), ("0.7", 0.7), (1, 1.0), (0.0, 0.0), ("1e-1", 0.1)]
)
def test_a_temperature_is_a_number_or_its_text(given: float | str | None, value: float | None) -> None:
    """A temperature is read from a number or a text; unset stays unset."""
    assert value == numbers.temperature(given)


@pytest.mark.parametrize("given", ["NaN", "Infinity", "-Infinity"])
def test_a_temperature_is_finite(given: str) -> None:
    """What no provider's JSON can carry is refused."""
    with pytest.raises(InvalidParameters, match="temperature must be a finite number"):
        numbers.temperature(given)


@pytest.mark.parametrize("given", ["warm", "", " 1", "1_0", "nan", "infinity", "0x1", "01", "+1", "1.", "\u0661"])
def test_a_temperature_of_words_is_malformed(given: str) -> None:
    """A text that is no number as JSON writes one is malformed, whatever Python thinks of it."""
    with pytest.raises(MalformedBody, match="temperature must be a number"):
        numbers.temperature(given)


@pytest.mark.parametrize(
    ("given", "value"), [(None, None), (1, 1), ("100", 100), (100.0, 100), ("1e2", 100), (2147483647, 2147483647)]
)
def test_max_tokens_is_a_whole_number_or_its_text(given: numbers.Number | None, value: int | None) -> None:
    """A limit is read from a whole number or a text."""
    assert value == numbers.max_tokens(given)


@pytest.mark.parametrize("given", [0, -1, "0", "-1", 2147483648, "2147483648", 10**30, "1e999", "9" * 5000])
def test_max_tokens_has_a_range(given: numbers.Number) -> None:
    """A limit out of range is refused in Dapr's words."""
    with pytest.raises(InvalidParameters, match="max_tokens must be greater than 0 and at most 2147483647"):
        numbers.max_tokens(given)


@pytest.mark.parametrize("given", [1.5, "many", "1.5", "", " 1", "1_0", "NaN"])
def test_max_tokens_of_another_form_is_malformed(given: numbers.Number) -> None:
    """A limit that is no whole number is malformed."""
    with pytest.raises(MalformedBody, match="maxTokens must be a whole number"):
        numbers.max_tokens(given)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("86400s", 86400.0),
        ("0s", 0.0),
        ("1.5s", 1.5),
        ("-1.5s", -1.5),
        ("+3s", 3.0),
        (".5s", 0.5),
        ("1.000000001s", 1.000000001),
    ],
)
def test_a_duration_is_seconds(text: str, seconds: float) -> None:
    """A duration is a number of seconds and an s."""
    assert seconds == numbers.duration_s(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s",
        "24h",
        "86400",
        "1m",
        "1 s",
        " 1s",
        "01s",
        "1e3s",
        "1.0000000001s",
        "--1s",
        ".s",
        "315576000001s",
        "9" * 400 + "s",
    ],
)
def test_another_duration_is_malformed(text: str) -> None:
    """Go's form, other units, more than nanoseconds and more than ten thousand years are none."""
    with pytest.raises(MalformedBody, match='a duration is a number of seconds such as "86400s"'):
        numbers.duration_s(text)
