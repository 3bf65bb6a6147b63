"""A URL, taken apart for a request: where to connect, and what to ask for there. Pure; used by `heads`."""

import re
from ipaddress import IPv6Address
from typing import Final, NamedTuple
from urllib.parse import SplitResult, quote, urlsplit

_PORTS: Final = {"http": 80, "https": 443}
_NAME: Final = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?", re.ASCII)
"""A host's name as DNS can look it up, or an IPv4 address. Source: RFC 1035 2.3.4; underscores are met in the wild."""
_KEPT: Final = "/?:@!$&'()*+,;=-._~%"
"""What stands in a path or a query as it is; the percent sign too, as what it begins is encoded already."""


class Origin(NamedTuple):
    """What a connection goes to; requests to the same one may share it."""

    is_tls: bool
    host: str
    """A name in ASCII, or an address without brackets."""
    port: int


class Url(NamedTuple):
    """A URL as a request needs it."""

    origin: Origin
    authority: str
    """The Host header. Source: RFC 9110 7.2; the port stands there unless it is the scheme's own."""
    target: str
    """Path and query, in ASCII."""


def parsed(url: str) -> Url:
    """Take a URL apart; its fragment is left out.

    Raises:
        ValueError: when it is none of a web server, or has credentials; the message does not repeat it.
    """
    if not url.isprintable():  # urlsplit would leave out line ends and tabs, and take the rest for a URL
        raise ValueError("not printable")
    parts = urlsplit(url)
    usual_port = _PORTS.get(parts.scheme)
    if usual_port is None or "@" in parts.netloc:
        raise ValueError("another scheme, or credentials")
    host = _host(parts)
    port = usual_port if parts.port is None else parts.port
    shown = f"[{host}]" if ":" in host else host
    origin = Origin(parts.scheme == "https", host, port)
    query = f"?{parts.query}" if parts.query else ""
    return Url(origin, shown if port == usual_port else f"{shown}:{port}", quote(f"{parts.path or '/'}{query}", _KEPT))


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if "[" in parts.netloc:
        if "%" in host:
            raise ValueError("a zone, which is of this machine alone")
        return str(IPv6Address(host))
    if not host.isascii():
        import idna  # noqa: PLC0415 - tables of 14 MiB, for names that few have

        host = idna.encode(host, uts46=True).decode("ascii")
    if not _NAME.fullmatch(host):
        raise ValueError("not a host")
    return host
