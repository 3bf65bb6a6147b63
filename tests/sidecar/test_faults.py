"""What a provider's bad answer means: one table from status to error, and one error for what cannot be read."""

import msgspec
import pytest

from parley_sidecar.errors import ParleyError, ProviderGarbled, ProviderRefused, ProviderUnavailable, RateLimited
from parley_sidecar.faults import cut_off, fault, understood

DECODER = msgspec.json.Decoder(dict[str, int])


@pytest.mark.parametrize(
    ("status", "expected", "words"),
    [
        (302, ProviderRefused, "status 302"),
        (400, ProviderRefused, "refused the request"),
        (401, ProviderRefused, "refused the key"),
        (403, ProviderRefused, "refused the key"),
        (404, ProviderRefused, "does not know the model"),
        (408, ProviderUnavailable, "status 408"),
        (422, ProviderRefused, "status 422"),
        (429, RateLimited, "limits the rate"),
        (500, ProviderUnavailable, "status 500"),
        (529, ProviderUnavailable, "status 529"),
    ],
)
def test_each_status_is_one_error(status: int, expected: type[ParleyError], words: str) -> None:
    """In one safe sentence; whether it may be asked again is in its class."""
    error = fault(status)

    assert type(error) is expected
    assert words in error.message


@pytest.mark.parametrize("status", [408, 429, 503])
def test_what_may_be_asked_again_says_when(status: int) -> None:
    """The wait is passed on, in seconds."""
    assert 7 == fault(status, 7).retry_after_s
    assert fault(400, 7).retry_after_s is None


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"a": "sk-secret"}', b'{"a": 1} sk-secret', b"\xff", b'{"a":' * 100_000]
)
def test_what_cannot_be_read_is_garbled(body: bytes) -> None:
    """Whatever is wrong with it, it is one error that says what it should have been."""
    with pytest.raises(ProviderGarbled, match="is not a count") as caught:
        understood(DECODER, body, "a count")

    assert "sk-secret" not in caught.value.message


def test_what_can_be_read_is() -> None:
    """With space around it, as of servers that keep a connection alive with empty lines."""
    assert {"a": 1} == understood(DECODER, b'\n\n{"a": 1}\n', "a count")


def test_a_cut_may_be_asked_again() -> None:
    """The next answer may be whole."""
    assert isinstance(cut_off(), ProviderUnavailable)
