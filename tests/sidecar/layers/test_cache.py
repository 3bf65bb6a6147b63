"""The cache layer: what is answered from where, for how long, and what a request may ask of it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from parley_sidecar.answers import Entry, pack
from parley_sidecar.identity import Identity
from parley_sidecar.model import Answer, CacheStatus, Choice
from tests.sidecar.layers.cached import Clock, Counted, Process, asking, component, process, processes, streaming


@pytest.fixture
def clock() -> Clock:
    """The time of all stores."""
    return Clock()


@pytest.fixture
async def alone(clock: Clock) -> AsyncIterator[Process]:
    """A process with its own tier only."""
    async with process(clock=clock) as made:
        yield made


@pytest.fixture
async def two(redis_url: str, clock: Clock) -> AsyncIterator[list[Process]]:
    """Two processes that share a Redis."""
    async with processes(2, url=redis_url, clock=clock) as made:
        yield made


async def test_an_equal_request_is_answered_from_memory(alone: Process, clock: Clock) -> None:
    """While the answer is good, the provider is not reached; each hit says how long that will be."""
    inner = Counted()
    layer = alone.layer(inner)
    first = await alone.ask(layer, asking())
    clock.now_s += 400
    second = await alone.ask(layer, asking())
    clock.now_s += 200
    third = await alone.ask(layer, asking())

    assert CacheStatus(hit=False, stored=True) == first == third
    assert CacheStatus(hit=True, tier="memory", ttl_s=200) == second
    assert 2 == inner.calls


async def test_another_sidecar_finds_it_in_redis_and_keeps_it(two: list[Process], clock: Clock) -> None:
    """What one process stored, another one is answered with: from Redis, then from its own memory for five minutes."""
    one, other = two
    inner = Counted()
    await one.ask(one.layer(Counted()), asking())
    layer = other.layer(inner)
    clock.now_s += 1
    statuses = [await other.ask(layer, asking()) for _ in range(2)]
    clock.now_s += 300
    statuses.append(await other.ask(layer, asking()))

    assert [("redis", 599), ("memory", 599), ("redis", 299)] == [(s.tier, s.ttl_s) for s in statuses if s]
    assert 0 == inner.calls


async def test_an_answer_too_old_in_memory_may_be_fresher_in_redis(two: list[Process], clock: Clock) -> None:
    """Another process has asked anew meanwhile: max-age is judged tier by tier."""
    one, other = two
    inner = Counted()
    layer = one.layer(inner)
    await one.ask(layer, asking())
    clock.now_s += 100
    await other.ask(other.layer(Counted()), asking(may_read=False))
    status = await one.ask(layer, asking(max_age_s=10))

    assert CacheStatus(hit=True, tier="redis", ttl_s=600) == status
    assert 1 == inner.calls


async def test_an_answer_too_old_in_both_tiers_is_asked_anew_and_replaced(two: list[Process], clock: Clock) -> None:
    """The request says so, and all processes have the new answer."""
    one, other = two
    inner = Counted()
    layer = one.layer(inner)
    await one.ask(layer, asking())
    clock.now_s += 100
    stale = await one.ask(layer, asking(max_age_s=10))
    elsewhere = await other.ask(other.layer(inner), asking())

    assert CacheStatus(hit=False, forward="stale", stored=True) == stale
    assert CacheStatus(hit=True, tier="redis", ttl_s=600) == elsewhere
    assert 2 == inner.calls


async def test_without_a_lifetime_nothing_is_kept_unless_a_request_asks(alone: Process) -> None:
    """CacheTTL switches it on for a request, and the status is only there where the cache was asked."""
    inner = Counted()
    layer = alone.layer(inner, component(None))
    assert await alone.ask(layer, asking()) is None
    await alone.ask(layer, asking(ttl_s=60))
    status = await alone.ask(layer, asking(ttl_s=60))

    assert status
    assert status.hit
    assert 2 == inner.calls


async def test_a_requests_lifetime_is_clamped(alone: Process) -> None:
    """It cannot be longer than the component allows."""
    layer = alone.layer(Counted(), component(max_ttl="1m"))
    await alone.ask(layer, asking(ttl_s=86400))

    assert CacheStatus(hit=True, tier="memory", ttl_s=60) == await alone.ask(layer, asking(ttl_s=86400))


@pytest.mark.parametrize(
    ("policy", "left_s", "status"),
    [
        ({"may_read": False}, 600, CacheStatus(hit=False, forward="request", stored=True)),
        ({"may_read": False, "may_store": False}, 570, CacheStatus(hit=False, forward="request")),
        ({"ttl_s": 0}, 570, None),
        ({"max_age_s": 0}, 600, CacheStatus(hit=False, forward="request", stored=True)),
        ({"max_age_s": 29}, 600, CacheStatus(hit=False, forward="stale", stored=True)),
        ({"max_age_s": 30}, 570, CacheStatus(hit=True, tier="memory", ttl_s=570)),
    ],
    ids=["no-cache", "no-store", "cacheTTL 0", "max-age 0", "max-age passed", "max-age"],
)
async def test_a_request_may_refuse_what_is_kept(
    alone: Process, clock: Clock, policy: dict[str, Any], left_s: int, status: CacheStatus | None
) -> None:
    """Each does what its name says: asks anew or not, and replaces what is kept or leaves it."""
    inner = Counted()
    layer = alone.layer(inner)
    await alone.ask(layer, asking())
    clock.now_s += 30

    assert status == await alone.ask(layer, asking(**policy))
    assert (1 if status and status.hit else 2) == inner.calls
    assert CacheStatus(hit=True, tier="memory", ttl_s=left_s) == await alone.ask(layer, asking())


async def test_a_request_that_may_not_store_leaves_nothing(alone: Process) -> None:
    """The next one asks the provider."""
    inner = Counted()
    layer = alone.layer(inner)
    await alone.ask(layer, asking(may_store=False))
    await alone.ask(layer, asking())

    assert 2 == inner.calls


async def test_a_stream_read_to_its_end_is_kept_and_a_broken_off_one_is_not(alone: Process) -> None:
    """A later request, streamed or not, gets the whole answer."""
    inner = Counted()
    layer = alone.layer(inner)
    abandoned = await layer(streaming("a b c"))
    assert not isinstance(abandoned, Answer)
    async for _ in abandoned:
        break
    await abandoned.aclose()
    whole = await layer(streaming("a b c"))
    assert not isinstance(whole, Answer)
    assert ["a", " b", " c"] == [delta.text async for delta in whole]
    await whole.aclose()
    await alone.stores.drain()
    hit = await layer(asking("a b c"))

    assert whole.answer == hit
    assert 2 == inner.calls


async def test_a_stream_that_may_not_read_the_cache_is_kept_at_its_end(alone: Process) -> None:
    """With no-cache it flies alone, and replaces what was there."""
    inner = Counted()
    layer = alone.layer(inner)
    stream = await layer(streaming("a b", may_read=False))
    assert not isinstance(stream, Answer)
    assert ["a", " b"] == [delta.text async for delta in stream]
    await stream.aclose()

    assert stream.answer == await layer(asking("a b"))
    assert 1 == inner.calls


async def test_bytes_of_another_version_are_a_miss(two: list[Process]) -> None:
    """What cannot be read is asked anew, and replaced."""
    one, other = two
    inner = Counted()
    layer = one.layer(inner)
    epoch = await one.caching.epoch(component()).ask()
    assert one.stores.shared
    await one.stores.shared.set(Identity(component(), "app").key(asking(), epoch), b"not ours", 60)

    assert CacheStatus(hit=False, stored=True) == await one.ask(layer, asking())
    assert CacheStatus(hit=True, tier="redis", ttl_s=600) == await other.ask(other.layer(inner), asking())
    assert 1 == inner.calls


async def test_what_is_over_by_the_writers_clock_is_a_miss(alone: Process, clock: Clock) -> None:
    """An entry says itself until when it is good, whatever its store thinks."""
    inner = Counted()
    epoch = alone.caching.epoch(component()).known
    assert epoch
    over = pack(Entry(clock.now_s - 10, clock.now_s, Answer((Choice("old"),))))
    await alone.stores.memory.set(Identity(component(), "app").key(asking(), epoch), over, 60)

    assert CacheStatus(hit=False, stored=True) == await alone.ask(alone.layer(inner), asking())
