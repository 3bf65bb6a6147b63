"""Observe: every request counts once, whatever becomes of it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from parley_sidecar.errors import RateLimited
from parley_sidecar.instruments import exposition
from parley_sidecar.layers.observe import ObserveLayer
from parley_sidecar.metrics import Metrics
from parley_sidecar.model import (
    Answer,
    CacheStatus,
    Choice,
    Converse,
    ConverseRequest,
    Delta,
    Message,
    Reply,
    Trace,
    Usage,
)
from parley_sidecar.providers import echo

ANSWER = Answer((Choice("hi"),), Usage(3, 4))


def asking(*, wants_stream: bool = False, cache: CacheStatus | None = None) -> ConverseRequest:
    """Return a request with a trace of its own."""
    trace = Trace("1", "alpha1", provider_s=0.5, cache=cache)
    return ConverseRequest((Message("user", "one two three"),), trace, wants_stream=wants_stream)


def ticking(*moments: float) -> Callable[[], float]:
    """Return a clock that shows these moments, one a look."""
    left: Iterator[float] = iter(moments)
    return lambda: next(left)


async def seen(metrics: Metrics) -> dict[str, float]:
    """Return our own series that are not zero, their component left out."""
    text = (await exposition(metrics.families())).decode().replace('component="gpt"', "").replace("{,", "{")
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("parley_") and "le=" not in line]
    return {series: float(value) for series, value in lines if float(value) and "build_info" not in series}


class Replying:
    """A `Converse` with one reply, or one failure."""

    def __init__(self, reply: Reply | BaseException) -> None:
        self._reply = reply

    async def __call__(self, _: ConverseRequest, /) -> Reply:
        """Reply, or fail."""
        if isinstance(self._reply, BaseException):
            raise self._reply
        return self._reply


class Breaking:
    """A stream that fails after its first delta."""

    def __init__(self, fault: BaseException) -> None:
        self.closed = 0
        self._fault = fault

    @property
    def answer(self) -> Answer:
        """There is none."""
        raise RuntimeError

    async def __aiter__(self) -> AsyncIterator[Delta]:
        """Give one delta, then fail."""
        yield Delta("hi")
        raise self._fault

    async def aclose(self) -> None:
        """Count."""
        self.closed += 1


async def test_an_answer_is_counted() -> None:
    """Time, the part that is ours, tokens and outcome are counted when the answer is there."""
    metrics = Metrics("shop", "ns")
    layer = ObserveLayer(Replying(ANSWER), metrics.component("gpt"), ticking(10.0, 10.75))

    assert ANSWER == await layer(asking())

    expected = {
        'parley_requests_total{api="alpha1",outcome="ok"}': 1,
        "parley_request_duration_seconds_sum{}": 0.75,
        "parley_request_duration_seconds_count{}": 1,
        "parley_overhead_seconds_sum{}": 0.25,
        "parley_overhead_seconds_count{}": 1,
        "parley_provider_duration_seconds_sum{}": 0.5,
        "parley_provider_duration_seconds_count{}": 1,
        'parley_tokens_total{type="prompt"}': 3,
        'parley_tokens_total{type="completion"}': 4,
    }
    assert expected == await seen(metrics)


async def test_a_hit_saves_tokens() -> None:
    """Tokens of an answer from the cache are saved, not spent, and the cache's work is counted."""
    metrics = Metrics("shop", "ns")

    await ObserveLayer(Replying(ANSWER), metrics.component("gpt"))(asking(cache=CacheStatus(hit=True, tier="redis")))

    counted = await seen(metrics)
    assert 3 == counted['parley_tokens_saved_total{type="prompt"}']
    assert 1 == counted['parley_cache_requests_total{result="hit",tier="redis"}']
    assert 'parley_tokens_total{type="prompt"}' not in counted


async def test_an_answer_of_another_requests_call_saves_tokens() -> None:
    """Who waited for a call that somebody else is counted for spent nothing."""
    metrics = Metrics("shop", "ns")
    waited = CacheStatus(hit=False, collapsed=True)

    await ObserveLayer(Replying(ANSWER), metrics.component("gpt"))(asking(cache=waited))

    counted = await seen(metrics)
    assert 4 == counted['parley_tokens_saved_total{type="completion"}']
    assert 1 == counted['parley_cache_requests_total{result="collapsed",tier=""}']
    assert 'parley_tokens_total{type="prompt"}' not in counted


async def test_an_answer_without_usage_is_counted() -> None:
    """Where the provider counts no tokens, none are counted."""
    metrics = Metrics("shop", "ns")

    await ObserveLayer(Replying(Answer((Choice("hi"),))), metrics.component("gpt"))(asking())

    assert not [series for series in await seen(metrics) if "tokens" in series]


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [(RateLimited("slow down"), "rate_limited"), (asyncio.CancelledError(), "cancelled"), (KeyError("x"), "internal")],
)
async def test_a_failure_is_counted_and_passes(fault: BaseException, outcome: str) -> None:
    """A failure counts under its reason, passes untouched, and leaves nothing in flight."""
    metrics = Metrics("shop", "ns")

    with pytest.raises(type(fault)):
        await ObserveLayer(Replying(fault), metrics.component("gpt"))(asking())

    counted = await seen(metrics)
    assert 1 == counted[f'parley_requests_total{{api="alpha1",outcome="{outcome}"}}']
    assert "parley_in_flight_requests{}" not in counted


async def test_a_request_is_in_flight_meanwhile() -> None:
    """While the inner one works the request is in flight."""
    metrics = Metrics("shop", "ns")
    during: list[float] = []

    async def inner(_: ConverseRequest, /) -> Reply:
        during.append((await seen(metrics))["parley_in_flight_requests{}"])
        return ANSWER

    await ObserveLayer(inner, metrics.component("gpt"))(asking())

    assert [1] == during


def streaming() -> Converse:
    """Return the real echo, which streams word by word."""
    return echo.connect(echo.Settings.model_validate({}), None)  # type: ignore[arg-type]  # echo asks nobody


async def test_a_stream_is_counted_at_its_end() -> None:
    """A stream counts once, when it was read; its first delta has a time of its own."""
    metrics = Metrics("shop", "ns")
    layer = ObserveLayer(streaming(), metrics.component("gpt"), ticking(10.0, 10.5, 12.0))
    stream = await layer(asking(wants_stream=True))
    assert not isinstance(stream, Answer)
    before = await seen(metrics)

    text = "".join([delta.text async for delta in stream])
    await stream.aclose()

    counted = await seen(metrics)
    assert {"parley_in_flight_requests{}": 1} == before
    assert ("one two three", text) == (stream.answer.choices[0].text, text)
    assert 0.5 == counted["parley_time_to_first_delta_seconds_sum{}"]
    assert 2.0 == counted["parley_request_duration_seconds_sum{}"]
    assert 1 == counted['parley_requests_total{api="alpha1",outcome="ok"}']
    assert 3 == counted['parley_tokens_total{type="completion"}']


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [(RateLimited("slow down"), "rate_limited"), (asyncio.CancelledError(), "cancelled"), (KeyError("x"), "internal")],
)
async def test_a_stream_that_breaks_is_counted(fault: BaseException, outcome: str) -> None:
    """A stream that fails on the way counts once under its reason, also when it is closed after that."""
    metrics = Metrics("shop", "ns")
    inner = Breaking(fault)
    stream = await ObserveLayer(Replying(inner), metrics.component("gpt"))(asking())
    assert not isinstance(stream, Answer)

    with pytest.raises(type(fault)):
        _ = [delta async for delta in stream]
    await stream.aclose()

    counted = {series: value for series, value in (await seen(metrics)).items() if "requests" in series}
    assert {f'parley_requests_total{{api="alpha1",outcome="{outcome}"}}': 1} == counted
    assert 1 == inner.closed


async def test_a_stream_that_nobody_reads_counts_as_cancelled() -> None:
    """Closing a stream before its end settles it, and closes what is inside."""
    metrics = Metrics("shop", "ns")
    inner = Breaking(RateLimited("never reached"))
    stream = await ObserveLayer(Replying(inner), metrics.component("gpt"))(asking())
    assert not isinstance(stream, Answer)

    await stream.aclose()

    assert 1 == (await seen(metrics))['parley_requests_total{api="alpha1",outcome="cancelled"}']
    assert 1 == inner.closed


async def test_a_stream_that_is_left_counts_as_cancelled() -> None:
    """A reader who stops in the middle settles the request as cancelled."""
    metrics = Metrics("shop", "ns")
    stream = await ObserveLayer(streaming(), metrics.component("gpt"))(asking(wants_stream=True))
    assert not isinstance(stream, Answer)
    deltas = aiter(stream)

    await anext(deltas)
    await deltas.aclose()  # type: ignore[attr-defined]  # the iterator is a generator

    assert 1 == (await seen(metrics))['parley_requests_total{api="alpha1",outcome="cancelled"}']
