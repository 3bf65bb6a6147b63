"""The bytes of a request, and the headers of an answer."""

import pytest

from parley_crds import __version__
from parley_sidecar.errors import InvalidComponent, ProviderUnavailable
from parley_sidecar.http.heads import Headers, head


def test_a_request_is_one_piece() -> None:
    """The request line, what only the client says, the caller's headers as they are, the length, the body."""
    made = head("http://h:8080/v1?x=1", (("Authorization", "Bearer k"), ("Content-Type", "application/json")))

    assert (
        b"POST /v1?x=1 HTTP/1.1\r\nHost: h:8080\r\nAccept-Encoding: identity\r\n"
        b"User-Agent: parley/" + __version__.encode() + b"\r\nAccept: */*\r\n"
        b"Authorization: Bearer k\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    ) == made.with_body(b"{}")
    assert made.with_body(b"").endswith(b"Content-Length: 0\r\n\r\n")


def test_a_head_is_made_once() -> None:
    """The same URL and headers share it; another key has its own."""
    asked = ("http://h/", (("Authorization", "Bearer k"),))

    assert head(*asked) is head(*asked)
    assert b"Bearer other" in head("http://h/", (("Authorization", "Bearer other"),)).start


def test_a_caller_may_say_who_it_is_and_what_it_takes() -> None:
    """The SDK does; each is said once."""
    start = head("http://h/", (("user-agent", "sdk"), ("accept", "application/json"))).start

    assert (1, 1) == (start.lower().count(b"user-agent:"), start.lower().count(b"accept:"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Key", "sk-secret\r\nX-Injected: 1"),
        ("X-Key", "sk-secret\n"),
        ("X-Key", "sk-secret\x00"),
        ("X-Key", "sk-secret\u010a"),
        ("X-Key", "sk-secret\xe4"),
        ("X-Key\r\nX-Injected", "sk-secret"),
        ("X Key", "sk-secret"),
        ("X-Key:", "sk-secret"),
        ("", "sk-secret"),
        ("Host", "sk-secret"),
        ("content-length", "9"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "upgrade"),
        ("Accept-Encoding", "gzip"),
    ],
)
def test_a_header_that_could_end_its_line_is_refused(name: str, value: str) -> None:
    """So is one that only the client may set; nothing of it is repeated."""
    with pytest.raises(InvalidComponent) as caught:
        head("http://h/", ((name, value),))

    assert "sk-secret" not in caught.value.message


def test_what_is_no_url_is_said_without_it() -> None:
    """It may hold a key."""
    with pytest.raises(ProviderUnavailable, match="'s endpoint is not a URL") as caught:
        head("http://h/\r\nsk-secret", ())

    assert "sk-secret" not in caught.value.message


def test_headers_are_found_in_any_case() -> None:
    """The first of a name counts; bytes that are no text do not break the others."""
    headers = Headers([(b"X-Mark", b"1"), (b"x-mark", b"2"), (b"Odd", b"\xff")])

    assert ("1", "1", "\xff", None) == (headers["x-mark"], headers.get("X-MARK"), headers["odd"], headers.get("other"))
    assert (["x-mark", "odd"], 2) == (list(headers), len(headers))
