"""Fallback: when others are asked, what they are asked, and what is raised if none can answer."""

import asyncio
from collections import Counter

import pytest

from parley_sidecar.errors import (
    CircuitOpen,
    DeadlinePassed,
    InvalidComponent,
    InvalidParameters,
    Overloaded,
    ParleyError,
    ProviderGarbled,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
    StoreUnavailable,
    ToolNotCalled,
)
from parley_sidecar.layers.fallback import FallbackLayer, Outcome
from parley_sidecar.model import Answer, Choice, Overrides
from tests.sidecar.layers.inner import ANSWER, Act, Scripted, Streaming, asking, read
from tests.sidecar.layers.jumping import jumping

DOWN = ProviderUnavailable("the provider answered with status 503")
OTHER = Answer((Choice("other"),), model="other-model")


class Bench:
    """A component with two fallbacks, `b` and `c`."""

    def __init__(self, first: Act, **others: Act) -> None:
        self.first = Scripted(first)
        self.others = {name: Scripted(act) for name, act in others.items()}
        self.counted: Counter[tuple[str, Outcome]] = Counter()
        self.layer = FallbackLayer(self.first, ["b", "c"], self.others.get, self.count)

    def count(self, to: str, outcome: Outcome) -> None:
        """Count a request that turned to another."""
        self.counted[to, outcome] += 1


async def test_who_can_answer_does() -> None:
    """Others are asked only if need be."""
    bench, request = Bench(ANSWER, b=OTHER, c=OTHER), asking()

    assert ANSWER == await bench.layer(request)
    assert ({}, None) == (bench.counted, request.trace.answered_by)


@pytest.mark.parametrize(
    "fault",
    [
        RateLimited("429"), Overloaded("full"), ProviderTimeout("silent"), CircuitOpen("open"), DOWN,
        InvalidComponent("no credentials"), ProviderRefused("401"), ProviderGarbled("not JSON"),
        ToolNotCalled("words instead"),
    ],
    ids=repr,
)  # fmt: skip
async def test_the_next_one_answers_where_it_may(fault: ParleyError) -> None:
    """Whatever another key, model or limit may change is worth asking another; the trace says who answered."""
    bench, request = Bench(fault, b=OTHER, c=ANSWER), asking()

    assert OTHER == await bench.layer(request)
    assert ({("b", "ok"): 1}, "b") == (bench.counted, request.trace.answered_by)
    assert [] == bench.others["c"].asked


@pytest.mark.parametrize(
    "fault",
    [
        InvalidParameters("no"),
        DeadlinePassed("late"),
        StoreUnavailable("gone"),
        KeyError("x"),
        asyncio.CancelledError(),
    ],
    ids=repr,
)
async def test_the_requests_own_faults_are_not_taken_elsewhere(fault: BaseException) -> None:
    """What another component could not change is passed on at once."""
    bench = Bench(fault, b=OTHER)

    with pytest.raises(type(fault)):
        await bench.layer(asking())

    assert [] == bench.others["b"].asked


async def test_others_are_asked_in_order() -> None:
    """One that fails too is followed by the next."""
    bench = Bench(DOWN, b=RateLimited("429"), c=OTHER)

    assert OTHER == await bench.layer(asking())
    assert {("b", "failed"): 1, ("c", "ok"): 1} == bench.counted


async def test_a_stream_comes_from_another_like_an_answer() -> None:
    """A provider that fails before its first event is replaced; after that the stream is what it is."""
    bench = Bench(DOWN, b=Streaming("h", ProviderUnavailable("cut")), c=OTHER)
    stream = await bench.layer(asking())

    with pytest.raises(ProviderUnavailable, match="cut"):
        await read(stream)
    assert {("b", "ok"): 1} == bench.counted


async def test_overrides_stay_where_they_belong() -> None:
    """A request's model, key and endpoint are the first component's: no other one gets them."""
    bench = Bench(DOWN, b=OTHER)
    request = asking(overrides=Overrides("gpt-x", "sk-secret", "http://elsewhere"))

    await bench.layer(request)

    (asked,) = bench.others["b"].asked
    assert (Overrides(), request.messages, request.trace) == (asked.overrides, asked.messages, asked.trace)
    assert "sk-secret" == bench.first.asked[0].overrides.key


async def test_the_last_error_is_raised() -> None:
    """If none can answer the caller meets what the last one said, and the first one's wait if that has none."""
    bench = Bench(RateLimited("429", retry_after_s=7), b=ProviderRefused("401"), c=ProviderUnavailable("503"))

    with pytest.raises(ProviderUnavailable, match="503") as raised:
        await bench.layer(asking())

    assert 7 == raised.value.retry_after_s
    assert {("b", "failed"): 1, ("c", "failed"): 1} == bench.counted


@pytest.mark.parametrize(
    ("last", "wait_s"), [(RateLimited("429", retry_after_s=2), 2), (ProviderRefused("no key"), None)]
)
async def test_a_wait_is_passed_on_where_it_means_something(last: ParleyError, wait_s: float | None) -> None:
    """The last one's own wait counts, and waiting does not help where it refused."""
    bench = Bench(RateLimited("429", retry_after_s=7), b=last)

    with pytest.raises(type(last)) as raised:
        await bench.layer(asking())

    assert wait_s == raised.value.retry_after_s


async def test_what_another_cannot_do_is_not_the_requests_fault() -> None:
    """A fallback that does not know a parameter is passed over: the caller meets the first one's error."""
    bench = Bench(DOWN, b=InvalidParameters("no tools here"))

    with pytest.raises(ProviderUnavailable):
        await bench.layer(asking())

    assert {("b", "failed"): 1, ("c", "missing"): 1} == bench.counted


async def test_other_faults_of_another_pass() -> None:
    """What is not the provider's ends the search."""
    bench = Bench(DOWN, b=DeadlinePassed("late"), c=OTHER)

    with pytest.raises(DeadlinePassed):
        await bench.layer(asking())

    assert {("b", "failed"): 1} == bench.counted


async def test_one_that_is_not_loaded_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    """It is told once, counted each time, and found as soon as it is there; told again when it is gone again."""
    bench = Bench(DOWN, c=OTHER)
    for _ in range(3):
        await bench.layer(asking())
    bench.others["b"] = Scripted(ANSWER)
    found = await bench.layer(asking())
    del bench.others["b"]
    await bench.layer(asking())

    assert {("b", "missing"): 4, ("b", "ok"): 1, ("c", "ok"): 4} == bench.counted
    assert ANSWER == found
    assert [("fallback is not loaded", "b")] * 2 == [(line.message, vars(line)["component"]) for line in caplog.records]


async def test_with_none_loaded_the_error_is_the_first_ones() -> None:
    """A component whose fallbacks are all gone fails as if it had none."""
    bench = Bench(RateLimited("429", retry_after_s=7))

    with pytest.raises(RateLimited) as raised:
        await bench.layer(asking())

    assert 7 == raised.value.retry_after_s


@jumping
async def test_nobody_else_is_asked_without_time() -> None:
    """When the first one used the time up, its error is raised."""
    bench = Bench(ProviderTimeout("silent"), b=OTHER)

    with pytest.raises(ProviderTimeout):
        await bench.layer(asking(deadline_s=1000.0))

    assert [] == bench.others["b"].asked


@jumping
async def test_another_is_not_to_blame_for_the_time_that_is_gone() -> None:
    """For the one that steps in, the deadline is not its own."""
    request = asking(deadline_s=1060.0)
    request.trace.deadline_is_own = True

    await Bench(DOWN, b=OTHER).layer(request)

    assert not request.trace.deadline_is_own
