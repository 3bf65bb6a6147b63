"""Leadership against a server that can be told to fail: when writers run, when they are stopped, and what is left.

Left to test_rules: the table of moves. Left to test_leaders: two processes on a real API server.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from subprocess import run

import pytest

from parley_operator import kube
from parley_operator.errors import ApiUnavailable
from parley_operator.kube import Kube
from parley_operator.leadership import DURATION_S, RENEW_DEADLINE_S, Leadership, Timing
from tests.operator.small_api import SmallApi

PLACE = ("parley-system", "parley-operator")
PATH = kube.lease(*PLACE)


@dataclass(slots=True)
class Replica:
    """A replica with writers that say when they run, a clock that the test moves, and no process to end."""

    api: Kube
    now: float = 1000.0
    begun: int = 0
    stopped: int = 0
    given_up: asyncio.Event = field(default_factory=asyncio.Event)

    async def lead(self) -> None:
        """Write until cancelled."""
        self.begun += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.stopped += 1

    def leadership(self, identity: str = "me") -> Leadership:
        """Compete for the Lease, at a quick pace."""
        timing = Timing(lambda: self.now, retry_s=0.02, try_limit_s=1.0, cancel_limit_s=0.2)
        return Leadership(self.api, PLACE, identity, timing, self.given_up.set)


@pytest.fixture
def replica(api: Kube) -> Replica:
    """A replica whose API server is the small one."""
    return Replica(api)


@contextlib.asynccontextmanager
async def competing(leadership: Leadership, replica: Replica) -> AsyncIterator[None]:
    """Compete inside the block, which may take a minute."""
    task = asyncio.create_task(leadership.run(replica.lead))
    async with asyncio.timeout(60):
        yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until(leadership: Leadership, *, held: bool) -> None:
    """Wait until the Lease is held, or is not."""
    while leadership.is_held is not held:
        await asyncio.sleep(0.01)


async def rounds(small: SmallApi, number: int) -> None:
    """Wait until the Lease was looked at so many times more."""
    wanted = small.calls.count(f"GET {PATH}") + number
    while small.calls.count(f"GET {PATH}") < wanted:
        await asyncio.sleep(0.01)


async def test_a_lease_that_is_missing_is_made(small: SmallApi, replica: Replica) -> None:
    """Somebody may have deleted the chart's; at the end it is free for a successor."""
    leadership = replica.leadership()
    async with competing(leadership, replica):
        await until(leadership, held=True)
        holder = small.objects[PATH]["spec"]["holderIdentity"]

    assert "me" == holder
    assert "" == small.objects[PATH]["spec"]["holderIdentity"]
    assert (1, 1) == (replica.begun, replica.stopped)


async def test_somebody_elses_lease_is_respected_for_its_duration(small: SmallApi, replica: Replica) -> None:
    """The time since its record changed counts, by the clock of the one who looks."""
    small.put(PATH, spec={"holderIdentity": "other", "leaseDurationSeconds": DURATION_S})
    leadership = replica.leadership()
    async with competing(leadership, replica):
        await rounds(small, 3)
        respected = not leadership.is_held
        replica.now += DURATION_S + 1
        await until(leadership, held=True)

    assert respected


@pytest.mark.parametrize(("unchanged_s", "expected"), [(0.0, 0.5), (14.75, 0.35), (15.0, 0.5), (99.0, 0.5)])
async def test_a_standby_tries_just_after_the_end_of_anothers_time(
    small: SmallApi, replica: Replica, unchanged_s: float, expected: float
) -> None:
    """It does not sleep over it, and does not hurry once it is past: a server that is lost is not asked more often."""
    small.put(PATH, spec={"holderIdentity": "other", "leaseDurationSeconds": DURATION_S})
    leadership = Leadership(
        api=replica.api, lease=PLACE, identity="me", timing=Timing(lambda: replica.now, retry_s=0.5)
    )
    await leadership._try()
    replica.now += unchanged_s

    assert expected == pytest.approx(min(0.5, leadership._next_s()))


async def test_a_lease_that_cannot_be_read_grows_old_though_it_is_tried_for(small: SmallApi, replica: Replica) -> None:
    """So nobody restarts a process for the sake of a lost API server, and everybody can see that it is lost."""
    leadership = replica.leadership()
    async with competing(leadership, replica):
        await until(leadership, held=True)
        small.status = 503
        await rounds(small, 2)
        replica.now += 100
        await rounds(small, 2)
        lost = (leadership.pulse.idle_s(), leadership.pulse.age_s())
        small.status = 0
        await until(leadership, held=True)
        await rounds(small, 2)

    assert (0.0, 100.0) == lost
    assert 0.0 == leadership.pulse.age_s()


async def test_writers_stop_when_another_took_the_lease(small: SmallApi, replica: Replica) -> None:
    """Whoever is in the record writes."""
    leadership = replica.leadership()
    async with competing(leadership, replica):
        await until(leadership, held=True)
        small.put(PATH, spec={"holderIdentity": "other", "leaseDurationSeconds": DURATION_S})
        await until(leadership, held=False)

    assert (1, 1) == (replica.begun, replica.stopped)
    assert "other" == small.objects[PATH]["spec"]["holderIdentity"]


async def test_writers_stop_at_the_deadline_of_a_silent_server(small: SmallApi, replica: Replica) -> None:
    """A holder that cannot renew stops before its Lease is free to others, and no write of it goes on after that."""
    leadership = replica.leadership()
    async with competing(leadership, replica):
        await until(leadership, held=True)
        small.status = 503
        await rounds(small, 3)
        kept = leadership.is_held
        replica.now += RENEW_DEADLINE_S
        with pytest.raises(ApiUnavailable):
            await replica.api.patch(PATH, [], leadership.remaining_s())
        await until(leadership, held=False)
        small.status = 0
        await until(leadership, held=True)

    assert kept
    assert (2, 2) == (replica.begun, replica.stopped)


async def test_a_try_ends_with_the_deadline(small: SmallApi, replica: Replica) -> None:
    """A server that takes the call and does not answer does not keep the writers running."""
    leadership = replica.leadership()
    async with competing(leadership, replica):
        await until(leadership, held=True)
        small.silent = True
        await rounds(small, 1)
        replica.now += RENEW_DEADLINE_S
        await until(leadership, held=False)
        small.silent = False

    assert replica.begun == replica.stopped


async def test_writers_that_end_are_begun_anew(small: SmallApi, replica: Replica) -> None:
    """A fault in one of them costs one pause, not the whole time of the Lease."""
    begun = 0

    async def lead() -> None:
        nonlocal begun
        begun += 1
        if begun == 1:
            raise RuntimeError("unforeseen")
        await asyncio.Event().wait()

    leadership = replica.leadership()
    task = asyncio.create_task(leadership.run(lead))
    async with asyncio.timeout(60):
        while begun < 2:
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert 2 == begun
    assert small.calls


async def test_a_process_whose_writers_do_not_stop_is_given_up(small: SmallApi, replica: Replica) -> None:
    """It must not go on beside the new leader."""
    let_go = asyncio.Event()

    async def lead() -> None:
        while not let_go.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await let_go.wait()

    leadership = replica.leadership()
    task = asyncio.create_task(leadership.run(lead))
    async with asyncio.timeout(60):
        await until(leadership, held=True)
        small.put(PATH, spec={"holderIdentity": "other", "leaseDurationSeconds": DURATION_S})
        await replica.given_up.wait()
    let_go.set()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert not leadership.is_held


async def test_a_lease_that_cannot_be_given_back_does_not_hold_up_the_end(small: SmallApi, replica: Replica) -> None:
    """Its duration frees it anyway."""
    leadership = replica.leadership()
    async with competing(leadership, replica):
        await until(leadership, held=True)
        small.refused[PATH] = 500

    assert "me" == small.objects[PATH]["spec"]["holderIdentity"]
    assert replica.begun == replica.stopped


async def test_what_became_anothers_is_not_given_back(small: SmallApi, replica: Replica) -> None:
    """A Lease that changed hands in the last moment stays with its new holder."""
    leadership = replica.leadership()
    replica.now = 2000.0
    async with competing(leadership, replica):
        await until(leadership, held=True)
        small.refused[PATH] = 500
        await rounds(small, 1)
        small.objects[PATH]["spec"]["holderIdentity"] = "other"
        del small.refused[PATH]

    assert "other" == small.objects[PATH]["spec"]["holderIdentity"]


def test_giving_up_ends_the_process_at_once() -> None:
    """Nothing is waited for, and the kubelet sees a failure."""
    program = "from parley_operator.leadership import end_process\ntry:\n end_process()\nfinally:\n print('waited')"
    ended = run([sys.executable, "-c", program], capture_output=True, check=False)

    assert (1, b"") == (ended.returncode, ended.stdout)
