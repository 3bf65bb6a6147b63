"""The bytes of a request, and the headers of an answer. Pure; used by `http_client` and `connection`."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from parley_crds import __version__
from parley_sidecar.errors import InvalidComponent, ProviderUnavailable
from parley_sidecar.http.urls import Origin, parsed

HEADS: Final = 256
"""Heads that are kept: one for each component's URL and key, and what requests of late brought of their own."""
_OURS: Final = frozenset({"host", "accept-encoding", "connection", "content-length", "transfer-encoding"})
"""What only the client may say: it decides where a request ends, and what can be read of an answer."""
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
"""Source: RFC 9110 5.6.2, token."""
_VALUE: Final = re.compile(r"[\t\x20-\x7e]*", re.ASCII)
"""Nothing that ends a line, or that servers read in different ways. Source: RFC 9110 5.5."""


class Head(NamedTuple):
    """All of a POST but its body."""

    origin: Origin
    start: bytes
    """Ends where the body's length follows."""

    def with_body(self, body: bytes) -> bytes:
        """Return the whole request."""
        return b"%b%d\r\n\r\n%b" % (self.start, len(body), body)


@lru_cache(HEADS)
def head(url: str, headers: tuple[tuple[str, str], ...]) -> Head:
    """Return the head of a POST, made once for the same URL and headers.

    Raises:
        ProviderUnavailable: when the URL is none.
        InvalidComponent: when a header cannot be sent; neither its name nor its value is repeated.
    """
    try:
        target = parsed(url)
    except ValueError as error:
        raise ProviderUnavailable("the provider's endpoint is not a URL") from error
    for name, value in headers:
        if not _NAME.fullmatch(name) or name.lower() in _OURS or not _VALUE.fullmatch(value):
            raise InvalidComponent("a header of the request to the provider cannot be sent")
    lines = [
        f"POST {target.target} HTTP/1.1",
        f"Host: {target.authority}",
        "Accept-Encoding: identity",  # answers are small; unpacked, a few bytes could become gigabytes
        *(f"{name}: {value}" for name, value in (*_usual(headers), *headers)),
        "Content-Length: ",
    ]
    return Head(target.origin, "\r\n".join(lines).encode("ascii"))


def _usual(headers: tuple[tuple[str, str], ...]) -> Iterator[tuple[str, str]]:
    """Return what a request says unless its headers do: without a User-Agent some vendors' gates refuse it."""
    given = {name.lower() for name, _ in headers}
    for name, value in (("User-Agent", f"parley/{__version__}"), ("Accept", "*/*")):
        if name.lower() not in given:
            yield name, value


class Headers(Mapping[str, str]):
    """The headers of an answer; case does not matter when looking up a name, and the first of a name counts.

    They are read when somebody first looks: most answers are used without.
    """

    __slots__ = ("_by_name", "_raw")

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self._raw = raw
        self._by_name: dict[str, str] | None = None

    def __getitem__(self, name: str) -> str:
        return self._read()[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def _read(self) -> dict[str, str]:
        if self._by_name is None:
            self._by_name = {}
            for name, value in self._raw:
                self._by_name.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
        return self._by_name
