"""The rounds: the first list, the ones after it, and the Secrets in turn, against a server that can be told to fail."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

import pytest

from parley_operator import kube
from parley_operator.errors import ApiUnavailable
from parley_operator.kinds import DAPRS, OURS, listed
from parley_operator.kube import Kube
from parley_operator.metrics import Metrics
from parley_operator.published import Published
from parley_operator.reconcile import Reconciler
from parley_operator.rounds import Resync, SecretRounds
from parley_operator.workqueue import WorkQueue
from tests.operator.small_api import SmallApi

LIST = kube.components()


def needs(name: str) -> dict[str, object]:
    """Return the spec of a component that needs a Secret."""
    setting = {"name": "key", "secretKeyRef": {"name": name, "key": "apiKey"}}
    return {"type": "conversation.openai", "metadata": [setting]}


@dataclass(slots=True)
class Replica:
    """The parts of a replica that gather."""

    api: Kube
    published: Published
    reconciler: Reconciler
    metrics: Metrics
    queue: WorkQueue

    def resync(self, *namespaces: str) -> Resync:
        """List the components of some namespaces, or of all."""
        lists = [partial(listed, self.api, kind, namespaces) for kind in (OURS, DAPRS)]
        return Resync(self.queue, self.reconciler.outcomes, lists)

    def secret_rounds(self) -> SecretRounds:
        """Read Secrets at a quick pace."""
        return SecretRounds(self.api, self.queue, self.reconciler.outcomes, self.metrics, lambda _: 0.01)


@pytest.fixture
async def replica(api: Kube) -> AsyncIterator[Replica]:
    """A replica whose work queue runs."""
    published = Published()
    metrics = Metrics()
    reconciler = Reconciler(api, published, metrics, (OURS, DAPRS))
    queue = WorkQueue(reconciler, jitter=lambda: 1.0)
    task = asyncio.create_task(queue.run())
    yield Replica(api, published, reconciler, metrics, queue)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def called(small: SmallApi, call: str, times: int = 1) -> None:
    """Wait until the server was asked for something."""
    async with asyncio.timeout(60):
        while small.calls.count(call) < times:
            await asyncio.sleep(0.01)


async def test_a_replica_waits_for_the_resource(small: SmallApi, replica: Replica) -> None:
    """Without the CRD it knows nothing, and says so by not being synced; with it, it goes on by itself."""
    small.refused[LIST] = 404
    small.component("shop", "echo")
    first = asyncio.create_task(replica.resync().first(replica.published))
    await called(small, f"GET {LIST}")
    early = replica.published.synced
    small.refused.clear()
    await asyncio.wait_for(first, 60)

    assert not early
    assert replica.published.synced
    assert 1 == len(replica.published.components("shop"))


async def test_a_replica_is_synced_when_every_secret_was_read(small: SmallApi, replica: Replica) -> None:
    """Half of what is there would be taken for all of it; one bad component is judged, not waited for."""
    secret = kube.secret("shop", "openai")
    small.component("shop", "gpt", **needs("openai"))
    small.component("shop", "forbidden", **needs("hidden"))
    small.component("shop", "odd", type="conversation.nobody")
    small.put(secret, data={"apiKey": "c2stMQ=="})
    small.refused |= {secret: 503, kube.secret("shop", "hidden"): 403}
    first = asyncio.create_task(replica.resync().first(replica.published))
    await called(small, f"GET {secret}", 2)
    early = replica.published.synced
    del small.refused[secret]
    await asyncio.wait_for(first, 60)

    assert not early
    assert ["gpt"] == [component.name for component in replica.published.components("shop")]
    assert {"gpt", "forbidden", "odd"} == {name for _, name in replica.reconciler.outcomes}


async def test_a_resync_finds_what_went_unseen(small: SmallApi, replica: Replica) -> None:
    """A component that is known and not listed any more is looked at, and found to be gone."""
    small.component("shop", "going")
    small.component("shop", "staying")
    resync = replica.resync("shop")
    await replica.queue.settled(await resync.once())
    before = len(replica.published.components("shop"))
    del small.objects[kube.component("shop", "going")]
    await replica.queue.settled(await resync.once())

    assert 2 == before
    assert ["staying"] == [component.name for component in replica.published.components("shop")]


async def test_a_resync_that_cannot_list_deletes_nothing(small: SmallApi, replica: Replica) -> None:
    """An outage is not an empty list."""
    small.component("shop", "echo")
    await replica.queue.settled(await replica.resync().once())
    small.status = 503
    with pytest.raises(ApiUnavailable):
        await replica.resync().once()

    assert 1 == len(replica.published.components("shop"))


async def test_a_changed_secret_brings_its_components_up_to_date(small: SmallApi, replica: Replica) -> None:
    """Rotated or newly made, it reaches those that use it; one that cannot be read does not hold up the others."""
    for name in ("a-broken", "b-hidden", "c-late", "d-rotated"):
        small.component("shop", name, **needs(name))
        small.put(kube.secret("shop", name), data={"apiKey": "c2stMQ=="})
    del small.objects[kube.secret("shop", "c-late")]
    await replica.queue.settled(await replica.resync().once())
    before = {name: outcome.version for (_, name), outcome in replica.reconciler.outcomes.items()}
    small.refused |= {kube.secret("shop", "a-broken"): 500, kube.secret("shop", "b-hidden"): 403}
    for name in ("c-late", "d-rotated"):
        small.put(kube.secret("shop", name), data={"apiKey": "c2stMg=="})
    await replica.secret_rounds().once()
    await replica.queue.settled([("shop", name) for name in before])

    after = {name: outcome.version for (_, name), outcome in replica.reconciler.outcomes.items()}
    assert ("", before["a-broken"], before["b-hidden"]) == (before["c-late"], after["a-broken"], after["b-hidden"])
    assert before["d-rotated"] != after["d-rotated"] != ""
    keys = {component.name: component.settings["key"] for component in replica.published.components("shop")}
    assert {"a-broken": "sk-1", "b-hidden": "sk-1", "c-late": "sk-2", "d-rotated": "sk-2"} == keys


async def test_a_round_without_news_enqueues_nothing(small: SmallApi, replica: Replica) -> None:
    """Each Secret costs one read a round, and nothing else."""
    small.component("shop", "a", **needs("shared"))
    small.component("shop", "b", **needs("shared"))
    small.put(kube.secret("shop", "shared"), data={"apiKey": "c2stMQ=="})
    await replica.queue.settled(await replica.resync().once())
    small.calls.clear()
    await replica.secret_rounds().once()

    assert 0 == replica.queue.depth
    assert [f"GET {kube.secret('shop', 'shared')}"] == small.calls


async def test_a_component_that_goes_during_a_round_is_passed_over(small: SmallApi, replica: Replica) -> None:
    """Its Secret may still be read once more."""
    small.component("shop", "a", **needs("slow"))
    await replica.queue.settled(await replica.resync().once())
    small.silent = True
    small.calls.clear()
    reading = asyncio.create_task(replica.secret_rounds().once())
    await called(small, f"GET {kube.secret('shop', 'slow')}")
    replica.reconciler.outcomes.clear()
    reading.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await reading

    assert 0 == replica.queue.depth


async def test_refused_reads_of_secrets_are_counted(small: SmallApi, replica: Replica) -> None:
    """In the rounds too; a Secret that is not there is nobody's fault here."""
    for name in ("absent", "hidden", "open"):
        small.component("shop", name, **needs(name))
        small.put(kube.secret("shop", name), data={"apiKey": "c2stMQ=="})
    await replica.queue.settled(await replica.resync().once())
    del small.objects[kube.secret("shop", "absent")]
    small.refused |= {kube.secret("shop", "hidden"): 403, kube.secret("shop", "open"): 503}
    before = replica.metrics.registry.get_sample_value("parley_operator_secret_errors_total")
    await replica.secret_rounds().once()

    assert (0.0, 2.0) == (before, replica.metrics.registry.get_sample_value("parley_operator_secret_errors_total"))


async def test_daprs_components_are_listed_beside_ours(small: SmallApi, replica: Replica) -> None:
    """Those of our type alone; an API server without the resource, or without our right to it, has none."""
    small.component("shop", "ours")
    small.dapr_component("shop", "daprs")
    small.dapr_component("shop", "store", "state.redis")
    found = await replica.resync().once()
    await replica.queue.settled(found)
    small.refused[kube.dapr_components()] = 404
    without = await replica.resync().once()
    small.refused[kube.dapr_components()] = 503

    assert {("shop", "ours"), ("shop", "daprs")} == found == without  # what is known is looked at, listed or not
    with pytest.raises(ApiUnavailable):
        await replica.resync().once()
