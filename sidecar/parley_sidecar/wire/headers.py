"""HTTP headers that say something about a converse request or its answer."""

import re
import secrets
from collections.abc import Iterator, Sequence
from itertools import count
from math import ceil
from typing import Final

from msgspec.structs import replace

from parley_sidecar.model import CachePolicy, CacheStatus

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_TRACE_PARENT: Final = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[ -~]{0,64})?")
_ANY: Final = CachePolicy()
_PROCESS: Final = secrets.token_hex(8)
_numbers: Final = count(1)


def request_id(given: bytes | None) -> str:
    """Return the caller's X-Request-Id if it is harmless in a log and a header, else a new one."""
    if given and _REQUEST_ID.fullmatch(given):
        return given.decode()
    return f"{_PROCESS}{next(_numbers):016x}"


def trace_parent(given: bytes | None) -> list[tuple[bytes, bytes]]:
    """Return the caller's traceparent as a header of the answer, as Dapr; none if it is malformed.

    Source: W3C Trace Context, 3.2.
    """
    return [(b"traceparent", given)] if given and _TRACE_PARENT.fullmatch(given) else []


def cache_policy(cache_control: bytes | None, ttl_s: float | None = None) -> CachePolicy:
    """Return what a request asks of the cache: no-cache, no-store and max-age of RFC 9111, and `cacheTTL` in seconds.

    A lifetime of 0 is no-store; a max-age that cannot be read counts as 0, so that the answer is fresh.
    """
    if not cache_control and ttl_s is None:
        return _ANY
    asked = dict(_directives((cache_control or b"").decode("latin-1")))
    no_store = "no-store" in asked or ttl_s == 0
    max_age = asked.get("max-age")
    return CachePolicy(
        ttl_s=ttl_s,
        may_read=not no_store and "no-cache" not in asked,
        may_store=not no_store,
        max_age_s=None if max_age is None else float(max_age) if max_age.isdecimal() else 0.0,
    )


def cache_status(status: CacheStatus) -> str:
    """Render what the cache did. Source: RFC 9211."""
    if not status.hit:
        stored, collapsed = "; stored" * status.stored, "; collapsed" * status.collapsed
        return f"parley; fwd={status.forward}{stored}{collapsed}"
    ttl = "" if status.ttl_s is None else f"; ttl={status.ttl_s}"
    return f"parley; hit{ttl}; detail={status.tier}" if status.tier else f"parley; hit{ttl}"


def together(statuses: Sequence[CacheStatus | None]) -> CacheStatus | None:
    """Return what the cache did with requests that are answered as one.

    It is a hit if all are, then that of the oldest; else the first that was none speaks, and says of all that were none
    whether they were stored, or waited for other requests.
    """
    if len(statuses) == 1:
        return statuses[0]
    known = [status for status in statuses if status]
    if len(known) < len(statuses) or not known:
        return None
    forwarded = [status for status in known if not status.hit]
    if not forwarded:
        return min(known, key=lambda status: status.ttl_s or 0)
    asked = [status for status in forwarded if not status.collapsed]
    return replace(
        (asked or forwarded)[0], stored=bool(asked) and all(status.stored for status in asked), collapsed=not asked
    )


def retry_after(seconds: float) -> str:
    """Render how long to wait, in whole seconds, at least one. Source: RFC 9110 10.2.3."""
    return str(max(1, ceil(seconds)))


def _directives(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        yield name.strip().lower(), value.strip().strip('"')
