"""Headers that say something about a request or its answer."""

import pytest

from parley_sidecar.model import CachePolicy, CacheStatus
from parley_sidecar.wire import headers

HIT = CacheStatus(hit=True, tier="redis", ttl_s=299)
MISS = CacheStatus(hit=False, stored=True)
WAITED = CacheStatus(hit=False, collapsed=True)
TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_harmless_request_id_is_kept() -> None:
    """The caller's id comes back as it is."""
    assert "order-1:2.3_x" == headers.request_id(b"order-1:2.3_x")


@pytest.mark.parametrize("given", [None, b"", b"a b", b"x" * 129, "é".encode(), b"a\r\nset-cookie: b"])
def test_another_request_id_is_replaced(given: bytes | None) -> None:
    """An absent id, or one that could break a log or a header, is replaced by 32 digits, always new ones."""
    first, second = headers.request_id(given), headers.request_id(given)

    assert (32, 32, True) == (len(first), len(second), first != second)


@pytest.mark.parametrize(
    ("cache_control", "ttl_s", "policy"),
    [
        (None, None, CachePolicy()),
        (None, 60.0, CachePolicy(ttl_s=60.0)),
        (None, 0.0, CachePolicy(ttl_s=0.0, may_read=False, may_store=False)),
        (b"no-cache", None, CachePolicy(may_read=False)),
        (b"No-Store", None, CachePolicy(may_read=False, may_store=False)),
        (b"max-age=30", 60.0, CachePolicy(ttl_s=60.0, max_age_s=30.0)),
        (b'private, max-age="30" ', None, CachePolicy(max_age_s=30.0)),
        (b"max-age=soon", None, CachePolicy(max_age_s=0.0)),
        (b"max-age", None, CachePolicy(max_age_s=0.0)),
        (b"only-if-cached", None, CachePolicy()),
    ],
)
def test_a_request_says_how_to_cache(cache_control: bytes | None, ttl_s: float | None, policy: CachePolicy) -> None:
    """Cache-Control and cacheTTL together make the policy."""
    assert policy == headers.cache_policy(cache_control, ttl_s)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (HIT, "parley; hit; ttl=299; detail=redis"),
        (CacheStatus(hit=True), "parley; hit"),
        (MISS, "parley; fwd=miss; stored"),
        (CacheStatus(hit=False), "parley; fwd=miss"),
        (CacheStatus(hit=False, collapsed=True), "parley; fwd=miss; collapsed"),
        (CacheStatus(hit=False, forward="request", stored=True), "parley; fwd=request; stored"),
        (CacheStatus(hit=False, forward="request"), "parley; fwd=request"),
        (CacheStatus(hit=False, forward="stale", collapsed=True), "parley; fwd=stale; collapsed"),
    ],
)
def test_the_cache_says_what_it_did(status: CacheStatus, text: str) -> None:
    """A status is rendered as RFC 9211 wants it."""
    assert text == headers.cache_status(status)


@pytest.mark.parametrize(
    ("statuses", "shown"),
    [
        ([], None),
        ([None, HIT], None),
        ([HIT], HIT),
        ([HIT, MISS], MISS),
        ([HIT, CacheStatus(hit=True, tier="memory", ttl_s=10)], CacheStatus(hit=True, tier="memory", ttl_s=10)),
        ([HIT, CacheStatus(hit=True)], CacheStatus(hit=True)),
        ([WAITED, HIT, WAITED], WAITED),
        ([WAITED, MISS], MISS),
        ([MISS, CacheStatus(hit=False)], CacheStatus(hit=False)),
        ([CacheStatus(hit=False, forward="stale"), MISS], CacheStatus(hit=False, forward="stale")),
    ],
)
def test_several_are_a_hit_if_all_are(statuses: list[CacheStatus | None], shown: CacheStatus | None) -> None:
    """Requests that are answered together are a hit only if all are, stored only if all that were asked are.

    They waited for others only if none of them was asked; a part without a cache says nothing.
    """
    assert shown == headers.together(statuses)


@pytest.mark.parametrize(("seconds", "text"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (7.1, "8")])
def test_waiting_is_in_whole_seconds(seconds: float, text: str) -> None:
    """Retry-After is rounded up, and never nothing."""
    assert text == headers.retry_after(seconds)


@pytest.mark.parametrize(
    ("given", "returned"),
    [
        (None, []),
        (b"00-x-y-01", []),
        (TRACE + b"\r\nset-cookie: a", []),
        (TRACE, [(b"traceparent", TRACE)]),
        (b"cc" + TRACE[2:] + b"-what-will-be", [(b"traceparent", b"cc" + TRACE[2:] + b"-what-will-be")]),
    ],
)
def test_a_trace_is_told_back(given: bytes | None, returned: list[tuple[bytes, bytes]]) -> None:
    """A caller finds its own trace in the answer; what is malformed is dropped."""
    assert returned == headers.trace_parent(given)
