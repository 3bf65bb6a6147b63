"""How long an answer asks to wait."""

import pytest

from parley_sidecar.http.retry_after import asked_wait_s, wait_s
from parley_sidecar.http_client import HttpReply


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("3", 3),
        ("0", 0),
        ("999999999", 3600),
        ("Wed, 21 Oct 2015 07:28:10 GMT", 10),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0),
        ("Wed, 21 Oct 2099 07:28:00 GMT", 3600),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("\u0663", None),
    ],
)
def test_retry_after_is_read_within_an_hour(header: str, expected: float | None) -> None:
    """Seconds and dates are; what is neither is left out, and nobody is made to wait for ever."""
    assert expected == wait_s(header, now_s=1445412480)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "20.5", "Retry-After": "9"}, 0.0205),
        ({"retry-after-ms": "999999999999"}, 3600),
        ({"retry-after-ms": "soon", "Retry-After": "9"}, 9),
        ({"retry-after-ms": "-1"}, None),
        ({"retry-after-ms": "nan"}, None),
        ({}, None),
    ],
)
def test_milliseconds_go_before_seconds(headers: dict[str, str], expected: float | None) -> None:
    """OpenAI and Azure say them; what cannot be read is as if it were not there."""
    assert expected == asked_wait_s(headers, now_s=0)


def test_an_answer_without_retry_after_asks_for_no_wait() -> None:
    """None is not 0."""
    assert HttpReply(429, {}, b"").retry_after_s is None
    assert 5 == HttpReply(429, {"Retry-After": "5"}, b"").retry_after_s
