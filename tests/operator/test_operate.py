"""The replica as a whole, as far as a test must see into it: how its watches, its lists and its queue hang together.

Left to test_reconciling, test_leaders, test_faults and test_both_halves: the process on a real API server.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from parley_crds import names
from parley_operator import kube
from parley_operator.handlers import Pace, Patience
from parley_operator.kube import Kube
from parley_operator.operate import Operator
from parley_operator.settings import Settings
from tests.conftest import eventually
from tests.operator.small_api import SmallApi, dapr_path

LIST = kube.components()
WATCH = f"GET {LIST}"
DAPR_WATCH = f"GET {kube.dapr_components()}"
QUICK = Pace(Patience((0.02, 0.05)), pause_s=0.05, absent_s=0.02, guest_absent_s=0.1)
NO_SIGN_OF_DAPR: dict[str, str] = {}
WITH_DAPR = {"PARLEY_READ_DAPR_COMPONENTS": "true"}


@contextlib.asynccontextmanager
async def running(api: Kube, environment: dict[str, str], pace: Pace = QUICK) -> AsyncIterator[Operator]:
    """Run a replica's work queue, and nothing else of it yet."""
    made = Operator(api, Settings.read(environment), pace)
    working = asyncio.create_task(made.queue.run())
    try:
        yield made
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        made.own.close()


@pytest.fixture
async def operator(api: Kube) -> AsyncIterator[Operator]:
    """A replica that reads our own components."""
    async with running(api, NO_SIGN_OF_DAPR) as made:
        yield made


@pytest.fixture
async def beside_dapr(api: Kube) -> AsyncIterator[Operator]:
    """A replica that reads Dapr's components too."""
    async with running(api, WITH_DAPR) as made:
        yield made


@contextlib.asynccontextmanager
async def watching(operator: Operator) -> AsyncIterator[None]:
    """Learn and follow inside the block, which may take a minute."""
    task = asyncio.create_task(operator._watch())
    try:
        async with asyncio.timeout(60):
            yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def published(operator: Operator) -> set[str]:
    """Return the names of what is published in the namespace shop."""
    return {component.name for component in operator.published.components("shop")}


def event(kind: str, document: dict[str, Any]) -> dict[str, Any]:
    """Return an event of a watch about an object."""
    return {"type": kind, "object": {"apiVersion": names.API_VERSION, "kind": names.KIND, **document}}


async def refuse(small: SmallApi, status: int) -> None:
    """Answer everything with a status for a while, watches that are open included."""
    small.status = status
    small.calls.clear()
    await eventually(lambda: len(small.calls) > 5)
    small.status = 0


async def too_old(small: SmallApi) -> None:
    """Tell the watch that its resourceVersion is too old: 410, in the stream."""
    await small.events.put({"type": "ERROR", "object": {"kind": "Status", "code": 410}})


async def unforeseen(small: SmallApi) -> None:
    """Tell the watch of an error that kopf ends at."""
    await small.events.put({"type": "ERROR", "object": {"kind": "Status", "code": 500}})


async def garbage_in_the_stream(small: SmallApi) -> None:
    """Send what is no event."""
    await small.events.put("<html>somebody's proxy</html>")


async def garbage_everywhere(small: SmallApi) -> None:
    """Have somebody else answer for the API server for a while."""
    small.garbage = True
    await unforeseen(small)
    small.calls.clear()
    await eventually(lambda: len(small.calls) > 5)
    small.garbage = False


async def refused_429(small: SmallApi) -> None:
    """Have too many requests."""
    await refuse(small, 429)


async def refused_410(small: SmallApi) -> None:
    """Refuse every resourceVersion."""
    await refuse(small, 410)


async def refused_503(small: SmallApi) -> None:
    """Refuse as an API server that starts."""
    await refuse(small, 503)


async def gone(small: SmallApi) -> None:
    """Take the resource away for a while."""
    await refuse(small, 404)


@pytest.mark.parametrize("fault", [too_old, unforeseen, garbage_in_the_stream, garbage_everywhere, refused_410, gone])
async def test_a_watch_that_cannot_go_on_is_begun_anew(
    small: SmallApi, operator: Operator, fault: Callable[[SmallApi], Awaitable[None]]
) -> None:
    """What is made, changed and deleted meanwhile is in no event and arrives, as does what comes later; no restart."""
    for name in ("changed", "deleted"):
        small.component("shop", name)
    async with watching(operator):
        await eventually(lambda: small.calls.count(WATCH) >= 4)
        changes(small)
        await fault(small)
        await arrived(small, operator)
        serves = operator.published.synced

    assert serves


@pytest.mark.parametrize("fault", [refused_429, refused_503])
async def test_a_watch_that_can_goes_on(
    small: SmallApi, operator: Operator, fault: Callable[[SmallApi], Awaitable[None]]
) -> None:
    """After a refusal the API server tells what it would have told meanwhile: nothing has to be begun anew."""
    for name in ("changed", "deleted"):
        small.component("shop", name)
    async with watching(operator):
        await eventually(lambda: small.calls.count(WATCH) >= 4)
        events = changes(small)
        await fault(small)
        for told in events:
            await small.events.put(told)
        await arrived(small, operator)

    assert 0 == restarts(operator)


def changes(small: SmallApi) -> list[dict[str, Any]]:
    """Make, change and delete a component; return the events that a watch would get."""
    made = small.component("shop", "made")
    changed = small.component("shop", "changed", metadata=[], cache={"ttl": "1m"})
    changed["metadata"]["generation"] = 2
    deleted = small.objects.pop(kube.component("shop", "deleted"))
    return [event("ADDED", made), event("MODIFIED", changed), event("DELETED", deleted)]


async def arrived(small: SmallApi, operator: Operator) -> None:
    """Wait until these changes are published, and one that comes later."""
    await eventually(lambda: published(operator) == {"changed", "made"})
    await eventually(lambda: (found := operator.published.get("shop", "changed")) and found.cache.ttl)
    await small.events.put(event("ADDED", small.component("shop", "later")))
    await eventually(lambda: "later" in published(operator))


class Stuck(Patience):
    """Back-offs at which kopf's thread hangs when told to, once or always."""

    def __init__(self, *, always: bool = False) -> None:
        super().__init__()
        self.hang = threading.Event()
        self.free = threading.Event()
        self.always = always

    def __iter__(self) -> Iterator[float]:
        """Begin anew for each call, or hang."""
        if self.hang.is_set():
            if not self.always:
                self.hang.clear()
            self.free.wait()
        return super().__iter__()


async def test_a_stuck_watch_is_begun_anew(small: SmallApi, api: Kube) -> None:
    """One that asks nothing any more looks healthy: another takes its place, and the count of them says so."""
    patience = Stuck()
    pace = Pace(patience, stuck_s=0.5, stop_s=0.05, pause_s=0.02)
    async with running(api, NO_SIGN_OF_DAPR, pace) as operator, watching(operator):
        await eventually(lambda: small.calls.count(WATCH) >= 4)
        patience.hang.set()
        await too_old(small)
        await eventually(lambda: not patience.hang.is_set())
        small.component("shop", "meanwhile")
        await eventually(lambda: "meanwhile" in published(operator))
        patience.free.set()

    assert 0 < restarts(operator)


async def test_a_watch_that_stays_stuck_is_a_fault_of_the_process(small: SmallApi, api: Kube) -> None:
    """What was begun anew has still asked nothing: the time without a try goes on, until the kubelet is told."""
    patience = Stuck(always=True)
    patience.hang.set()
    pace = Pace(patience, stuck_s=0.125, stop_s=0.01, pause_s=0.01)
    async with running(api, NO_SIGN_OF_DAPR, pace) as operator, watching(operator):
        await eventually(lambda: restarts(operator) >= 3)
        idle_s = operator.watchers[0].pulse.idle_s()
        patience.free.set()

    assert 3 * 0.125 <= idle_s


def restarts(operator: Operator) -> float:
    """Return how many watches were begun anew."""
    return operator.metrics.registry.get_sample_value("parley_operator_watch_restarts_total") or 0.0


async def test_a_list_of_kopfs_brings_up_to_date_what_it_does_not_name(small: SmallApi, operator: Operator) -> None:
    """A component deleted while the watch was down is in no event: all that is known is looked at, once a list."""
    for name in ("a", "b", "gone"):
        small.component("shop", name)
    await operator.queue.settled(await operator.resync.once())
    del small.objects[kube.component("shop", "gone")]
    small.calls.clear()
    notice = operator.news.of_kind()
    for name in ("a", "b"):
        notice(("shop", name), ("", f"uid-of-{name}", 1, ""))
    async with asyncio.timeout(60):
        await eventually(lambda: f"GET {kube.component('shop', 'gone')}" in small.calls)
        await eventually(lambda: not operator.queue.depth)

    assert {"a", "b"} == published(operator)
    assert 1 == small.calls.count(f"GET {kube.component('shop', 'gone')}")


async def test_a_status_write_reaches_nobody(small: SmallApi, operator: Operator) -> None:
    """The same generation again is no work."""
    small.component("shop", "a")
    await operator.queue.settled(await operator.resync.once())
    notice = operator.news.of_kind()
    notice(("shop", "a"), ("ADDED", "uid-of-a", 1, ""))
    await operator.queue.settled([("shop", "a")])
    notice(("shop", "a"), ("MODIFIED", "uid-of-a", 1, ""))

    assert 0 == operator.queue.depth


async def test_daprs_resource_may_come_late(small: SmallApi, beside_dapr: Operator) -> None:
    """Without it our own components are served and watched; when it comes it is noticed without a restart."""
    dapr = kube.dapr_components()
    small.refused[dapr] = 404
    small.component("shop", "ours")
    small.dapr_component("shop", "daprs")
    async with watching(beside_dapr):
        await eventually(lambda: beside_dapr.watchers[0].is_watching and small.calls.count(DAPR_WATCH) > 3)
        early = published(beside_dapr)
        watched_early = beside_dapr.watchers[1].is_watching
        small.refused.clear()
        await eventually(lambda: published(beside_dapr) == {"ours", "daprs"})
        assert beside_dapr.watchers[1].is_watching

    assert ({"ours"}, False) == (early, watched_early)


async def test_no_right_to_read_daprs_components_harms_nobody(small: SmallApi, beside_dapr: Operator) -> None:
    """They are as good as absent, and our own are served."""
    small.refused |= {kube.dapr_components(): 403, dapr_path("shop", "gone"): 403}
    for name in ("ours", "gone"):
        small.component("shop", name)
    async with watching(beside_dapr):
        await eventually(lambda: published(beside_dapr) == {"ours", "gone"})
        del small.objects[kube.component("shop", "gone")]
        await small.events.put(event("DELETED", {"metadata": {"name": "gone", "namespace": "shop", "uid": "u"}}))
        await eventually(lambda: published(beside_dapr) == {"ours"})
