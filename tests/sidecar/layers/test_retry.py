"""Retry: what is tried again, how long it waits, and when it does not."""

import asyncio
from collections import Counter
from collections.abc import Callable

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
    Reason,
    ToolNotCalled,
)
from parley_sidecar.layers.retry import Pace, RetryLayer, RetryPolicy
from tests.sidecar.layers.inner import ANSWER, Act, Scripted, Streaming, asking, read

DOWN = ProviderUnavailable("the provider answered with status 503")


class Bench:
    """A retry of three, with waits of 5 s at most, whose clock moves by its own sleep."""

    def __init__(self, *acts: Act, chance: Callable[[], float] = lambda: 1.0, retries: int = 3) -> None:
        self.now_s = 1000.0
        self.slept: list[float] = []
        self.counted: Counter[Reason] = Counter()
        self.inner = Scripted(*acts)
        pace = Pace(lambda: self.now_s, self.sleep, chance)
        self.layer = RetryLayer(self.inner, RetryPolicy(retries, 5.0), self.count, pace)

    def count(self, reason: Reason) -> None:
        """Count a retry."""
        self.counted[reason] += 1

    async def sleep(self, wait_s: float) -> None:
        """Let the time pass."""
        self.slept.append(wait_s)
        self.now_s += wait_s


@pytest.mark.parametrize("fault", [DOWN, RateLimited("429"), ProviderTimeout("silent")], ids=repr)
async def test_what_may_pass_is_tried_again(fault: ParleyError) -> None:
    """A provider that is down, full or slow is asked again, and each time is counted."""
    bench = Bench(fault, fault, ANSWER)

    assert ANSWER == await bench.layer(asking())
    assert {fault.face.reason: 2} == bench.counted
    assert 3 == len(bench.inner.asked)


@pytest.mark.parametrize(
    "fault",
    [
        Overloaded("full", retry_after_s=1), CircuitOpen("open", retry_after_s=1), DeadlinePassed("late"),
        ProviderRefused("401"), ProviderGarbled("not JSON"), ToolNotCalled("words instead"), InvalidParameters("no"),
        KeyError("x"), asyncio.CancelledError(),
    ],
    ids=repr,
)  # fmt: skip
async def test_what_will_not_help_is_not(fault: BaseException) -> None:
    """Our own limits, the caller's time, refusals, paid answers and our own faults are passed on at once."""
    bench = Bench(fault)

    with pytest.raises(type(fault)):
        await bench.layer(asking())

    assert (1, [], {}) == (len(bench.inner.asked), bench.slept, bench.counted)


async def test_the_last_error_is_raised() -> None:
    """After the last attempt its error is the caller's, with its Retry-After."""
    bench = Bench(DOWN, DOWN, DOWN, RateLimited("429", retry_after_s=3))

    with pytest.raises(RateLimited) as raised:
        await bench.layer(asking())

    assert (4, 3) == (len(bench.inner.asked), raised.value.retry_after_s)


async def test_waits_double_up_to_the_longest() -> None:
    """Without Retry-After a wait is anything up to a bound that doubles: full jitter."""
    longest, shortest, half = (
        Bench(DOWN, retries=6, chance=lambda share=share: share)  # type: ignore[misc]  # mypy infers no default
        for share in (1.0, 0.0, 0.5)
    )
    for bench in (longest, shortest, half):
        with pytest.raises(ProviderUnavailable):
            await bench.layer(asking())

    assert [0.5, 1, 2, 4, 5, 5] == longest.slept
    assert [0] * 6 == shortest.slept
    assert [0.25, 0.5, 1, 2, 2.5, 2.5] == half.slept


@pytest.mark.parametrize(("share", "waits_s"), [(0.0, [3.0, 3.0]), (1.0, [3.5, 4.0])])
async def test_retry_after_is_a_lower_bound(share: float, waits_s: list[float]) -> None:
    """The provider is never asked earlier than it wants, and not by everybody in the same moment."""
    limited = RateLimited("429", retry_after_s=3)
    bench = Bench(limited, limited, ANSWER, chance=lambda: share)

    await bench.layer(asking())

    assert waits_s == bench.slept


async def test_a_long_retry_after_is_the_callers() -> None:
    """A provider that wants more time than a request may wait is not asked; the caller is told how long it wants."""
    bench = Bench(RateLimited("429", retry_after_s=7))

    with pytest.raises(RateLimited) as raised:
        await bench.layer(asking())

    assert (7, [], 1) == (raised.value.retry_after_s, bench.slept, len(bench.inner.asked))


@pytest.mark.parametrize(("deadline_s", "attempts"), [(1000.5, 1), (1000.6, 2), (1001.6, 3), (2000.0, 4)])
async def test_nobody_waits_beyond_the_deadline(deadline_s: float, attempts: int) -> None:
    """Where the wait would use the time up, the error at hand is raised at once."""
    bench = Bench(DOWN)

    with pytest.raises(ProviderUnavailable):
        await bench.layer(asking(deadline_s=deadline_s))

    assert attempts == len(bench.inner.asked)


async def test_a_stream_is_not_tried_again_after_its_first_event() -> None:
    """What the caller has begun to read cannot be begun anew."""
    bench = Bench(DOWN, Streaming("h", ProviderUnavailable("cut")), ANSWER)
    stream = await bench.layer(asking())

    with pytest.raises(ProviderUnavailable, match="cut"):
        await read(stream)

    assert 2 == len(bench.inner.asked)


async def test_a_caller_who_leaves_ends_the_wait() -> None:
    """Nobody is asked for somebody who is gone. Time and chance are the process's own here."""
    inner = Scripted(DOWN)
    layer = RetryLayer(inner, RetryPolicy(3, 5.0), lambda _: None, Pace(chance=lambda: 1.0))

    async def ask() -> None:
        await layer(asking(deadline_s=asyncio.get_running_loop().time() + 60))

    task = asyncio.create_task(ask())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert 1 == len(inner.asked)
