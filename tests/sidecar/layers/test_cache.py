"""The cache layer: what is answered from where, what is kept, and what happens without Redis.

The inner Converse is the real echo provider behind a counter; the stores are the real ones.
"""

import asyncio
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from parley_crds.component import Component
from parley_crds.resource import Cache
from parley_crds.stream import StoreSection
from parley_sidecar.errors import ProviderRefused, StoreUnavailable
from parley_sidecar.http_client import HttpClient
from parley_sidecar.identity import Identity
from parley_sidecar.layers.cache import MAX_KEPT_BYTES, CacheLayer, may_be_kept
from parley_sidecar.model import (
    Answer,
    CachePolicy,
    CacheStatus,
    Choice,
    ConverseRequest,
    FinishReason,
    Message,
    Reply,
    Trace,
)
from parley_sidecar.providers.echo import Settings, connect
from parley_sidecar.stores import Stores
from parley_sidecar.stores.protocol import Store
from tests.conftest import free_port
from tests.sidecar.own_redis import own_redis


class Counted:
    """The echo provider, and how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0
        self._echo = connect(Settings(), HttpClient())

    async def __call__(self, request: ConverseRequest, /) -> Reply:
        """Count, then echo."""
        self.calls += 1
        return await self._echo(request)


class Clock:
    """Unix time that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1_700_000_000.0

    def __call__(self) -> float:
        """Return it."""
        return self.now_s


class Faults:
    """What was counted as failed operations."""

    def __init__(self) -> None:
        self.operations: list[str] = []

    def __call__(self, operation: str) -> None:
        """Note one."""
        self.operations.append(operation)


def component(ttl: str | None = "10m", **cache: Any) -> Component:
    """Return a component with a cache."""
    return Component(name="c", namespace="n", type="conversation.echo", version="1", cache=Cache(ttl=ttl, **cache))


def asking(text: str = "hello", **policy: Any) -> ConverseRequest:
    """Return a request with a trace of its own."""
    return ConverseRequest((Message("user", text),), Trace("1"), cache=CachePolicy(**policy))


async def asked(layer: CacheLayer, stores: Stores, request: ConverseRequest) -> CacheStatus | None:
    """Ask, wait until what is kept is kept, and return what the cache did."""
    await layer(request)
    await stores.drain()
    return request.trace.cache


async def reaches(store: Store) -> bool:
    """Say whether a store answers."""
    try:
        await store.ping()
    except StoreUnavailable:
        return False
    return True


@pytest.fixture
def clock() -> Clock:
    """The time of `stores` and `shared`."""
    return Clock()


@pytest.fixture
async def stores(clock: Clock) -> AsyncIterator[Stores]:
    """The tier in the process alone."""
    made = Stores(count_fault=Faults(), clock=clock)
    yield made
    await made.aclose()


@pytest.fixture
async def shared(redis_url: str, clock: Clock) -> AsyncIterator[Stores]:
    """Both tiers."""
    made = Stores(count_fault=Faults(), clock=clock)
    await made.use(StoreSection(url=redis_url, version="1"))
    yield made
    await made.aclose()


async def test_an_equal_request_is_answered_from_memory(stores: Stores, clock: Clock) -> None:
    """While the answer is good, the provider is not reached; each hit says how long that will be."""
    inner = Counted()
    layer = CacheLayer(inner, component(), stores, "app")
    first = await asked(layer, stores, asking())
    clock.now_s += 400
    second = await asked(layer, stores, asking())
    clock.now_s += 200
    third = await asked(layer, stores, asking())

    assert CacheStatus(hit=False, stored=True) == first == third
    assert CacheStatus(hit=True, tier="memory", ttl_s=200) == second
    assert 2 == inner.calls


async def test_another_sidecar_finds_it_in_redis_and_keeps_it(shared: Stores, redis_url: str, clock: Clock) -> None:
    """What one process stored, another one is answered with: from Redis, then from its own memory for five minutes."""
    await asked(CacheLayer(Counted(), component(), shared, "app"), shared, asking())
    other = Stores(count_fault=Faults(), clock=clock)
    await other.use(StoreSection(url=redis_url, version="1"))
    inner = Counted()
    layer = CacheLayer(inner, component(), other, "app")
    clock.now_s += 1
    statuses = [await asked(layer, other, asking()) for _ in range(2)]
    clock.now_s += 300
    statuses.append(await asked(layer, other, asking()))

    assert [("redis", 599), ("memory", 599), ("redis", 299)] == [(s.tier, s.ttl_s) for s in statuses if s]
    assert 0 == inner.calls
    await other.aclose()


async def test_an_answer_too_old_in_memory_may_be_fresher_in_redis(
    shared: Stores, redis_url: str, clock: Clock
) -> None:
    """Another process has asked anew meanwhile: max-age is judged tier by tier."""
    inner = Counted()
    layer = CacheLayer(inner, component(), shared, "app")
    await asked(layer, shared, asking())
    clock.now_s += 100
    other = Stores(count_fault=Faults(), clock=clock)
    await other.use(StoreSection(url=redis_url, version="1"))
    await asked(CacheLayer(Counted(), component(), other, "app"), other, asking(may_read=False))
    status = await asked(layer, shared, asking(max_age_s=10))

    assert CacheStatus(hit=True, tier="redis", ttl_s=600) == status
    assert 1 == inner.calls
    await other.aclose()


async def test_without_a_lifetime_nothing_is_kept_unless_a_request_asks(stores: Stores) -> None:
    """CacheTTL switches it on for a request, and the status is only there where the cache was asked."""
    inner = Counted()
    layer = CacheLayer(inner, component(None), stores, "app")
    assert await asked(layer, stores, asking()) is None
    await asked(layer, stores, asking(ttl_s=60))
    status = await asked(layer, stores, asking(ttl_s=60))

    assert status
    assert status.hit
    assert 2 == inner.calls


async def test_a_requests_lifetime_is_clamped(stores: Stores) -> None:
    """It cannot be longer than the component allows."""
    layer = CacheLayer(Counted(), component(max_ttl="1m"), stores, "app")
    await asked(layer, stores, asking(ttl_s=86400))

    assert CacheStatus(hit=True, tier="memory", ttl_s=60) == await asked(layer, stores, asking(ttl_s=86400))


@pytest.mark.parametrize(
    ("policy", "calls", "left_s"),
    [
        ({"may_read": False}, 2, 600),
        ({"may_read": False, "may_store": False}, 2, 570),
        ({"ttl_s": 0}, 2, 570),
        ({"max_age_s": 29}, 2, 600),
        ({"max_age_s": 30}, 1, 570),
    ],
    ids=["no-cache", "no-store", "cacheTTL 0", "max-age passed", "max-age"],
)
async def test_a_request_may_refuse_what_is_kept(
    stores: Stores, clock: Clock, policy: dict[str, Any], calls: int, left_s: int
) -> None:
    """Each does what its name says: asks anew or not, and replaces what is kept or leaves it."""
    inner = Counted()
    layer = CacheLayer(inner, component(), stores, "app")
    await asked(layer, stores, asking())
    clock.now_s += 30
    await asked(layer, stores, asking(**policy))

    assert calls == inner.calls
    assert CacheStatus(hit=True, tier="memory", ttl_s=left_s) == await asked(layer, stores, asking())


async def test_a_request_that_may_not_store_leaves_nothing(stores: Stores) -> None:
    """The next one asks the provider."""
    inner = Counted()
    layer = CacheLayer(inner, component(), stores, "app")
    await asked(layer, stores, asking(may_store=False))
    await asked(layer, stores, asking())

    assert 2 == inner.calls


async def test_an_error_is_not_kept(stores: Stores) -> None:
    """The next request tries again."""
    calls = 0

    async def failing(_: ConverseRequest, /) -> Reply:
        nonlocal calls
        calls += 1
        raise ProviderRefused("no")

    layer = CacheLayer(failing, component(), stores, "app")
    for _ in range(2):
        with pytest.raises(ProviderRefused):
            await layer(asking())

    assert 2 == calls


@pytest.mark.parametrize(
    ("text", "reason", "expected"),
    [
        ("hi", "stop", True),
        ("hi", "length", True),
        ("hi", "unknown", True),
        ("", "stop", False),
        ("hi", "content_filter", False),
        ("hi", "tool_calls", False),
    ],
)
def test_only_good_answers_are_kept(text: str, reason: FinishReason, *, expected: bool) -> None:
    """Empty and filtered ones, and tool calls, are for the one who asked."""
    assert expected == may_be_kept(Answer((Choice(text, reason),)))


def test_an_answer_without_choices_is_not_kept() -> None:
    """There is nothing in it."""
    assert not may_be_kept(Answer(()))


async def test_a_stream_read_to_its_end_is_kept_and_a_broken_off_one_is_not(stores: Stores) -> None:
    """A later request, streamed or not, gets the whole answer."""
    inner = Counted()
    layer = CacheLayer(inner, component(), stores, "app")
    streaming = replace(asking("a b c"), wants_stream=True)
    abandoned = await layer(streaming)
    assert not isinstance(abandoned, Answer)
    async for _ in abandoned:
        break
    await abandoned.aclose()
    whole = await layer(replace(streaming, trace=Trace("2")))
    assert not isinstance(whole, Answer)
    assert ["a", " b", " c"] == [delta.text async for delta in whole]
    await whole.aclose()
    await stores.drain()
    hit = await layer(asking("a b c"))

    assert whole.answer == hit
    assert 2 == inner.calls


async def test_without_redis_every_request_is_answered_and_the_fault_is_counted() -> None:
    """The cache falls open: memory still works, Redis is missed in the metrics only."""
    faults = Faults()
    stores = Stores(count_fault=faults)
    await stores.use(StoreSection(url=f"redis://127.0.0.1:{free_port()}", version="1"))
    inner = Counted()
    layer = CacheLayer(inner, component(), stores, "app")
    await asked(layer, stores, asking("one"))
    await asked(layer, stores, asking("two"))
    status = await asked(layer, stores, asking("two"))

    assert ["get", "set", "get", "set"] == faults.operations
    assert status
    assert "memory" == status.tier
    assert 2 == inner.calls
    await stores.aclose()


async def test_redis_killed_under_way_costs_nobody_an_answer(tmp_path: Path) -> None:
    """Requests are answered and faults counted while it is gone; when it is back, answers are shared again."""
    faults = Faults()
    with own_redis(tmp_path) as server:
        section = StoreSection(url=server.url, version="1")
        stores, other = Stores(count_fault=faults), Stores(count_fault=print)
        await stores.use(section)
        await other.use(section)
        inner = Counted()
        layer = CacheLayer(inner, component(), stores, "app")
        await asked(layer, stores, asking("before"))
        faults.operations.clear()
        server.send(signal.SIGKILL)
        status = await asked(layer, stores, asking("meanwhile"))
        while_gone = list(faults.operations)
        server.start()
        assert stores.shared
        async with asyncio.timeout(30):
            while not await reaches(stores.shared):
                await asyncio.sleep(0.05)
        await asked(layer, stores, asking("after"))
        shared_again = await asked(CacheLayer(inner, component(), other, "app"), other, asking("after"))
        await stores.aclose()
        await other.aclose()

    assert CacheStatus(hit=False, stored=True) == status
    assert ["get", "set"] == while_gone
    assert shared_again
    assert "redis" == shared_again.tier
    assert 3 == inner.calls


async def test_an_answer_beyond_all_measure_is_not_kept(stores: Stores) -> None:
    """It goes to its caller, and the many small ones stay."""
    layer = CacheLayer(Counted(), component(), stores, "app")
    await asked(layer, stores, asking("small"))
    status = await asked(layer, stores, asking("x" * MAX_KEPT_BYTES))
    small = await asked(layer, stores, asking("small"))

    assert CacheStatus(hit=False) == status
    assert small
    assert small.hit


async def test_bytes_of_another_version_are_a_miss(shared: Stores) -> None:
    """What cannot be read is asked anew, and replaced."""
    inner = Counted()
    layer = CacheLayer(inner, component(), shared, "app")
    assert shared.shared
    await shared.shared.set(Identity(component(), "app").key(asking()), b"not ours", 60)
    status = await asked(layer, shared, asking())

    assert CacheStatus(hit=False, stored=True) == status
    assert 1 == inner.calls
