"""URLs, taken apart: where to connect, and what is asked for there."""

import pytest

from parley_sidecar.http.urls import Origin, Url, parsed


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h", Url(Origin(False, "h", 80), "h", "/")),
        ("http://h:80/v1", Url(Origin(False, "h", 80), "h", "/v1")),
        ("http://h:443/v1", Url(Origin(False, "h", 443), "h:443", "/v1")),
        ("https://h/v1", Url(Origin(True, "h", 443), "h", "/v1")),
        ("https://h:/v1", Url(Origin(True, "h", 443), "h", "/v1")),
        ("https://h:8443/v1", Url(Origin(True, "h", 8443), "h:8443", "/v1")),
        ("HTTPS://API.Example.COM/V1", Url(Origin(True, "api.example.com", 443), "api.example.com", "/V1")),
        ("http://a_b.svc.local.", Url(Origin(False, "a_b.svc.local.", 80), "a_b.svc.local.", "/")),
        ("http://127.0.0.1:9/", Url(Origin(False, "127.0.0.1", 9), "127.0.0.1:9", "/")),
        ("http://[::1]:9/x", Url(Origin(False, "::1", 9), "[::1]:9", "/x")),
        ("http://[2001:DB8:0::1]", Url(Origin(False, "2001:db8::1", 80), "[2001:db8::1]", "/")),
        ("http://h/a?b=c&d=/?", Url(Origin(False, "h", 80), "h", "/a?b=c&d=/?")),
        ("http://h?b", Url(Origin(False, "h", 80), "h", "/?b")),
        ("http://h/a#b", Url(Origin(False, "h", 80), "h", "/a")),
        ("http://h/m%3A1%2Fx:2", Url(Origin(False, "h", 80), "h", "/m%3A1%2Fx:2")),
        ("http://h/a b/\u00e4?\u20ac", Url(Origin(False, "h", 80), "h", "/a%20b/%C3%A4?%E2%82%AC")),
        ("https://b\u00fccher.example/", Url(Origin(True, "xn--bcher-kva.example", 443), "xn--bcher-kva.example", "/")),
        ("https://stra\u00dfe.example/", Url(Origin(True, "xn--strae-oqa.example", 443), "xn--strae-oqa.example", "/")),
    ],
)  # fmt: skip
def test_a_url_is_taken_apart(url: str, expected: Url) -> None:
    """Ports, addresses, names of other scripts and what must be encoded are as RFC 3986 and IDNA 2008 have them."""
    assert expected == parsed(url)


@pytest.mark.parametrize(
    "url",
    [
        "", "h", "not a url", "/v1", "ftp://h/", "ws://h/", "http:///v1", "http://", "http://:80/", "http://h:x/",
        "http://h:65536/", "http://user:sk-secret@h/", "http://h/a\r\nX-Injected: 1", "http://h\r\n/", "http://h/\x00",
        "http://h/\t", "http://a..b/", f"http://{'a' * 64}/", f"http://{'a.' * 130}a/", "http://h%61/", "http://[::1/",
        "http://[x]/", "http://[v1.x]/", "http://[fe80::1%25eth0]/", "http://a b/", "http://\u2024/",
    ],
)  # fmt: skip
def test_what_is_no_url_is_refused(url: str) -> None:
    """Nothing is left out of it to make it one, nothing of it could begin another line, and none of it is repeated."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - of any kind
        parsed(url)

    assert "sk-secret" not in str(caught.value)
