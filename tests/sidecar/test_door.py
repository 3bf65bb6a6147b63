"""The door: hosts, origins and tokens."""

import pytest

from parley_sidecar.door import Door, normal
from parley_sidecar.errors import Draining, ForeignOrigin, Unauthorized

PATH = b"/v1.0-alpha1/conversation/echo/converse"
OPEN = Door("shop")
NAMED = Door("shop", allowed_hosts=frozenset({"llm.internal"}))
LOCKED = Door("shop", api_tokens=("old-token", "new-token"))


@pytest.mark.parametrize(
    "host", [b"localhost:3500", b"127.0.0.1:3500", b"[::1]:3500", b"LOCALHOST", b"app.localhost", b"127.0.0.1"]
)
def test_this_machine_is_let_in(host: bytes) -> None:
    """A Host that stands for loopback is ours."""
    assert OPEN.refusal("POST", PATH, {b"host": host}) is None


@pytest.mark.parametrize("host", [b"evil.test", b"10.0.0.7:3500", b"localhost.evil.test", b"", b"[::1", b"\xff"])
def test_another_host_is_foreign(host: bytes) -> None:
    """A Host of any other name is refused: a name that a web page's server points at loopback."""
    assert isinstance(OPEN.refusal("POST", PATH, {b"host": host}), ForeignOrigin)


def test_a_named_host_is_let_in() -> None:
    """A configured name is ours, with any port and in any case."""
    assert NAMED.refusal("POST", PATH, {b"host": b"LLM.internal:80", b"origin": b"https://llm.internal"}) is None


@pytest.mark.parametrize("origin", [b"https://evil.test", b"null", b"http://localhost.evil.test", b"", b"http://[::1"])
def test_a_foreign_page_is_refused(origin: bytes) -> None:
    """A web page of somebody else's may not ask, not even for health."""
    headers = {b"host": b"localhost:3500", b"origin": origin}

    assert isinstance(OPEN.refusal("GET", b"/v1.0/healthz", headers), ForeignOrigin)


def test_a_page_of_this_machine_is_let_in() -> None:
    """A page served from loopback is the developer's own."""
    assert OPEN.refusal("POST", PATH, {b"host": b"localhost:3500", b"origin": b"http://localhost:8080"}) is None


@pytest.mark.parametrize(
    "headers",
    [
        {b"dapr-api-token": b"old-token"},
        {b"dapr-api-token": b"new-token"},
        {b"authorization": b"Bearer new-token"},
        {b"authorization": b"bearer  old-token"},
    ],
)
def test_a_valid_token_opens(headers: dict[bytes, bytes]) -> None:
    """Any of the tokens opens, in Dapr's header or as a bearer token."""
    assert LOCKED.refusal("POST", PATH, headers) is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"dapr-api-token": b""},
        {b"dapr-api-token": b"new-toke"},
        {b"dapr-api-token": b"wrong", b"authorization": b"Bearer new-token"},
        {b"authorization": b"Basic new-token"},
        {b"dapr-api-token": "tökén".encode()},
    ],
)
def test_another_token_does_not(headers: dict[bytes, bytes]) -> None:
    """Without a valid token there is no way in."""
    refusal = LOCKED.refusal("POST", PATH, headers)

    assert isinstance(refusal, Unauthorized)
    assert "invalid api token" == refusal.message


@pytest.mark.parametrize(
    ("method", "path", "refused"),
    [
        ("GET", b"/v1.0/healthz", False),
        ("GET", b"/v1.0/healthz/outbound", False),
        ("POST", b"/v1.0/healthz", True),
        ("GET", b"/v1.0/metadata", True),
    ],
)
def test_health_needs_no_token(method: str, path: bytes, refused: bool) -> None:  # noqa: FBT001 - a table's column
    """Only the two health checks are answered without a token, as in Dapr."""
    assert refused is (LOCKED.refusal(method, path, {}) is not None)


def test_tokens_are_never_shown() -> None:
    """A door can be printed without giving its tokens away."""
    assert "token" not in repr(LOCKED)


def test_a_closed_door_says_when_to_come_back() -> None:
    """While the process drains new requests are told so."""
    door = Door("shop")
    assert door.closed() is None

    door.traffic.open = False
    refusal = door.closed()
    assert isinstance(refusal, Draining)
    assert 1.0 == refusal.retry_after_s


@pytest.mark.parametrize(
    ("path", "expected"),
    [(b"/a/b", b"/a/b"), (b"//a///b//", b"/a/b"), (b"/a/b/", b"/a/b"), (b"/", b"/"), (b"//", b"/")],
)
def test_paths_are_seen_as_dapr_sees_them(path: bytes, expected: bytes) -> None:
    """Doubled slashes and one at the end do not matter."""
    assert expected == normal(path)
