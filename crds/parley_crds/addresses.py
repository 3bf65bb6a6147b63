"""What stands in settings as an address: of a web server, or of a network. Used by `checks` and by the sidecar."""

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

_NETWORK_LIKE: Final = re.compile(r"[0-9A-Fa-f:.]*[.:][0-9A-Fa-f:.]*/[0-9]+")


def is_web_root(text: str) -> bool:
    """Say whether paths can be added to this: a URL of a web server, with a host, without credentials or query."""
    if not text.isprintable() or any(sign in text for sign in " ?#"):
        return False
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc and port != 0


def is_in_the_open(url: str) -> bool:
    """Say whether what is sent there leaves the pod unencrypted."""
    parts = urlsplit(url)
    return parts.scheme == "http" and not _is_loopback(parts.hostname or "")


def is_no_network(text: str) -> bool:
    """Say whether this looks like a network and is none, or one with bits behind its prefix."""
    if not _NETWORK_LIKE.fullmatch(text):
        return False
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return True
    return False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
