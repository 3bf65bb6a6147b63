"""Equal requests of one process that are under way at the same time: one call to the provider, whoever leaves."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from parley_sidecar.errors import (
    CircuitOpen,
    DeadlinePassed,
    Overloaded,
    ParleyError,
    ProviderUnavailable,
    Unforeseen,
)
from parley_sidecar.model import CacheStatus, ConverseRequest, Reply
from tests.conftest import eventually
from tests.sidecar.layers.cached import ANSWER, Held, Process, asked, asking, component, process, streaming, together

MISS = CacheStatus(hit=False, stored=True)
WAITED = CacheStatus(hit=False, collapsed=True)


@pytest.fixture
async def alone() -> AsyncIterator[Process]:
    """A process with its own tier only."""
    async with process() as made:
        yield made


async def test_equal_requests_share_one_call(alone: Process) -> None:
    """A hundred that come while the first is under way get its answer; only the first one is a miss."""
    inner = Held()
    requests = [asking() for _ in range(100)]
    tasks = await together(alone.layer(inner), *requests)
    inner.let_go.set()

    assert [ANSWER] * 100 == await asyncio.gather(*tasks)
    assert 1 == inner.calls
    assert [MISS, *[WAITED] * 99] == [request.trace.cache for request in requests]
    assert requests[0].trace.provider_s == 0
    assert all(request.trace.provider_s > 0 for request in requests[1:])


async def test_other_requests_do_not_wait(alone: Process) -> None:
    """Another prompt, no-cache and no-store, and a component without a cache ask for themselves."""
    inner = Held()
    without = alone.layer(inner, component(None))
    layer = alone.layer(inner)
    alone_by_choice = (asking(may_read=False), asking(may_store=False, may_read=False))
    tasks = await together(layer, asking(), asking("else"), *alone_by_choice)
    tasks += await together(without, asking(), asking())
    inner.let_go.set()
    await asyncio.gather(*tasks)

    assert 6 == inner.calls


async def test_one_that_leaves_does_not_end_it_for_the_others(alone: Process) -> None:
    """The one who began it gives up; the next one gets the answer, and is counted for the call."""
    inner = Held()
    requests = [asking(), asking(), asking()]
    tasks = await together(alone.layer(inner), *requests)
    tasks[0].cancel()
    await asyncio.wait(tasks[:1])
    inner.let_go.set()

    assert [ANSWER, ANSWER] == await asyncio.gather(*tasks[1:])
    assert (1, 0) == (inner.calls, inner.cancelled)
    assert [MISS, WAITED] == [request.trace.cache for request in requests[1:]]


async def test_it_ends_when_nobody_is_left(alone: Process) -> None:
    """The call to the provider is cancelled, and the next request makes a new one."""
    inner = Held()
    layer = alone.layer(inner)
    tasks = await together(layer, asking(), asking())
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await eventually(lambda: inner.cancelled)
    inner.let_go.set()

    assert ANSWER == await layer(asking())
    assert 2 == inner.calls


async def test_one_that_is_left_before_it_began_is_none(alone: Process) -> None:
    """A caller who leaves at once leaves nothing behind that others could wait for."""
    inner = Held()
    layer = alone.layer(inner)
    task = asyncio.create_task(asked(layer, asking()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    inner.let_go.set()

    assert ANSWER == await layer(asking())


@pytest.mark.parametrize("fault", [ProviderUnavailable("down", retry_after_s=7), KeyError("x")], ids=str)
async def test_its_error_is_everybodys(alone: Process, fault: Exception) -> None:
    """A provider that fails is asked once for all who wait, and each gets an error of its own; it is not kept."""
    inner = Held(fault)
    layer = alone.layer(inner)
    tasks = await together(layer, asking(), asking(), streaming())
    inner.let_go.set()
    errors = await asyncio.gather(*tasks, return_exceptions=True)
    with pytest.raises(ParleyError):
        await layer(asking())

    kind = ProviderUnavailable if isinstance(fault, ProviderUnavailable) else Unforeseen
    assert [kind] * 3 == list(map(type, errors))
    assert 3 == len(set(map(id, errors)))
    assert {getattr(fault, "retry_after_s", None)} == {getattr(error, "retry_after_s", 0) for error in errors}
    assert 2 == inner.calls


@pytest.mark.parametrize("refusal", [Overloaded("full", retry_after_s=1), CircuitOpen("open")], ids=str)
async def test_a_refusal_of_this_process_is_not_shared(alone: Process, refusal: ParleyError) -> None:
    """Those who waited try once more, together; then they have it too."""
    inner = Held(refusal)
    tasks = await together(alone.layer(inner), *(asking() for _ in range(5)))
    inner.let_go.set()
    errors = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(refusal)] * 5 == list(map(type, errors))
    assert 2 == inner.calls


async def test_who_takes_over_after_a_refusal_answers_all(alone: Process) -> None:
    """A slot that came free meanwhile is used once for everybody."""
    inner = Held(Overloaded("full"))

    async def second_time_well(request: ConverseRequest, /) -> Reply:
        if inner.calls:
            return ANSWER
        return await inner(request)

    tasks = await together(alone.layer(second_time_well), *(asking() for _ in range(3)))
    inner.let_go.set()
    first, *others = await asyncio.gather(*tasks, return_exceptions=True)

    assert isinstance(first, Overloaded)
    assert [ANSWER, ANSWER] == others


async def test_a_callers_deadline_is_its_own(alone: Process) -> None:
    """One who has no more time is told so; the flight goes on for the other, and has no deadline of a caller."""
    inner = Held()
    layer = alone.layer(inner)
    now_s = asyncio.get_running_loop().time()
    hurried, patient = await together(layer, asking(deadline_s=now_s + 0.02), asking())
    with pytest.raises(DeadlinePassed):
        await hurried
    inner.let_go.set()

    assert ANSWER == await patient
    assert inner.asked[0].trace.deadline_s is None


async def test_who_comes_too_late_starts_nothing(alone: Process) -> None:
    """A deadline that is over costs no call."""
    inner = Held()
    with pytest.raises(DeadlinePassed):
        await alone.layer(inner)(asking(deadline_s=asyncio.get_running_loop().time()))

    assert 0 == inner.calls


async def test_an_answer_of_a_fallback_is_shared_but_not_kept(alone: Process) -> None:
    """Those who wait get it, and are told who answered; who comes later asks anew."""
    inner = Held()

    async def fallen_back(request: ConverseRequest, /) -> Reply:
        reply = await inner(request)
        request.trace.answered_by = "other"
        return reply

    layer = alone.layer(fallen_back)
    requests = [asking(), asking()]
    tasks = await together(layer, *requests)
    inner.let_go.set()
    answers = await asyncio.gather(*tasks)
    await layer(asking())

    assert [ANSWER, ANSWER] == answers
    assert ["other", "other"] == [request.trace.answered_by for request in requests]
    assert CacheStatus(hit=False) == requests[0].trace.cache
    assert 2 == inner.calls
    assert ["fallback", "fallback"] == alone.skips
