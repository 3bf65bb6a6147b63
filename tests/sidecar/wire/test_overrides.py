"""What a request may replace of its component's settings."""

import pytest

from parley_sidecar.errors import InvalidParameters
from parley_sidecar.model import Overrides
from parley_sidecar.wire import overrides
from parley_sidecar.wire.overrides import Asked, Terms, is_loopback

OWN = Terms(own_ports=frozenset({3500, 9464}))


def test_all_four_are_read_in_any_case() -> None:
    """model, key, endpoint and cacheTTL are found without regard to case; what else there is stays as it came."""
    metadata = {"Model": "m", "KEY": "k", "endpoint": "https://llm.test/v1", "cachettl": "10m", "user": "u-1"}

    expected = Asked(Overrides("m", "k", "https://llm.test/v1"), 600.0, {"user": "u-1"})
    assert expected == overrides.read(metadata, OWN)


@pytest.mark.parametrize("metadata", [None, {}, {"model": "", "key": "", "endpoint": "", "cacheTTL": ""}])
def test_nothing_is_replaced_by_nothing(metadata: dict[str, str] | None) -> None:
    """No metadata, and empty texts, replace nothing."""
    assert Asked() == overrides.read(metadata, OWN)


@pytest.mark.parametrize("name", ["model", "key", "endpoint", "cacheTTL"])
def test_a_component_may_forbid(name: str) -> None:
    """What a component's allow list leaves out is refused by name; an empty text is no request for it."""
    terms = Terms(allow=frozenset(overrides.NAMES) - {name})

    assert Asked() == overrides.read({name: ""}, terms)
    with pytest.raises(InvalidParameters, match=f"does not let a request replace {name}$"):
        overrides.read({name: "10m"}, terms)


def test_two_spellings_are_refused() -> None:
    """Two names that differ by case alone are refused, as in Dapr."""
    with pytest.raises(InvalidParameters, match="model is given twice"):
        overrides.read({"model": "a", "Model": "b"}, OWN)


def test_a_malformed_lifetime_is_refused() -> None:
    """A cacheTTL that is no duration is refused with the reason."""
    with pytest.raises(InvalidParameters, match="cacheTTL: 'soon' is not a duration"):
        overrides.read({"cacheTTL": "soon"}, OWN)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://localhost:3500",
        "http://LOCALHOST.:3500/v1",
        "http://app.localhost:9464",
        "http://127.1.2.3:3500",
        "http://[::1]:3500/v1",
        "http://[::ffff:127.0.0.1]:3500",
        "http://0.0.0.0:9464",
    ],
)
def test_our_own_ports_are_no_endpoint(endpoint: str) -> None:
    """A provider at the sidecar's own ports would ask itself again."""
    with pytest.raises(InvalidParameters, match="endpoint is the sidecar itself"):
        overrides.read({"endpoint": endpoint}, OWN)


@pytest.mark.parametrize("endpoint", ["http://localhost:11434/v1", "https://llm.test", "http://llm.test:3500"])
def test_other_endpoints_are_taken(endpoint: str) -> None:
    """Other ports of this machine, and our port number elsewhere, are endpoints."""
    assert endpoint == overrides.read({"endpoint": endpoint}, OWN).overrides.endpoint


@pytest.mark.parametrize(
    "endpoint",
    ["llm.test", "ftp://llm.test", "http://", "http://user:secret@llm.test", "http://llm.test:99999", "http://[::1"],
)
def test_an_endpoint_is_a_plain_url(endpoint: str) -> None:
    """What is no HTTP URL, or carries credentials, is refused without being repeated."""
    with pytest.raises(InvalidParameters, match=r"^endpoint") as raised:
        overrides.read({"endpoint": endpoint}, OWN)

    assert "secret" not in raised.value.message


def test_a_provider_without_an_endpoint_takes_any() -> None:
    """Where the provider has no endpoint, even our own has no effect and does no harm."""
    terms = Terms(has_endpoint=False, own_ports=frozenset({3500}))

    assert "http://localhost:3500" == overrides.read({"endpoint": "http://localhost:3500"}, terms).overrides.endpoint


def test_a_key_is_never_shown() -> None:
    """What a request asks for can be printed without giving its key away."""
    asked = overrides.read({"key": "sk-secret", "api_key": "sk-secret"}, OWN)

    assert "sk-secret" not in repr(asked)


@pytest.mark.parametrize(("host", "loopback"), [("localhost", True), ("10.0.0.1", False), ("", False), ("::1", True)])
def test_loopback_is_this_machine(host: str, loopback: bool) -> None:  # noqa: FBT001 - a table's column
    """Names and addresses of loopback are told from others."""
    assert loopback is is_loopback(host)
