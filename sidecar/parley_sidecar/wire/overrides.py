"""`metadata` of a request: the settings of its component that it replaces, judged by what the component allows.

Source: the API reference (model, key, endpoint, cacheTTL); names are read without regard to case, as Dapr does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from parley_crds import durations
from parley_sidecar.errors import InvalidParameters
from parley_sidecar.model import Overrides

NAMES: Final = ("model", "key", "endpoint", "cacheTTL")
_BY_LOWER: Final = {name.lower(): name for name in NAMES}
_NOTHING: Final = Overrides()
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Terms:
    """What a request may ask of one component in this process, beside an answer."""

    allow: frozenset[str] = frozenset(NAMES)
    has_endpoint: bool = True
    """Whether the provider has an endpoint; one that has none is not harmed by any."""
    own_ports: frozenset[int] = frozenset()
    """The process's own ports on loopback: a provider there would ask us again."""
    keeps_rooms: bool = False
    """Whether a request can belong to a chat room."""


@lru_cache(maxsize=256)
def terms(
    allow: tuple[str, ...],
    has_endpoint: bool,  # noqa: FBT001 - cached: by place
    own_ports: frozenset[int],
    keeps_rooms: bool,  # noqa: FBT001 - cached: by place
) -> Terms:
    """Return the terms of a component, made once."""
    return Terms(frozenset(allow), has_endpoint, own_ports, keeps_rooms)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request's metadata asks for. It may hold a key: never print or log it."""

    overrides: Overrides = _NOTHING
    cache_ttl_s: float | None = None
    others: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Entries that are no overrides, as they came."""


NOTHING: Final = Asked()
ALL_ALLOWED: Final = Terms()


def read(metadata: Mapping[str, str] | None, terms: Terms) -> Asked:
    """Read what a request replaces; an empty text replaces nothing.

    Raises:
        InvalidParameters: when the component does not allow it, or a value means nothing.
    """
    if not metadata:
        return NOTHING
    given: dict[str, str] = {}
    for written, value in metadata.items():
        name = _BY_LOWER.get(written.lower())
        if name and name in given:
            raise InvalidParameters(f"{name} is given twice in metadata; case does not matter")
        if name:
            given[name] = value
    for name, value in given.items():
        if value and name not in terms.allow:
            raise InvalidParameters(f"this component does not let a request replace {name}")
    return Asked(
        Overrides(given.get("model") or None, given.get("key") or None, _endpoint(given.get("endpoint"), terms)),
        _ttl_s(given.get("cacheTTL")),
        {name: value for name, value in metadata.items() if name.lower() not in _BY_LOWER},
    )


def _ttl_s(text: str | None) -> float | None:
    if not text:
        return None
    try:
        return durations.seconds(text)
    except ValueError as error:
        raise InvalidParameters(f"cacheTTL: {error}") from error


def _endpoint(url: str | None, terms: Terms) -> str | None:
    if not url or not terms.has_endpoint:
        return url or None
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        raise InvalidParameters("endpoint is not a URL") from None
    if port is None or not parts.hostname or parts.username is not None:
        raise InvalidParameters("endpoint must be an http or https URL with a host and without credentials")
    if port in terms.own_ports and is_loopback(parts.hostname):
        raise InvalidParameters("endpoint is the sidecar itself")
    return url


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Say whether a host name, without port and brackets, stands for this machine; asked about each request's Host."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_loopback or mapped.is_unspecified)
