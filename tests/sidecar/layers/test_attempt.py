"""Attempt: limits on one call, whose fault a silence is, and the provider's share of the time."""

import asyncio
from collections.abc import Callable

import pytest

from parley_sidecar.errors import DeadlinePassed, ProviderTimeout
from parley_sidecar.layers.attempt import AttemptLayer, AttemptLimits
from parley_sidecar.model import ConverseRequest, Reply
from tests.sidecar.layers.inner import ANSWER, Scripted, Streaming, asking, read, streamed
from tests.sidecar.layers.jumping import elapsed_s, jumping


def stopwatch() -> Callable[[], float]:
    """Return a stopwatch that goes by the loop's clock."""
    return asyncio.get_running_loop().time


def owned(deadline_s: float) -> ConverseRequest:
    """Return a request whose deadline the component set."""
    request = asking(deadline_s=deadline_s)
    request.trace.deadline_is_own = True
    return request


@jumping
async def test_an_answer_in_time_passes_and_its_wait_is_noted() -> None:
    """The provider's time is what the inner one took, and adds up over attempts."""
    request = asking()
    layer = AttemptLayer(Scripted(2, ANSWER, 3, ANSWER), AttemptLimits(60), stopwatch())

    assert ANSWER == await layer(request)
    assert ANSWER == await layer(request)
    assert 5 == request.trace.provider_s
    await asyncio.sleep(100)


@jumping
async def test_silence_until_the_first_event_is_the_providers_fault() -> None:
    """An attempt that takes too long ends, and the time for it is noted."""
    request = owned(1060.0)
    inner = Scripted(3600, ANSWER)

    with pytest.raises(ProviderTimeout, match=r"^the provider was silent for 20 s$"):
        await AttemptLayer(inner, AttemptLimits(20), stopwatch())(request)

    assert (20, 20) == (elapsed_s(), request.trace.provider_s)
    assert 1 == inner.cancelled


@jumping
async def test_the_components_own_deadline_is_the_providers_fault() -> None:
    """Whoever uses the whole time up and has not answered was too slow."""
    with pytest.raises(ProviderTimeout, match="no answer within the component's timeout"):
        await AttemptLayer(Scripted(3600, ANSWER), AttemptLimits(60), stopwatch())(owned(1060.0))

    assert 60 == elapsed_s()


@jumping
async def test_anothers_deadline_is_not() -> None:
    """A caller with little time, or another component that used it up, does not make a provider slow."""
    with pytest.raises(DeadlinePassed, match="the time for this request is over"):
        await AttemptLayer(Scripted(3600, ANSWER), AttemptLimits(60), stopwatch())(asking(deadline_s=1003.0))

    assert 3 == elapsed_s()


@jumping
async def test_nobody_is_asked_without_time() -> None:
    """An attempt that could not end in time is not begun."""
    inner = Scripted(ANSWER)

    with pytest.raises(DeadlinePassed):
        await AttemptLayer(inner, AttemptLimits(60), stopwatch())(owned(1000.0))

    assert [] == inner.asked


@jumping
async def test_a_callers_leaving_is_not_a_timeout() -> None:
    """Cancellation passes through as cancellation, and its wait is noted."""
    request = asking()
    layer = AttemptLayer(Scripted(3600, ANSWER), AttemptLimits(60), stopwatch())

    async def ask() -> Reply:
        return await layer(request)

    task = asyncio.create_task(ask())
    await asyncio.sleep(7)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert 7 == request.trace.provider_s


@jumping
async def test_a_stream_ends_in_its_answer() -> None:
    """Pauses within the limit are no fault, however many; each counts as the provider's time."""
    request = owned(1060.0)
    layer = AttemptLayer(Scripted(1, Streaming(4, "h", 4, 4, "i", 4)), AttemptLimits(2, 9), stopwatch())
    stream = streamed(await layer(request))

    assert "hi" == await read(stream)
    assert ANSWER == stream.answer
    assert 17 == request.trace.provider_s
    await asyncio.sleep(100)


@jumping
async def test_a_silent_stream_is_the_providers_fault() -> None:
    """A pause over the idle limit ends the stream, long before the deadline."""
    inner = Streaming("h", 3600.0, "i")
    stream = streamed(await AttemptLayer(Scripted(inner), AttemptLimits(30, 5), stopwatch())(owned(1060.0)))

    with pytest.raises(ProviderTimeout, match="silent for 5 s"):
        await read(stream)
    await stream.aclose()

    assert 5 == elapsed_s()
    assert 1 == inner.closed


@jumping
async def test_a_slow_reader_is_not_the_providers_fault() -> None:
    """The time between two reads does not count, for neither the idle limit nor the provider's time."""
    request = owned(1060.0)
    stream = streamed(await AttemptLayer(Scripted(Streaming("h", 1, "i")), AttemptLimits(30, 5), stopwatch())(request))
    deltas = aiter(stream)
    await anext(deltas)

    await asyncio.sleep(40)

    assert "i" == (await anext(deltas)).text
    assert 1 == request.trace.provider_s


@jumping
async def test_a_reader_who_comes_back_too_late_is_told() -> None:
    """After the deadline nothing more is read, and the provider is not to blame."""
    stream = streamed(await AttemptLayer(Scripted(Streaming("h", "i")), AttemptLimits(60), stopwatch())(owned(1060.0)))
    deltas = aiter(stream)
    await anext(deltas)
    await asyncio.sleep(70)

    with pytest.raises(DeadlinePassed):
        await anext(deltas)


@jumping
async def test_a_stream_without_an_idle_limit_has_the_deadline() -> None:
    """Where no idle limit is set, what is left of the whole bounds each pause."""
    stream = await AttemptLayer(Scripted(Streaming("h", 3600.0)), AttemptLimits(20), stopwatch())(owned(1060.0))

    with pytest.raises(ProviderTimeout, match="no answer within the component's timeout"):
        await read(stream)
    assert 60 == elapsed_s()


@jumping
async def test_without_any_deadline_the_first_limit_is_enough_for_all() -> None:
    """A stream is bounded even where nobody set a deadline."""
    stream = await AttemptLayer(Scripted(Streaming("h", 3600.0)), AttemptLimits(20), stopwatch())(asking())

    with pytest.raises(DeadlinePassed):
        await read(stream)
    assert 20 == elapsed_s()
