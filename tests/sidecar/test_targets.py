"""Where requests go and with which key: the component's headers travel to its own endpoint and nowhere else."""

import pytest

from parley_sidecar.errors import InvalidParameters
from parley_sidecar.model import Overrides
from parley_sidecar.targets import Headers, Target, headers_in, printable, root


def signed(key: str) -> Headers:
    """Return headers with a key."""
    return {"X-Key": key}


TARGET = Target("https://component", "k-component", signed, {"X-Own": "own"})


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (Overrides(), ("https://component", {"X-Key": "k-component", "X-Own": "own"})),
        (Overrides(model="m"), ("https://component", {"X-Key": "k-component", "X-Own": "own"})),
        (Overrides(key="k"), ("https://component", {"X-Key": "k"})),
        (Overrides(key=" k\n", endpoint="https://own/v1/"), ("https://own/v1", {"X-Key": "k"})),
    ],
    ids=["nothing", "model", "key", "both"],
)
def test_a_request_replaces_what_it_names(overrides: Overrides, expected: tuple[str, Headers]) -> None:
    """An own key leaves the component's other headers behind, an own endpoint all of them."""
    assert expected == TARGET.of(overrides)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (Overrides(endpoint="https://own"), "an endpoint in metadata needs its own key there"),
        (Overrides(key="sk\r\nx-mark: 1"), "key in metadata must be printable"),
        (Overrides(key="schlüssel"), "key in metadata must be printable"),
        (Overrides(key="k", endpoint="file:///etc/passwd"), "endpoint in metadata must be an http"),
        (Overrides(key="k", endpoint="http://[::1"), "endpoint in metadata must be an http"),
        (Overrides(key="k", endpoint="http://host:0"), "endpoint in metadata must be an http"),
        (Overrides(key="k", endpoint="http://u:p@host"), "endpoint in metadata must be an http"),
        (Overrides(key="k", endpoint="http://host/?a"), "endpoint in metadata must be an http"),
        (Overrides(key="k", endpoint="http://ho st/"), "endpoint in metadata must be an http"),
        (Overrides(key="k", endpoint="http://host\n/"), "endpoint in metadata must be an http"),
    ],
)
def test_what_cannot_be_sent_is_the_callers_fault(overrides: Overrides, words: str) -> None:
    """It is a 400 and not a fault of the provider's, and is not repeated."""
    with pytest.raises(InvalidParameters, match=words) as caught:
        TARGET.of(overrides)

    assert not overrides.endpoint or overrides.endpoint not in caught.value.message
    assert not overrides.key or overrides.key not in caught.value.message.split()


def test_keys_and_roots_are_read_once() -> None:
    """A file's newline and a URL's last slash mean nothing."""
    assert "k" == printable("k\n")
    assert "http://localhost:1/v1" == root("http://localhost:1/v1//")


def test_headers_of_a_setting() -> None:
    """A JSON object of texts; nothing is none."""
    assert {} == headers_in("")
    assert {"X-A": "b"} == headers_in('{"X-A": "b\\n"}')


@pytest.mark.parametrize(
    "text", ["x", "[]", '{"a": 1}', '{"Host": "a"}', '{"a:b": "c"}', '{"a": "b\\r\\nc"}', '{"a":' * 100_000]
)
def test_headers_that_cannot_be_sent(text: str) -> None:
    """Not an object, not the setting's to name, or not printable."""
    with pytest.raises(ValueError, match=r"must (be|name)"):
        headers_in(text)
