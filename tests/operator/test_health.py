"""The process as its own judge: what ends in a restart, and what is only shown. Time is passed in."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx2
import pytest

from parley_operator.health import LEASE_LIMIT_S, WATCH_LIMIT_S, Judge, LoopLag, Pulse, verdicts
from parley_operator.kube import Kube
from parley_operator.operate import Operator
from parley_operator.public import create_public_app
from parley_operator.settings import Settings
from parley_operator.workqueue import Key, WorkQueue
from tests.conftest import eventually
from tests.operator.serving import Clock
from tests.operator.small_api import SmallApi


@pytest.fixture
def clock() -> Clock:
    """Seconds that the test lets pass."""
    return Clock()


@pytest.fixture
async def operator(small: SmallApi, api: Kube) -> AsyncIterator[Operator]:
    """A replica of which nothing runs."""
    small.status = 503
    made = Operator(api, Settings.read({}))
    yield made
    made.own.close()


async def live(operator: Operator) -> tuple[int, str]:
    """Ask as the kubelet does."""
    transport = httpx2.ASGITransport(create_public_app(operator))
    async with httpx2.AsyncClient(transport=transport, base_url="http://operator") as client:
        reply = await client.get("/livez")
    return reply.status_code, reply.text


def test_a_try_is_no_success(clock: Clock) -> None:
    """What is tried in vain is not idle, and its last success grows old; at first nothing is overdue."""
    pulse = Pulse(clock)
    clock.now = 5.0
    before = (pulse.idle_s(), pulse.age_s())
    pulse.note_try()
    tried = (pulse.idle_s(), pulse.age_s())
    pulse.note_success()

    assert ((5.0, 5.0), (0.0, 5.0), (0.0, 0.0)) == (before, tried, (pulse.idle_s(), pulse.age_s()))


async def test_the_lag_of_a_loop_is_seen_while_it_lasts_and_afterwards(clock: Clock) -> None:
    """A tick that is overdue counts before it comes; the worst of a minute stays, the present is what judges."""
    lag = LoopLag(clock, tick_s=0.125)
    assert (0.0, 0.0) == (lag.now_s(), lag.worst_s())
    ticking = asyncio.create_task(lag.tick())
    await asyncio.sleep(0)
    clock.now = 3.0
    overdue = lag.now_s()
    await eventually(lambda: lag.now_s() == 0.0)
    ticking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await ticking

    assert (2.875, 2.875) == (overdue, lag.worst_s())


@pytest.mark.parametrize(
    ("age_s", "expected"), [(0.0, ()), (10.0, ()), (10.6, ("loop: 11 s late",)), (99.0, ("loop: 99 s late",))]
)
def test_a_judge_complains_above_its_limit(age_s: float, expected: tuple[str, ...]) -> None:
    """With a sentence that holds the seconds."""
    assert expected == verdicts([Judge("loop", "{age_s} s late", lambda: age_s, 10.0)])


async def test_a_process_that_tries_is_alive(operator: Operator) -> None:
    """Whatever the API server does: a restart would heal nothing, and lose what is published."""
    assert (200, "ok\n") == await live(operator)


async def test_every_judge_is_asked(operator: Operator) -> None:
    """Each that complains adds a sentence, and nothing else."""
    operator.leadership.pulse.tried -= LEASE_LIMIT_S + 1
    operator.watchers[0].is_watching = True
    operator.watchers[0].pulse.tried -= WATCH_LIMIT_S + 1

    assert (503, "watch: nothing asked for 241 s\nlease: not tried for in 61 s\n") == await live(operator)


async def test_a_watch_that_does_not_run_is_not_judged(operator: Operator) -> None:
    """The resource may be absent for as long as it likes; how old our last news is, is shown all the same."""
    operator.watchers[0].pulse.tried -= 9999
    operator.watchers[0].pulse.succeeded -= 9999

    assert 200 == (await live(operator))[0]
    assert 9999 <= operator.watch_age_s()


async def test_a_queue_is_stuck_when_nothing_ends(clock: Clock) -> None:
    """Work that fails is work that ends: only a queue that does neither is judged; how long a key waits is shown."""
    let_go = asyncio.Event()

    async def work(_: Key) -> None:
        await let_go.wait()
        raise RuntimeError("in vain")

    queue = WorkQueue(work, jitter=lambda: 0.0, workers=1, clock=clock)
    idle = (queue.age_s(), queue.stuck_s())
    running = asyncio.create_task(queue.run())
    for name in ("a", "b"):
        queue.add(("shop", name), 0.0)
    await asyncio.sleep(0)
    clock.now = 30.0
    await asyncio.sleep(0)
    stuck = (queue.age_s(), queue.stuck_s())
    let_go.set()
    await eventually(lambda: queue.stuck_s() == 0.0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert ((0.0, 0.0), (30.0, 30.0)) == (idle, stuck)
