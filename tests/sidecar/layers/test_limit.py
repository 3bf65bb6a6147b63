"""Limit: slots, the short queue for them, and that none is ever lost."""

import asyncio
import random
from collections.abc import Awaitable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley_sidecar.errors import Overloaded, ParleyError, RateLimited
from parley_sidecar.instruments import Value
from parley_sidecar.layers.limit import RETRY_AFTER_S, WAIT_S, LimitLayer
from parley_sidecar.model import Answer, Converse, ConverseRequest, Reply
from tests.sidecar.layers.inner import ANSWER, Scripted, Streaming, asking, read, streamed
from tests.sidecar.layers.jumping import elapsed_s, jumping


async def outcome(reply: Awaitable[Reply]) -> str:
    """Return how a request ended, in a word."""
    try:
        await reply
    except ParleyError as error:
        return error.face.reason
    return "ok"


def after(pause_s: float) -> Converse:
    """Return an inner one that answers each request after a pause."""

    async def inner(_: ConverseRequest, /) -> Reply:
        await asyncio.sleep(pause_s)
        return ANSWER

    return inner


async def all_of(layer: LimitLayer, number: int) -> list[str]:
    """Ask several at the same time."""
    return await asyncio.gather(*(outcome(layer(asking())) for _ in range(number)))


@jumping
async def test_who_finds_no_slot_waits_for_a_moment() -> None:
    """A burst is evened out: as many as there are slots wait, the next is refused at once."""
    rejected = Value()
    layer = LimitLayer(after(0.01), 2, rejected)

    assert ["ok", "ok", "ok", "ok", "overloaded"] == await all_of(layer, 5)
    assert (0.02, 1) == (elapsed_s(), rejected.value)


@jumping
async def test_nobody_waits_long() -> None:
    """Whoever gets no slot in a moment is refused, and told when to come back."""
    rejected = Value()
    layer = LimitLayer(Scripted(3600, ANSWER), 1, rejected)
    running = asyncio.create_task(outcome(layer(asking())))
    await asyncio.sleep(0)

    with pytest.raises(Overloaded, match="1 requests to the provider are open already") as raised:
        await layer(asking())

    assert (WAIT_S, RETRY_AFTER_S, 1) == (elapsed_s(), raised.value.retry_after_s, rejected.value)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@jumping
async def test_waiters_come_in_order() -> None:
    """Who waited longest has the next slot."""
    inner = Scripted(0, ANSWER)
    layer = LimitLayer(inner, 3, Value())
    requests = [asking() for _ in range(6)]

    await asyncio.gather(*map(layer, requests))

    assert requests == inner.asked


@jumping
async def test_a_stream_holds_its_slot_until_it_ends() -> None:
    """Neither its first event nor a pause gives the slot to another."""
    layer = LimitLayer(Scripted(Streaming("h", "i")), 1, Value())
    stream = streamed(await layer(asking()))

    during = await outcome(layer(asking()))
    text = await read(stream)

    assert ("overloaded", "hi", ANSWER) == (during, text, stream.answer)
    assert await outcome(layer(asking())) == "ok"


@jumping
async def test_a_closed_stream_gives_its_slot_back_once() -> None:
    """However often it is closed, there is one slot, not two."""
    inner = Streaming("h", "i")
    layer = LimitLayer(Scripted(inner), 1, Value())
    stream = streamed(await layer(asking()))

    await stream.aclose()
    await stream.aclose()

    assert 2 == inner.closed
    assert ["ok", "overloaded"] == await all_of(layer, 2)


@pytest.mark.parametrize("fault", [RateLimited("slow down"), KeyError("x"), asyncio.CancelledError()])
async def test_a_failure_gives_its_slot_back(fault: BaseException) -> None:
    """Whatever ends a call, as an answer or on the way of a stream, frees the slot."""
    layer = LimitLayer(Scripted(fault, Streaming("h", fault), ANSWER), 1, Value())

    with pytest.raises(type(fault)):
        await layer(asking())
    with pytest.raises(type(fault)):
        await read(await layer(asking()))

    assert await outcome(layer(asking())) == "ok"


@jumping
async def test_a_slot_given_to_one_who_leaves_goes_to_the_next() -> None:
    """Who is cancelled in the moment of his turn, just before or just after, does not take the slot with him."""
    tasks: list[asyncio.Task[Reply]] = []

    async def inner(_: ConverseRequest, /) -> Reply:
        await asyncio.sleep(0.01)
        tasks[1].cancel()
        return ANSWER

    layer = LimitLayer(inner, 3, Value())

    async def ask_and_cancel(leaving: int) -> Reply:
        reply = await layer(asking())
        tasks[leaving].cancel()
        return reply

    holding = [asyncio.create_task(ask_and_cancel(2)) for _ in range(3)]
    await asyncio.sleep(0)
    tasks += [asyncio.create_task(anything(layer)) for _ in range(3)]
    tasks.insert(0, holding[0])

    ended = await asyncio.gather(*holding, *tasks[1:], return_exceptions=True)

    assert [ANSWER] * 3 == ended[:3]
    assert [True, True, False] == [isinstance(end, asyncio.CancelledError) for end in ended[3:]]
    assert (3, {}) == (layer._free, layer._queue)


async def anything(layer: LimitLayer) -> Reply:
    """Ask, as a coroutine."""
    return await layer(asking())


class Unsteady:
    """An inner one that takes its time, fails or streams, as chance wills; counts who is within."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.within = self.most = 0

    async def __call__(self, _: ConverseRequest, /) -> Reply:
        """Answer somehow."""
        self.within += 1
        self.most = max(self.most, self.within)
        try:
            await asyncio.sleep(self.chance.choice([0, 0.01, 0.05, 0.2]))
            if self.chance.random() < 0.3:
                raise RateLimited("slow down")
            return ANSWER if self.chance.random() < 0.5 else Streaming("h", 0.05, "i")
        finally:
            self.within -= 1


async def use(layer: LimitLayer, chance: random.Random) -> None:
    """Ask, and read a stream to its end, or some of it, or nothing."""
    try:
        reply = await layer(asking())
    except ParleyError:
        return
    if isinstance(reply, Answer):
        return
    try:
        async for _ in reply:
            if chance.random() < 0.3:
                break
    finally:
        await reply.aclose()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(), slots=st.integers(1, 4), callers=st.integers(1, 30))
def test_no_slot_is_ever_lost(seed: int, slots: int, callers: int) -> None:
    """Whoever comes, fails, streams, stops reading or is cancelled at any moment: all slots are there at the end."""
    chance = random.Random(seed)
    inner = Unsteady(chance)

    @jumping
    async def crowd() -> None:
        layer = LimitLayer(inner, slots, Value())
        tasks = []
        for _ in range(callers):
            tasks.append(asyncio.create_task(use(layer, chance)))
            asyncio.get_running_loop().call_later(chance.random() / 5, chance.choice(tasks).cancel)
            await asyncio.sleep(chance.choice([0, 0, 0.01]))
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(1)

        assert (slots, {}) == (layer._free, layer._queue)
        assert inner.most <= slots

    crowd()
