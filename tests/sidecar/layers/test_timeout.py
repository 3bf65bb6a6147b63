"""Timeout: the limit on answers and on streams, and the provider's share of the time."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from parley_sidecar.errors import ProviderTimeout
from parley_sidecar.layers.timeout import TimeoutLayer
from parley_sidecar.model import Answer, Choice, ConverseRequest, Delta, Message, Reply, Trace

ANSWER = Answer((Choice("hi"),))


def asking() -> ConverseRequest:
    """Return a request with a trace of its own."""
    return ConverseRequest((Message("user", "hello"),), Trace("1"), wants_stream=True)


class SlowStream:
    """Says one word, then nothing for a long time."""

    def __init__(self, pause_s: float) -> None:
        self.pause_s = pause_s
        self.closed = False

    @property
    def answer(self) -> Answer:
        """The whole answer."""
        return ANSWER

    async def __aiter__(self) -> AsyncIterator[Delta]:
        """Iterate two words with a pause between them."""
        yield Delta("h")
        await asyncio.sleep(self.pause_s)
        yield Delta("i")

    async def aclose(self) -> None:
        """Note that it was closed."""
        self.closed = True


async def test_an_answer_in_time_passes_and_its_wait_is_noted() -> None:
    """The provider's time is what the inner one took."""
    request = asking()

    async def inner(_: ConverseRequest, /) -> Reply:
        await asyncio.sleep(0.01)
        return ANSWER

    assert ANSWER == await TimeoutLayer(inner, 60)(request)
    assert request.trace.provider_s >= 0.01


async def test_no_answer_in_time_is_our_error_and_ends_the_call() -> None:
    """The inner call is cancelled, not left behind."""
    ended = asyncio.Event()

    async def inner(_: ConverseRequest, /) -> Reply:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()
        return ANSWER

    with pytest.raises(ProviderTimeout, match=r"no answer within 0.01 s"):
        await TimeoutLayer(inner, 0.01)(asking())
    assert ended.is_set()


async def test_a_callers_leaving_is_not_a_timeout() -> None:
    """Cancellation passes through as cancellation."""

    async def inner(_: ConverseRequest, /) -> Reply:
        await asyncio.sleep(3600)
        return ANSWER

    task = asyncio.create_task(TimeoutLayer(inner, 60)(asking()))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_stream_is_bounded_as_a_whole() -> None:
    """What came in time is passed on; a pause beyond the limit ends it with our error."""
    stream = SlowStream(3600)

    async def inner(_: ConverseRequest, /) -> Reply:
        return stream

    reply = await TimeoutLayer(inner, 0.05)(asking())
    assert not isinstance(reply, Answer)
    deltas = aiter(reply)
    first = await anext(deltas)
    with pytest.raises(ProviderTimeout):
        await anext(deltas)
    await reply.aclose()

    assert "h" == first.text
    assert stream.closed


async def test_a_stream_in_time_ends_in_its_answer() -> None:
    """Nothing is lost or added, and the waits count as the provider's time."""
    request = asking()

    async def inner(_: ConverseRequest, /) -> Reply:
        return SlowStream(0.01)

    reply = await TimeoutLayer(inner, 60)(request)
    assert not isinstance(reply, Answer)
    assert ["h", "i"] == [delta.text async for delta in reply]
    assert ANSWER == reply.answer
    assert request.trace.provider_s >= 0.01
