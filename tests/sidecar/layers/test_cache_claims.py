"""Equal requests of several processes on one store: one call to the provider, and what happens to it is everybody's."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from parley_sidecar.errors import (
    CircuitOpen,
    Overloaded,
    ParleyError,
    ProviderRefused,
    ProviderUnavailable,
    RateLimited,
    Unforeseen,
)
from parley_sidecar.identity import Identity
from parley_sidecar.model import Answer, CacheStatus, Choice, ConverseRequest, Reply
from parley_sidecar.stores.memory import MemoryStore
from parley_sidecar.stores.protocol import LEASE_S, RENEW_S, Taken
from tests.conftest import eventually
from tests.sidecar.layers.cached import (
    ANSWER,
    Clock,
    Held,
    Process,
    asking,
    component,
    process,
    processes,
    streaming,
    together,
)


class Asked(MemoryStore):
    """A shared store that remembers how it was asked for answers."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    async def get(self, key: bytes, limit_s: float | None = None) -> bytes | None:
        """Look."""
        self.words.append("get")
        return await super().get(key, limit_s)

    async def take(
        self, key: bytes, token: bytes, lease_s: float, awaited: bytes = b"", limit_s: float | None = None
    ) -> Taken:
        """Look, or take the lease."""
        self.words.append("take")
        return await super().take(key, token, lease_s, awaited, limit_s)


MISS = CacheStatus(hit=False, stored=True)
WAITED = CacheStatus(hit=False, collapsed=True)


@pytest.fixture(params=["memory", "redis"])
async def three(request: pytest.FixtureRequest) -> AsyncIterator[list[Process]]:
    """Three processes that share a store: Redis, or one that keeps the same promises."""
    url = request.getfixturevalue("redis_url") if request.param == "redis" else None
    async with processes(3, url=url, store=None if url else MemoryStore()) as made:
        yield made


async def leading(process: Process, inner: Held, request: ConverseRequest | None = None) -> "asyncio.Task[Reply]":
    """Ask in one process, and return when the provider is asked."""
    before = inner.calls
    (task,) = await together(process.layer(inner), request or asking())
    await eventually(lambda: inner.calls > before)
    return task


async def waiting(process: Process, inner: Held, *requests: ConverseRequest) -> "list[asyncio.Task[Reply]]":
    """Ask in another process, and return when it waits for the first one's end."""
    tasks = await together(process.layer(inner), *(requests or (asking(),)))
    key = await key_of(process)
    await eventually(lambda: key in process.watched)
    return tasks


async def key_of(process: Process) -> bytes:
    """Return the key of the request that all tests make."""
    epoch = await process.caching.epoch(component()).ask()
    return Identity(component(), "app").key(asking(), epoch)


async def test_equal_requests_of_several_processes_share_one_call(three: list[Process]) -> None:
    """Who comes meanwhile, in whatever process, gets the answer; it is kept once, and then found."""
    inner = Held()
    requests = [asking() for _ in range(4)]
    leader = await leading(three[0], inner, requests[0])
    others = await waiting(three[1], inner, *requests[1:3]) + await waiting(three[2], inner, requests[3])
    inner.let_go.set()
    answers = await asyncio.gather(leader, *others)
    await three[0].stores.drain()
    hit = asking()
    await three[1].layer(inner)(hit)

    assert [ANSWER] * 4 == answers
    assert 1 == inner.calls
    assert [MISS, WAITED, WAITED, WAITED] == [request.trace.cache for request in requests]
    assert all(request.trace.provider_s > 0 for request in requests[1:])
    assert CacheStatus(hit=True, tier="memory", ttl_s=599) == hit.trace.cache
    assert [[], [], []] == [process.faults for process in three]


async def test_a_stream_elsewhere_gets_the_whole_answer_at_its_end(three: list[Process]) -> None:
    """As one delta, for the door to send."""
    inner = Held()
    leader = await leading(three[0], inner, streaming())
    (follower,) = await waiting(three[1], inner, streaming())
    inner.let_go.set()

    assert [ANSWER, ANSWER] == [await leader, await follower]
    assert 1 == inner.calls


@pytest.mark.parametrize(
    "fault",
    [RateLimited("slow down", retry_after_s=3), ProviderRefused("bad key"), ProviderUnavailable("down")],
    ids=str,
)
async def test_a_providers_error_is_shared(three: list[Process], fault: ParleyError) -> None:
    """With its kind, its sentence and how long to wait; who comes later asks anew."""
    inner = Held(fault)
    leader = await leading(three[0], inner)
    (follower,) = await waiting(three[1], inner)
    inner.let_go.set()
    first, second = await asyncio.gather(leader, follower, return_exceptions=True)
    await three[0].stores.drain()
    inner.reply = ANSWER

    assert isinstance(first, type(fault))
    assert isinstance(second, type(fault))
    assert (fault.message, fault.retry_after_s) == (second.message, second.retry_after_s)
    assert 1 == inner.calls
    assert ANSWER == await three[1].layer(inner)(asking())


@pytest.mark.parametrize("fault", [Overloaded("full"), CircuitOpen("open"), Unforeseen("bug")], ids=str)
async def test_a_fault_of_the_leading_process_is_its_own(three: list[Process], fault: ParleyError) -> None:
    """A follower in another process takes over at once, and answers."""
    inner, well = Held(fault), Held()
    well.let_go.set()
    leader = await leading(three[0], inner)
    (follower,) = await waiting(three[1], well)
    inner.let_go.set()
    first, second = await asyncio.gather(leader, follower, return_exceptions=True)

    assert isinstance(first, type(fault))
    assert ANSWER == second
    assert 1 == well.calls


async def test_a_leader_that_leaves_gives_the_lease_back(three: list[Process]) -> None:
    """Its call is cancelled, and a follower takes over at once."""
    inner, well = Held(), Held()
    well.let_go.set()
    leader = await leading(three[0], inner)
    (follower,) = await waiting(three[1], well)
    leader.cancel()
    async with asyncio.timeout(RENEW_S / 2):
        answer = await follower

    assert ANSWER == answer
    assert (1, 1) == (inner.cancelled, well.calls)


async def test_what_is_not_kept_is_shared_with_those_who_wait(three: list[Process]) -> None:
    """An empty answer, and one of a fallback, which says so; the next request asks anew."""
    inner = Held(Answer((Choice(""),)))

    async def fallen_back(request: ConverseRequest, /) -> Reply:
        reply = await inner(request)
        request.trace.answered_by = "other"
        return reply

    (leader,) = await together(three[0].layer(fallen_back), asking())
    await eventually(lambda: inner.calls)
    request = asking()
    (follower,) = await waiting(three[1], inner, request)
    inner.let_go.set()
    answers = [await leader, await follower]
    await three[0].stores.drain()
    await three[1].layer(inner)(asking())

    assert [inner.reply, inner.reply] == answers
    assert "other" == request.trace.answered_by
    assert WAITED == request.trace.cache
    assert 2 == inner.calls


async def test_a_leader_that_died_is_replaced(three: list[Process]) -> None:
    """When its lease is over, one of those who wait takes over and answers the others."""
    inner = Held()
    shared = three[0].stores.shared
    assert shared
    await shared.take(await key_of(three[0]), b"dead", 0.3)
    tasks = await waiting(three[0], inner) + await waiting(three[1], inner)
    await eventually(lambda: inner.calls)
    inner.let_go.set()

    assert [ANSWER, ANSWER] == await asyncio.gather(*tasks)
    assert 1 == inner.calls


@pytest.fixture
async def timed() -> AsyncIterator[tuple[Process, MemoryStore, Clock]]:
    """A process on a store whose time a test moves."""
    clock = Clock()
    store = MemoryStore(clock)
    async with process(store=store, clock=clock) as made:
        yield made, store, clock


async def test_a_lease_is_renewed_while_the_call_lasts(timed: tuple[Process, MemoryStore, Clock]) -> None:
    """Whoever looks in between finds it taken."""
    one, store, clock = timed
    inner = Held()
    leader = await leading(one, inner)
    key = await key_of(one)
    holders = []
    for _ in range(2):
        clock.now_s += LEASE_S - 0.1
        await asyncio.sleep(RENEW_S * 1.2)
        holders.append((await store.take(key, b"other", 1)).holder)
    inner.let_go.set()

    assert ANSWER == await leader
    assert b"other" not in holders


@pytest.mark.parametrize("notices", [True, False], ids=["at its renewal", "at its end"])
async def test_who_lost_the_lease_goes_on_and_keeps_nothing(
    timed: tuple[Process, MemoryStore, Clock], *, notices: bool
) -> None:
    """Somebody else answers for the key now; the own caller gets its answer."""
    one, store, clock = timed
    inner = Held()
    leader = await leading(one, inner)
    key = await key_of(one)
    clock.now_s += LEASE_S + 1
    await store.take(key, b"thief", 600)
    if notices:
        await eventually(lambda: one.skips)
    inner.let_go.set()
    answer = await leader
    await one.stores.drain()

    assert ANSWER == answer
    assert ["lease_lost"] == one.skips
    assert await store.get(key) is None
    assert b"thief" == (await store.take(key, b"other", 1)).holder


class Late(MemoryStore):
    """A store in which an answer is always there a moment after one looked."""

    async def get(self, _key: bytes, _limit_s: float | None = None) -> bytes | None:
        """Find nothing yet."""
        return None


async def test_an_answer_that_came_between_look_and_claim_is_a_hit() -> None:
    """Taking the lease finds it in the same step."""
    inner = Held()
    inner.let_go.set()
    request = asking()
    async with processes(2, store=Late()) as (one, other):
        await one.ask(one.layer(inner), asking())
        answer = await other.layer(inner)(request)

    assert ANSWER == answer
    assert request.trace.cache
    assert (True, "memory") == (request.trace.cache.hit, request.trace.cache.tier)
    assert 1 == inner.calls
    assert [] == other.skips


async def test_after_a_miss_looking_and_taking_the_lease_are_one_question() -> None:
    """Until that finds an answer, which is a hit as any other; a request that may not take the lease only looks."""
    store = Asked()
    async with processes(2, store=store) as (one, other):
        inner = Held()
        inner.let_go.set()
        here, there = one.layer(inner), other.layer(inner)
        first = [await one.ask(here, asking(text)) for text in ("a", "b")]
        there_already = [await other.ask(there, asking(text)) for text in ("c", "a", "b")]
        words, store.words = store.words, []
        bound = [await one.ask(here, asking(text, max_age_s=60)) for text in ("d", "e")]

    hit = [(status and status.hit, status and status.tier) for status in there_already]
    assert [MISS, MISS] == first
    assert [(False, None), (True, "memory"), (True, "memory")] == hit
    assert ["get", "take", "take", "get", "take", "take", "get"] == words
    assert ([MISS, MISS], ["get", "take"] * 2) == (bound, store.words)
