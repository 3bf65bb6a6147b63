"""The API's door: who may come in at all, judged before anything is read. Pure, on headers and path.

`app` asks it on every request; `serve` sets it up and takes its traffic into account when the process drains.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hmac import compare_digest
from typing import Final
from urllib.parse import urlsplit

from parley_crds.names import API_TOKEN_HEADER
from parley_sidecar.errors import Draining, ForeignOrigin, ParleyError, Unauthorized
from parley_sidecar.wire.overrides import is_loopback

HEALTHZ: Final = b"/v1.0/healthz"
OUTBOUND: Final = b"/v1.0/healthz/outbound"
DRAIN_WAIT_S: Final = 1.0
"""What a caller is asked to wait while the process drains: another one is about to take over."""
_TOKEN: Final = API_TOKEN_HEADER.encode()
_SLASHES: Final = re.compile(rb"//+")
_BEARER: Final = b"bearer "

Headers = Mapping[bytes, bytes]
"""A request's headers by lower-case name; of repeated ones the last."""


@dataclass(slots=True)
class Traffic:
    """What goes through the doors now, and whether more may: the routes count, whoever owns the process decides."""

    ready: bool = True
    """What /readyz says."""
    open: bool = True
    """Whether new converse requests are taken; the others get 503."""
    active: int = 0
    """Converse requests being answered now."""
    started: int = 0
    """Converse requests since the start: unchanged while none came."""

    def __enter__(self) -> None:
        """Count a request that begins, and is being answered until the block is left."""
        self.active += 1
        self.started += 1

    def __exit__(self, *_: object) -> None:
        self.active -= 1


@dataclass(frozen=True, slots=True)
class Door:
    """How the door is set. No token means that none is needed; several are valid at once, for rotation."""

    app_id: str
    own_ports: frozenset[int] = frozenset()
    """The process's own ports: no endpoint for a provider."""
    api_tokens: tuple[str, ...] = field(default=(), repr=False)
    allowed_hosts: frozenset[str] = frozenset()
    """Host names beside those of loopback, lower-case, without ports."""
    precise_statuses: bool = False
    """Whether errors have their precise status instead of Dapr's."""
    traffic: Traffic = field(default_factory=Traffic)

    def refusal(self, method: str, path: bytes, headers: Headers) -> ParleyError | None:
        """Return why a request may not come in, or None. A web page must not spend a laptop's key."""
        host, origin = headers.get(b"host"), headers.get(b"origin")
        if host is not None and not self._knows(host_name(host)):
            return ForeignOrigin("the Host header names neither this machine nor an allowed host")
        if origin is not None and not self._knows(origin_name(origin)):
            return ForeignOrigin("requests of foreign web pages are not answered")
        if not _is_health(method, path) and not self.admits(_given_token(headers)):
            return Unauthorized("invalid api token")
        return None

    def closed(self) -> ParleyError | None:
        """Return what new converse requests are told while the process drains, or None."""
        return None if self.traffic.open else Draining("the sidecar is stopping", retry_after_s=DRAIN_WAIT_S)

    def _knows(self, host: str) -> bool:
        return is_loopback(host) or host in self.allowed_hosts

    def admits(self, given: bytes) -> bool:
        """Say whether a token is one of the valid ones, in constant time; any is where none is needed."""
        return not self.api_tokens or any(compare_digest(given, token.encode()) for token in self.api_tokens)


def normal(path: bytes) -> bytes:
    """Return a path as Dapr's router sees it: doubled slashes collapsed, no slash at the end."""
    if b"//" not in path and not path.endswith(b"/"):
        return path
    return _SLASHES.sub(b"/", path).rstrip(b"/") or b"/"


@lru_cache(maxsize=256)
def host_name(header: bytes) -> str:
    """Return the name in a Host header, lower-case, without port and brackets; empty if it is none."""
    return _name(f"//{header.decode('latin-1')}")


@lru_cache(maxsize=256)
def origin_name(header: bytes) -> str:
    """Return the host name of an Origin header; empty for `null` and for what is no URL."""
    return _name(header.decode("latin-1"))


def _name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _given_token(headers: Headers) -> bytes:
    """Return the API token of a request's headers, by Dapr's name or as OpenAI's clients send it."""
    authorization = headers.get(b"authorization", b"")
    bearer = authorization[len(_BEARER) :] if authorization[: len(_BEARER)].lower() == _BEARER else b""
    return headers.get(_TOKEN) or bearer.strip()


def _is_health(method: str, path: bytes) -> bool:
    return method == "GET" and path in {HEALTHZ, OUTBOUND}
