"""Where a request goes and with which key: the component's, or what the request puts in their place.

Every provider that has a key and an endpoint uses it, so that one rule holds for all: no key and no header of a
component travels to an endpoint that a request names.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from parley_crds.addresses import is_web_root
from parley_sidecar.errors import InvalidParameters
from parley_sidecar.model import Overrides

Headers = Mapping[str, str]
NO_HEADERS: Final[Headers] = MappingProxyType({})

_HEADERS: Final = msgspec.json.Decoder(dict[str, str])
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
"""Source: RFC 9110 5.6.2, token."""
_RESERVED_HEADERS: Final = frozenset(
    {
        "authorization", "api-key", "host", "content-length", "content-type", "content-encoding", "transfer-encoding",
        "connection", "upgrade", "expect", "accept-encoding",
    }
)  # fmt: skip


def printable(key: str) -> str:
    """Return a key without the newline that files end with; raises ValueError for what cannot stand in a header."""
    stripped = key.strip()
    if not stripped or not stripped.isascii() or not stripped.isprintable():
        raise ValueError("must be printable ASCII text, and not empty")
    return stripped


def root(endpoint: str) -> str:
    """Return an endpoint without its last slash; raises ValueError for what is no URL of a web server."""
    if not is_web_root(endpoint):
        raise ValueError("must be an http:// or https:// URL with a host and without credentials or query")
    return endpoint.rstrip("/")


def headers_in(text: str) -> dict[str, str]:
    """Return the headers that a setting holds as a JSON object; an empty one holds none.

    Raises:
        ValueError: when it is none, or names a header that is not its to set.
    """
    try:
        headers = _HEADERS.decode(text or "{}")
    except (msgspec.MsgspecError, RecursionError):
        raise ValueError("must be a JSON object of texts") from None
    for name in headers:
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _RESERVED_HEADERS:
            raise ValueError("must name headers that are not the client's own")
    return {name: printable(value) for name, value in headers.items()}


class Target:
    """A component's endpoint and headers, made once; and those of a request that replaces them."""

    def __init__(
        self, endpoint: str, key: str, headers_of: Callable[[str], Headers], own_headers: Headers = NO_HEADERS
    ) -> None:
        """Make the component's headers.

        `headers_of` makes the headers that carry a key, and those that every request has. `own_headers` belong to the
        component's endpoint and key: they go with both of them and with neither alone.
        """
        self._root = endpoint
        self._headers_of = headers_of
        self._headers = {**headers_of(key), **own_headers}

    def of(self, overrides: Overrides) -> tuple[str, Headers]:
        """Return the root of the API, without a slash at its end, and the headers.

        Raises:
            InvalidParameters: when the request names an endpoint without a key, or either cannot be one.
        """
        if overrides.key is None and overrides.endpoint is None:
            return self._root, self._headers
        if overrides.key is None:
            raise InvalidParameters("an endpoint in metadata needs its own key there")
        headers = self._headers_of(_read("key", printable, overrides.key))
        if overrides.endpoint is None:
            return self._root, headers
        return _read("endpoint", root, overrides.endpoint), headers


def _read(name: str, read: Callable[[str], str], text: str) -> str:
    """Return what `read` makes of an override, its ValueError as the caller's fault."""
    try:
        return read(text)
    except ValueError as error:
        raise InvalidParameters(f"{name} in metadata {error}") from error
