"""Deadline: the limit on the whole, the caller's own limit, and streams that nobody reads."""

import asyncio

import pytest

from parley_sidecar.errors import DeadlinePassed, ProviderTimeout, RateLimited
from parley_sidecar.layers.deadline import GRACE_S, DeadlineLayer
from parley_sidecar.model import ConverseRequest, Reply
from tests.sidecar.layers.inner import ANSWER, Scripted, Streaming, asking, read, streamed
from tests.sidecar.layers.jumping import elapsed_s, jumping


@jumping
async def test_an_answer_in_time_passes() -> None:
    """The layers within find the deadline in the trace, and that it is the component's own."""
    request = asking()

    assert ANSWER == await DeadlineLayer(Scripted(5, ANSWER), 60)(request)
    assert (1060.0, True) == (request.trace.deadline_s, request.trace.deadline_is_own)


@jumping
async def test_no_answer_in_time_is_the_providers_fault() -> None:
    """What nothing within ended ends a moment after the deadline; the call is cancelled, not left behind."""
    inner = Scripted(3600, ANSWER)

    with pytest.raises(ProviderTimeout, match=r"^no answer within 60 s$"):
        await DeadlineLayer(inner, 60)(asking())

    assert 1 == inner.cancelled
    assert 60 + GRACE_S == elapsed_s()


@jumping
async def test_the_callers_earlier_deadline_is_kept() -> None:
    """A caller with less time is not told that the provider was slow."""
    request = asking(deadline_s=1002.0)

    with pytest.raises(DeadlinePassed, match="the time that the caller gave is over"):
        await DeadlineLayer(Scripted(3600, ANSWER), 60)(request)

    assert (1002.0, False) == (request.trace.deadline_s, request.trace.deadline_is_own)


@jumping
async def test_a_deadline_that_runs_already_is_kept_with_its_owner() -> None:
    """The component's own time may begin outside of this layer: in a chat room the wait for the turn is part of it."""
    request = asking(deadline_s=1002.0)
    request.trace.deadline_is_own = True

    with pytest.raises(ProviderTimeout, match=r"^no answer within 60 s$"):
        await DeadlineLayer(Scripted(3600, ANSWER), 60)(request)

    assert 2 + GRACE_S == elapsed_s()


@jumping
async def test_the_callers_later_deadline_is_drawn_in() -> None:
    """A caller with more time than the component gives has the component's."""
    request = asking(deadline_s=2000.0)

    await DeadlineLayer(Scripted(ANSWER), 60)(request)

    assert (1060.0, True) == (request.trace.deadline_s, request.trace.deadline_is_own)


@jumping
async def test_nobody_is_asked_when_the_time_is_over() -> None:
    """A caller who comes too late costs nothing."""
    inner = Scripted(ANSWER)

    with pytest.raises(DeadlinePassed):
        await DeadlineLayer(inner, 60)(asking(deadline_s=1000.0))

    assert [] == inner.asked


@jumping
async def test_a_callers_leaving_is_not_a_timeout() -> None:
    """Cancellation passes through as cancellation."""
    task = asyncio.create_task(anything(DeadlineLayer(Scripted(3600, ANSWER), 60), asking()))
    await asyncio.sleep(1)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def anything(layer: DeadlineLayer, request: ConverseRequest) -> Reply:
    """Ask, as a coroutine."""
    return await layer(request)


@jumping
async def test_a_stream_in_time_ends_in_its_answer() -> None:
    """Nothing is lost or added, and no timer stays behind."""
    stream = streamed(await DeadlineLayer(Scripted(Streaming(20, "h", 20, "i")), 60)(asking()))

    assert "hi" == await read(stream)
    assert ANSWER == stream.answer
    await asyncio.sleep(100)


@jumping
async def test_a_stream_is_bounded_as_a_whole() -> None:
    """What came in time is passed on; what is not done by then ends with our error, though no pause was long."""
    inner = Streaming(*("x", 10.0) * 10)
    stream = streamed(await DeadlineLayer(Scripted(inner), 60)(asking()))
    words = []

    with pytest.raises(ProviderTimeout, match="no answer within 60 s"):
        words.extend([delta.text async for delta in stream])
    await stream.aclose()

    assert 60 + GRACE_S == elapsed_s()
    assert 1 == inner.closed


@jumping
async def test_a_stream_that_nobody_reads_is_closed() -> None:
    """A reader who stalls holds nothing beyond the deadline; if he comes back he is told."""
    inner = Streaming("h", "i")
    stream = streamed(await DeadlineLayer(Scripted(inner), 60)(asking()))
    deltas = aiter(stream)
    await anext(deltas)

    await asyncio.sleep(59)
    before = inner.closed
    await asyncio.sleep(2)

    assert (0, 1) == (before, inner.closed)
    with pytest.raises(ProviderTimeout):
        await anext(deltas)
    await stream.aclose()
    assert 1 == inner.closed


@jumping
async def test_a_stream_that_is_closed_in_time_is_closed_once() -> None:
    """After that the deadline has nothing to do any more."""
    inner = Streaming("h", "i")
    stream = streamed(await DeadlineLayer(Scripted(inner), 60)(asking()))

    await stream.aclose()
    await asyncio.sleep(100)

    assert 1 == inner.closed


@jumping
async def test_a_fault_of_a_stream_passes() -> None:
    """What breaks in time breaks as it is."""
    stream = await DeadlineLayer(Scripted(Streaming("h", RateLimited("slow down"))), 60)(asking())

    with pytest.raises(RateLimited):
        await read(stream)
