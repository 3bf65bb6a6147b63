"""Statuses: written if they differ, not too often, and never into a namesake."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from parley_operator import kube
from parley_operator.connected import Totals
from parley_operator.kube import Kube
from parley_operator.metrics import Metrics
from parley_operator.published import Published
from parley_operator.reconcile import Reconciler
from parley_operator.statuses import LONGEST_PAUSE_S, QUIET_S, Statuses
from parley_operator.workqueue import Key
from tests.conftest import eventually
from tests.operator.small_api import SmallApi
from tests.operator.world import Plant, component

KEY = ("shop", "gpt")
WRITE = f"PATCH {kube.component(*KEY)}/status"


@dataclass(slots=True)
class Leader:
    """What a leader has: outcomes, sums that the test sets, rounds that can be counted, a clock that the test moves."""

    api: Kube
    reconciler: Reconciler
    sums: dict[Key, Totals] = field(default_factory=dict)
    rounds: int = 0
    now: float = 1000.0

    def totals(self) -> dict[Key, Totals]:
        """Return the sums; asked once a round."""
        self.rounds += 1
        return self.sums

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Write statuses inside the block, which may take a minute."""
        statuses = Statuses(self.api, self.reconciler.outcomes, self.totals, lambda: 10.0, lambda: self.now)
        task = asyncio.create_task(statuses.run())
        async with asyncio.timeout(60):
            yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def more_rounds(self, number: int = 2) -> None:
        """Wait for whole rounds."""
        wanted = self.rounds + number
        while self.rounds < wanted:
            await asyncio.sleep(0.01)


@pytest.fixture
def leader(api: Kube) -> Leader:
    """A leader whose API server is the small one."""
    return Leader(api, Reconciler(api, Published(), Metrics()))


async def test_what_stays_the_same_is_written_once(small: SmallApi, leader: Leader) -> None:
    """Neither another round, nor a reconcile without news, nor a new leader writes it again."""
    small.component(*KEY)
    await leader.reconciler(KEY)
    async with leader.writing():
        await eventually(lambda: WRITE in small.calls)
        leader.now += QUIET_S
        await leader.reconciler(KEY)
        await leader.more_rounds()
    async with leader.writing():
        await leader.more_rounds()

    assert 1 == small.calls.count(WRITE)


async def test_a_component_is_written_at_most_every_two_seconds(small: SmallApi, leader: Leader) -> None:
    """Sidecars that come and go do not flood the API server; the last sum gets there."""
    small.component(*KEY)
    await leader.reconciler(KEY)
    version = leader.reconciler.outcomes[KEY].version
    async with leader.writing():
        await eventually(lambda: WRITE in small.calls)
        leader.sums[KEY] = Totals(1, {version: 1}, 0)
        await leader.more_rounds()
        soon = small.calls.count(WRITE)
        leader.now += QUIET_S
        await eventually(lambda: small.calls.count(WRITE) == 2)

    assert 1 == soon
    assert "1/1" == small.objects[kube.component(*KEY)]["status"]["sidecars"]["summary"]


async def test_a_status_tells_what_sidecars_say_of_the_provider(small: SmallApi, leader: Leader) -> None:
    """As counts, and in few words for `kubectl get`; all of it goes when all is well again."""
    small.component(*KEY)
    await leader.reconciler(KEY)
    version = leader.reconciler.outcomes[KEY].version
    seen: list[dict[str, Any]] = []
    async with leader.writing():
        for number, (breakers, errors) in enumerate(
            (({"open": 2, "half_open": 1}, {"timeout": 1, "refused": 2}), ({}, {}))
        ):
            leader.sums[KEY] = Totals(4, {version: 3}, 1 - number, breakers, errors)
            leader.now += QUIET_S
            await eventually(lambda: small.calls.count(WRITE) == len(seen) + 1)
            seen.append(small.objects[kube.component(*KEY)]["status"]["sidecars"])

    assert {
        "connected": 4,
        "upToDate": 3,
        "failed": 1,
        "summary": "3/4",
        "breakersOpen": 2,
        "breakersHalfOpen": 1,
        "errors": [{"reason": "refused", "count": 2}, {"reason": "timeout", "count": 1}],
        "faults": "1 not loaded, 2 open, 1 half-open, 2 refused, 1 timeout",
    } == seen[0]
    assert (0, 0, [], "") == tuple(seen[1][name] for name in ("breakersOpen", "breakersHalfOpen", "errors", "faults"))


async def test_a_status_that_somebody_changed_is_set_right(small: SmallApi, leader: Leader) -> None:
    """The next reconcile compares with what the API server has, not with what was written once."""
    small.component(*KEY)
    await leader.reconciler(KEY)
    async with leader.writing():
        await eventually(lambda: WRITE in small.calls)
        small.objects[kube.component(*KEY)]["status"] = {"version": "made up"}
        leader.now += QUIET_S
        await leader.reconciler(KEY)
        await eventually(lambda: small.calls.count(WRITE) == 2)

    assert "made up" != small.objects[kube.component(*KEY)]["status"]["version"]


async def test_a_failed_write_is_tried_again_after_a_pause(small: SmallApi, leader: Leader) -> None:
    """Others are written meanwhile."""
    small.component(*KEY)
    small.component("shop", "other")
    await leader.reconciler(KEY)
    await leader.reconciler(("shop", "other"))
    small.refused[f"{kube.component(*KEY)}/status"] = 500
    async with leader.writing():
        await eventually(lambda: "status" in small.objects[kube.component("shop", "other")])
        await leader.more_rounds()
        tried = small.calls.count(WRITE)
        small.refused.clear()
        leader.now += QUIET_S
        await eventually(lambda: "status" in small.objects[kube.component(*KEY)])

    assert 1 == tried


async def test_what_cannot_be_written_is_tried_more_and_more_seldom(small: SmallApi, leader: Leader) -> None:
    """An object that the API server does not take any more costs it little, and heals when it is taken."""
    small.component(*KEY)
    await leader.reconciler(KEY)
    small.refused[f"{kube.component(*KEY)}/status"] = 422
    tries = []
    async with leader.writing():
        await eventually(lambda: small.calls.count(WRITE) == 1)
        for pause_s in (QUIET_S, QUIET_S, LONGEST_PAUSE_S, LONGEST_PAUSE_S):
            leader.now += pause_s
            await leader.more_rounds()
            tries.append(small.calls.count(WRITE))
        small.refused.clear()
        leader.now += LONGEST_PAUSE_S
        await eventually(lambda: "status" in small.objects[kube.component(*KEY)])
        leader.sums[KEY] = Totals(1, {}, 0)
        leader.now += QUIET_S
        await eventually(lambda: small.calls.count(WRITE) == tries[-1] + 2)

    assert [2, 2, 3, 4] == tries


async def test_a_component_that_went_is_forgotten(small: SmallApi, leader: Leader) -> None:
    """Gone before its status was written, it is not written; gone afterwards, nothing is kept of it."""
    path = kube.component(*KEY)
    small.component(*KEY)
    await leader.reconciler(KEY)
    gone = small.objects.pop(path)
    async with leader.writing():
        await leader.more_rounds()
        before = small.calls.count(WRITE)
        small.objects[path] = gone
        leader.now += QUIET_S
        await eventually(lambda: small.calls.count(WRITE) == 1)
        del small.objects[path]
        leader.sums[KEY] = Totals(1, {}, 0)
        leader.now += QUIET_S
        await eventually(lambda: small.calls.count(WRITE) == 2)
        await leader.reconciler(KEY)
        await leader.more_rounds()
        small.component(*KEY)
        await leader.reconciler(KEY)
        await eventually(lambda: small.calls.count(WRITE) == 3)  # its namesake need not wait

    assert 0 == before
    assert "status" in small.objects[path]


@pytest.mark.control_plane
async def test_a_namesake_is_left_alone(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A status that belongs to a deleted component is not written into the one that took its name."""
    monkeypatch.setenv("KUBECONFIG", str(plant.kubeconfig("parley-operator")))
    api = await Kube.connect()
    leader = Leader(api, Reconciler(api, Published(), Metrics()))
    key = (plant.namespace, "namesake")
    plant.apply(component("namesake"))
    await leader.reconciler(key)
    plant.kubectl("delete", "conv", "namesake")
    plant.apply(component("namesake"))
    async with leader.writing():
        await leader.more_rounds(3)
        left_alone = "status" not in plant.read("conv", "namesake")
        await leader.reconciler(key)
        leader.now += QUIET_S
        await eventually(lambda: plant.conditions("namesake"))
    await api.aclose()
    plant.kubectl("delete", "conv", "namesake")

    assert left_alone
