"""Breaker: what it counts, when it opens, and the one probe."""

import asyncio
from typing import Any

import pytest

from parley_sidecar.errors import (
    CircuitOpen,
    DeadlinePassed,
    InvalidParameters,
    Overloaded,
    ParleyError,
    ProviderGarbled,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
    ToolNotCalled,
)
from parley_sidecar.instruments import Value
from parley_sidecar.layers.breaker import MAX_PAUSE_S, PROBE_S, BreakerLayer, BreakerPolicy
from parley_sidecar.model import Overrides
from tests.sidecar.layers.inner import ANSWER, Act, Scripted, Streaming, asking, read, streamed

DOWN = ProviderUnavailable("the provider answered with status 503")
CLOSED, HALF_OPEN, OPEN = 0, 1, 2


class Bench:
    """A breaker of two faults and a pause of 10 s, with a clock that a test sets."""

    def __init__(self, *acts: Act, pause_s: float = 10.0) -> None:
        self.now_s = 0.0
        self.shown = Value()
        self.inner = Scripted(*acts)
        self.layer = BreakerLayer(self.inner, BreakerPolicy(2, pause_s), self.shown, lambda: self.now_s)

    async def ask(self, **request: Any) -> str:
        """Ask, and return how it went in a word."""
        try:
            await self.layer(asking(**request))
        except ParleyError as error:
            return error.face.reason
        return "ok"

    async def asks(self, number: int) -> list[str]:
        """Ask several times, one after the other."""
        return [await self.ask() for _ in range(number)]

    async def opened(self) -> "Bench":
        """Make the provider fail until the breaker opens."""
        while self.shown.value != OPEN:
            await self.ask()
        return self


async def test_faults_in_a_row_open_it() -> None:
    """After the last of them nobody is asked, and everybody is told at once how long."""
    bench = Bench(DOWN)

    assert ["unavailable", "unavailable", "circuit_open"] == await bench.asks(3)
    bench.now_s = 4
    with pytest.raises(CircuitOpen, match="left alone for a moment") as raised:
        await bench.layer(asking())

    assert (6, OPEN, 2) == (raised.value.retry_after_s, bench.shown.value, len(bench.inner.asked))


@pytest.mark.parametrize(
    "fault", [ProviderUnavailable("503"), ProviderTimeout("silent"), ProviderGarbled("not JSON")], ids=repr
)
async def test_the_providers_faults_count(fault: ParleyError) -> None:
    """It cannot be reached, fails, is too slow, or answers with nonsense."""
    assert OPEN == (await Bench(fault).opened()).shown.value


@pytest.mark.parametrize(
    "sign", [ANSWER, RateLimited("429"), ProviderRefused("401"), ToolNotCalled("words instead")], ids=repr
)
async def test_a_provider_that_answers_lives(sign: Act) -> None:
    """An answer ends the row of faults, and so do a 4xx and a 429."""
    bench = Bench(DOWN, sign, DOWN, sign, DOWN, DOWN, ANSWER)

    outcomes = await bench.asks(6)

    assert OPEN == bench.shown.value
    assert "circuit_open" not in outcomes


@pytest.mark.parametrize(
    "nothing", [Overloaded("full"), DeadlinePassed("late"), InvalidParameters("no"), KeyError("x")], ids=repr
)
async def test_what_says_nothing_of_the_provider_is_not_counted(nothing: Exception) -> None:
    """Our own limit, the caller's time and our own faults neither open it nor end the row."""
    bench = Bench(DOWN, nothing, nothing, nothing, DOWN, ANSWER)
    await bench.ask()
    for _ in range(3):
        with pytest.raises(type(nothing)):
            await bench.layer(asking())
    before = bench.shown.value

    await bench.ask()

    assert (CLOSED, OPEN) == (before, bench.shown.value)


async def test_one_probe_goes_through() -> None:
    """After the pause one request sees whether the provider is back; the others are told to wait a moment."""
    bench = await Bench(DOWN, DOWN, 0.0, ANSWER).opened()
    bench.now_s = 10
    probe = asyncio.create_task(bench.ask())
    await asyncio.sleep(0)

    with pytest.raises(CircuitOpen) as raised:
        await bench.layer(asking())

    assert (PROBE_S, HALF_OPEN) == (raised.value.retry_after_s, bench.shown.value)
    assert await probe == "ok"
    assert (CLOSED, "ok") == (bench.shown.value, await bench.ask())


async def test_a_failed_probe_doubles_the_pause_up_to_a_bound() -> None:
    """A provider that stays away is asked less and less often, but every minute at least."""
    bench = await Bench(DOWN).opened()
    pauses = []
    for _ in range(5):
        before = bench.now_s
        while await bench.ask() == "circuit_open":
            bench.now_s += 1
        pauses.append(bench.now_s - before)

    assert [10, 20, 40, MAX_PAUSE_S, MAX_PAUSE_S] == pauses


async def test_a_pause_over_the_bound_is_kept() -> None:
    """Who wants a longer pause has it, and does not get a shorter one after a failed probe."""
    bench = await Bench(DOWN, pause_s=300).opened()
    bench.now_s = 300
    await bench.ask()
    bench.now_s = 599

    assert await bench.ask() == "circuit_open"
    bench.now_s = 600
    assert await bench.ask() == "unavailable"


async def test_after_a_success_it_begins_anew() -> None:
    """A provider that came back has its full number of faults and the first pause."""
    bench = await Bench(DOWN, DOWN, DOWN, ANSWER, DOWN, DOWN, ANSWER).opened()
    bench.now_s = 10
    await bench.ask()
    bench.now_s = 30
    await bench.ask()
    closed = bench.shown.value
    await bench.asks(2)
    bench.now_s = 40

    assert (CLOSED, "ok") == (closed, await bench.ask())


@pytest.mark.parametrize("nothing", [Overloaded("full"), asyncio.CancelledError(), KeyError("x")], ids=repr)
async def test_a_probe_without_a_verdict_is_given_back(nothing: BaseException) -> None:
    """When the probe's caller leaves, or never reached the provider, the next request is the probe."""
    bench = await Bench(DOWN, DOWN, nothing, ANSWER).opened()
    bench.now_s = 10
    with pytest.raises(type(nothing)):
        await bench.layer(asking())

    assert HALF_OPEN == bench.shown.value
    assert (await bench.ask(), CLOSED) == ("ok", bench.shown.value)


async def test_an_older_requests_ending_teaches_nothing() -> None:
    """What began before the breaker opened neither closes it nor counts against the probe."""
    bench = Bench(0.0, ANSWER, DOWN, DOWN)
    slow = asyncio.create_task(bench.ask())
    await asyncio.sleep(0)
    bench.inner._acts = [DOWN]
    await bench.asks(2)

    bench.inner._acts = [ANSWER]
    assert await slow == "ok"
    assert (OPEN, "circuit_open") == (bench.shown.value, await bench.ask())


async def test_a_cut_stream_is_a_fault() -> None:
    """A stream's verdict is the one of its end, not of its beginning."""
    bench = Bench(Streaming("h", DOWN))
    for _ in range(2):
        with pytest.raises(ProviderUnavailable):
            await read(await bench.layer(asking()))

    assert OPEN == bench.shown.value


async def test_a_stream_that_ends_is_an_answer() -> None:
    """A probe's stream closes the breaker when it was read to its end, and not before."""
    bench = await Bench(DOWN, DOWN, Streaming("h", "i")).opened()
    bench.now_s = 10
    stream = streamed(await bench.layer(asking()))
    during = bench.shown.value

    text = await read(stream)
    await stream.aclose()

    assert (HALF_OPEN, CLOSED, "hi") == (during, bench.shown.value, text)


async def test_a_stream_that_its_reader_closes_is_no_verdict() -> None:
    """A reader who has had enough says nothing of the provider, and gives the probe back."""
    bench = await Bench(DOWN, DOWN, Streaming("h", "i"), ANSWER).opened()
    bench.now_s = 10
    stream = streamed(await bench.layer(asking()))
    await anext(aiter(stream))

    await stream.aclose()

    assert HALF_OPEN == bench.shown.value
    assert (await bench.ask(), CLOSED) == ("ok", bench.shown.value)


async def test_another_endpoint_is_another_provider() -> None:
    """A request to an endpoint of its own passes an open breaker, and its faults are not counted."""
    elsewhere = Overrides(endpoint="http://elsewhere", key="k")
    bench = Bench(DOWN)
    before = [await bench.ask(overrides=elsewhere) for _ in range(5)]
    state = bench.shown.value
    await bench.opened()

    assert (["unavailable"] * 5, CLOSED) == (before, state)
    assert await bench.ask(overrides=elsewhere) == "unavailable"


async def test_a_new_breaker_shows_that_it_is_closed() -> None:
    """A component's new version begins anew, and an older one's last word does not stay."""
    older = await Bench(DOWN).opened()
    layer = BreakerLayer(Scripted(ANSWER), BreakerPolicy(2, 10), older.shown, lambda: 0.0)
    begun = older.shown.value
    older.shown.value = OPEN

    await layer(asking())

    assert (CLOSED, CLOSED) == (begun, older.shown.value)
