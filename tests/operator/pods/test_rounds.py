"""The leader's rounds over pods, one at a time, on a real API server with real controllers: counts, Events, evictions.

Each test has a namespace of its own, which is all that its rounds look at unless it says otherwise.
"""

import asyncio
import json
from typing import Any

import pytest

from e2e.cluster.controlplane import FAKE_NODE
from parley_crds import names
from parley_operator import kube
from parley_operator.injector.eligibility import SkipReason
from parley_operator.kube import Kube
from parley_operator.pods.evictions import FIRST_PAUSE_S
from parley_operator.pods.owners import Owners
from parley_operator.pods.restarts import SETTLE_S, is_at_rest
from parley_operator.pods.seen import UNFINISHED, Reference, Seen, read_page
from parley_operator.pods.unconnected import PATIENCE_S
from tests.conftest import until
from tests.operator.pods.looking import (
    APP,
    ENABLED,
    INJECTED,
    NATIVE,
    NOWHERE,
    Looking,
    deployment,
    exactly,
    new,
    pod,
    uids,
)
from tests.operator.serving import eventually
from tests.operator.world import Plant

pytestmark = pytest.mark.control_plane


async def test_missed_pods_are_counted_and_their_deployment_is_told_once(place: Plant, real_api: Kube) -> None:
    """Visible where a person looks: get events, describe and kubectl events; the count falls to zero afterwards."""
    looking = Looking.at(place, real_api)
    place.apply(deployment("missed", 3))
    looking.running("missed", 3)
    await looking.rounds.once()
    await looking.rounds.once()
    counted, described = looking.tally("missed"), place.kubectl("describe", "deployment", "missed")
    followed = place.kubectl("events", "--for", "deployment/missed")
    listed = place.kubectl("get", "events", "--field-selector", "source=parley-operator")
    place.kubectl("delete", "deployment", "missed")
    until("they are gone", lambda: not looking.pods(app="missed"))
    await looking.rounds.once()

    assert 3 == counted
    assert [("Deployment", "SidecarMissing")] == looking.told("missed")
    assert [True] * 3 == ["SidecarMissing" in text for text in (described, followed, listed)]
    assert 0 == looking.tally("missed")
    assert 1 == looking.count("parley_operator_events_total", reason="SidecarMissing")


async def test_only_missed_pods_are_missed(place: Plant, real_api: Kube) -> None:
    """Among pods of every other kind in a namespace that opts in, one is; those with a mark have a reason."""
    looking = Looking.at(place, real_api)
    place.cluster.kubectl("label", "namespace", place.namespace, f"{names.INJECT_NAMESPACE_LABEL}=enabled")
    place.apply(
        pod("missed", labels={"app": "shop"}),
        pod("refused", {names.ENABLED_ANNOTATION: "false"}),
        pod("mirror", {"kubernetes.io/config.mirror": "x"}, nodeName=FAKE_NODE),
        pod("unlabelled", {names.RESOLVED_APP_ID_ANNOTATION: "shop"}, initContainers=[NATIVE]),
        pod("injected", labels=INJECTED, initContainers=[NATIVE]),
        pod("skipped", {names.INJECTION_ANNOTATION: "skipped:host_network"}, hostNetwork=True),
        pod("failed", {names.INJECTION_ANNOTATION: "failed:bad_annotation", f"{names.GROUP}/log-level": "loud"}),
        pod("unmarked", {names.APP_ID_ANNOTATION: "shop"}, hostNetwork=True),
        pod("ended", ENABLED, **NOWHERE),
    )
    place.kubectl("patch", "pod", "ended", "--subresource=status", "-p", '{"status": {"phase": "Failed"}}')
    await looking.rounds.once()

    assert 1 == looking.tally("missed")
    marked = {reason: number for (_, reason), number in looking.rounds.tallies.read("marked").items()}
    assert {SkipReason.HOST_NETWORK: 2, SkipReason.BAD_ANNOTATION: 1} == marked
    told = {name: looking.told(name) for name in ("missed", "skipped", "failed", "unmarked", "unlabelled", "mirror")}
    assert {
        "missed": [("Pod", "SidecarMissing")],
        "skipped": [("Pod", "InjectionSkipped")],
        "failed": [("Pod", "InjectionFailed")],
        "unmarked": [("Pod", "InjectionSkipped")],
        "unlabelled": [],
        "mirror": [],
    } == told


async def test_all_namespaces_are_looked_at_unless_some_are_named(place: Plant, real_api: Kube) -> None:
    """By their label, and whoever asks elsewhere; the release's own is left out."""
    looking = Looking.at(place, real_api, watch_namespaces=())
    place.cluster.kubectl("label", "namespace", place.namespace, f"{names.INJECT_NAMESPACE_LABEL}=enabled")
    place.apply(pod("missed", labels={"app": "shop"}))
    await looking.rounds.once()
    own = Looking.at(place, real_api, watch_namespaces=(), namespace=place.namespace)
    await own.rounds.once()
    gone = Looking.at(place, real_api, watch_namespaces=("there-is-none",))
    await gone.rounds.once()

    assert (1, -1, -1) == (looking.tally("missed"), own.tally("missed"), gone.tally("missed"))


async def test_injected_pods_that_do_not_connect_are_counted(place: Plant, real_api: Kube) -> None:
    """A connected one and one that waits for a node are not; a damaged one is counted apart, and its owner told."""
    looking = Looking.at(place, real_api)
    place.apply(
        pod("connected", labels=INJECTED, initContainers=[NATIVE]),
        pod("silent", labels=INJECTED, initContainers=[NATIVE]),
        pod("waiting", labels=INJECTED, initContainers=[NATIVE], **NOWHERE),
        pod("dropped", labels=INJECTED, initContainers=[{**NATIVE, "restartPolicy": None}], **NOWHERE),
        pod("taken-out", labels=INJECTED),
    )
    place.kubectl("wait", "pod/connected", "pod/silent", "--for=condition=Ready", "--timeout=60s")
    looking.connected.add(place.read("pod", "connected")["metadata"]["uid"])
    await looking.rounds.once()
    early = looking.tally("unconnected"), looking.tally("damaged")
    looking.clock.now += PATIENCE_S + 5
    await looking.rounds.once()
    late = looking.tally("unconnected"), looking.tally("damaged")
    looking.connected.add(place.read("pod", "silent")["metadata"]["uid"])
    await looking.rounds.once()

    assert ((-1, -1), (1, 2)) == (early, late)
    assert (0, 2) == (looking.tally("unconnected"), looking.tally("damaged"))
    assert [("Pod", "SidecarDamaged")] == looking.told("dropped") == looking.told("taken-out")
    assert [] == looking.told("silent")


@pytest.mark.parametrize("error", [None, OSError])
async def test_while_a_replica_is_silent_the_unconnected_stay_as_they_were(
    place: Plant, real_api: Kube, error: type[Exception] | None
) -> None:
    """Whether it does not answer or cannot be asked; the missed are counted all the same."""
    looking = Looking.at(place, real_api)
    place.apply(pod("silent", labels=INJECTED, initContainers=[NATIVE]), pod("missed", ENABLED))
    place.kubectl("wait", "pod/silent", "--for=condition=Ready", "--timeout=60s")
    await looking.rounds.once()
    looking.clock.now += PATIENCE_S + 5
    await looking.rounds.once()

    async def unknown() -> None:
        if error:
            raise error

    looking.rounds._connected = unknown
    place.apply(pod("missed-too", ENABLED))
    await looking.rounds.once()

    assert (1, 2) == (looking.tally("unconnected"), looking.tally("missed"))


async def test_a_pod_of_a_job_is_told_to_its_cronjob(place: Plant, real_api: Kube) -> None:
    """A person knows that one; a Job without one, a StatefulSet and a ReplicaSet that is gone are told themselves."""
    template = {"spec": {"containers": [APP], "restartPolicy": "Never", "nodeSelector": {"there-is": "none"}}}
    timed = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": template}}}
    place.apply({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly"}, "spec": timed})
    place.kubectl("create", "job", "tonight", "--from=cronjob/nightly")
    place.kubectl("create", "job", "alone", "--image=app")
    owners = Owners(real_api)

    async def told(kind: str, name: str, api_version: str) -> tuple[str, str]:
        uid = place.read(kind, name).get("metadata", {}).get("uid", name)
        owner = await owners.of(Seen(place.namespace, "pod", "u", Reference(api_version, kind, name, uid)))
        return owner.kind, owner.name

    assert ("CronJob", "nightly") == await told("Job", "tonight", "batch/v1")
    assert ("Job", "alone") == await told("Job", "alone", "batch/v1")
    assert ("StatefulSet", "s") == await told("StatefulSet", "s", "apps/v1")
    assert ("ReplicaSet", "gone") == await told("ReplicaSet", "gone", "apps/v1")


async def test_missed_pods_are_evicted_as_their_budget_allows(place: Plant, real_api: Kube) -> None:
    """None while it allows none, then one as a trial; what comes back without a sidecar stops it for a while."""
    looking = Looking.at(place, real_api, evict_missed=True)
    budget = {"minAvailable": 2, "selector": {"matchLabels": {"app": "held"}}}
    place.apply(
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "held"}, "spec": budget},
        deployment("held", 2),
        pod("bare", ENABLED),
    )
    before = {each["metadata"]["uid"] for each in looking.running("held", 2)}
    until("the budget", lambda: place.read("pdb", "held").get("status", {}).get("currentHealthy") == 2)
    await looking.rounds.once()
    blocked = {each["metadata"]["uid"] for each in looking.running("held", 2)}
    place.kubectl("delete", "pdb", "held")
    await looking.rounds.once()
    evicted = uids(until("another", lambda: exactly(1, new(looking, before))))
    await looking.rounds.once()
    looking.clock.now += FIRST_PAUSE_S - 1
    await looking.rounds.once()
    left_alone = uids(looking.running("held", 2))
    looking.clock.now += 2
    await looking.rounds.once()
    until("yet another", lambda: len(new(looking, left_alone)) == 1)

    assert blocked == before
    assert evicted < left_alone
    results = {result: looking.count("parley_operator_evictions_total", result=result) for result in RESULTS}
    assert {"blocked": 1, "evicted": 2, "failed": 0} == results
    reasons = [reason for _, reason in looking.told("held")]
    assert ["SidecarMissing", "EvictionBlocked", "PodEvicted", "EvictionDidNotHelp", "PodEvicted"] == reasons
    assert [("Pod", "SidecarMissing")] == looking.told("bare")


RESULTS = ("blocked", "evicted", "failed")


async def test_an_eviction_is_of_this_pod_and_no_namesake(place: Plant, real_api: Kube) -> None:
    """One that has gone, or is there anew, is neither evicted nor a fault."""
    looking = Looking.at(place, real_api, evict_missed=True)
    place.apply(pod("namesake", ENABLED))
    controller = Reference("apps/v1", "StatefulSet", "s", "s", controller=True)
    other = Reference("apps/v1", "StatefulSet", "t", "t", controller=True)
    missed = [Seen(place.namespace, "namesake", "old", controller), Seen(place.namespace, "gone", "g", other)]
    await looking.rounds._evictions.once(missed)

    assert 0.0 == sum(looking.count("parley_operator_evictions_total", result=result) for result in RESULTS)
    assert "deletionTimestamp" not in place.read("pod", "namesake")["metadata"]


async def test_outdated_deployments_are_restarted_one_after_the_other(place: Plant, real_api: Kube) -> None:
    """After five minutes, the next when the last is at rest and not while a quota holds it up, each once."""
    looking = Looking.at(place, real_api, restart_outdated=True)
    outdated = {names.REVISION_ANNOTATION: "old"}
    place.apply(*(deployment(name, 2, INJECTED, **outdated) for name in ("a", "b")))
    for name in ("a", "b"):
        looking.running(name, 2)
        place.kubectl("rollout", "status", f"deployment/{name}", "--timeout=60s")
    await looking.rounds.once()
    early = restarted(place)
    full = {"hard": {"pods": "4"}}
    place.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full"}, "spec": full})
    until("the quota", lambda: place.read("quota", "full").get("status", {}).get("used", {}).get("pods") == "4")
    looking.clock.now += SETTLE_S
    for _ in range(2):
        await looking.rounds.once()
    (first,) = restarted(place)
    place.kubectl("delete", "quota", "full")
    renew(looking, first)
    await looking.rounds.once()
    (second,) = set(restarted(place)) - {first}
    renew(looking, second)
    await looking.rounds.once()

    assert [] == early
    assert {"a", "b"} == {first, second}
    assert 2 == looking.count("parley_operator_restarts_total", result="restarted")
    assert [("Deployment", "SidecarsRestarted")] == looking.told(first) == looking.told(second)
    assert 0 == looking.tally("outdated")


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
async def test_other_kinds_are_restarted_too(place: Plant, real_api: Kube, kind: str) -> None:
    """As soon as they are at rest, which their statuses say in words of their own; the new pods come."""
    looking = Looking.at(place, real_api, restart_outdated=True)
    made = deployment("old", 1, INJECTED, **{names.REVISION_ANNOTATION: "old"})
    spec = {key: value for key, value in made["spec"].items() if key != "replicas"}
    place.apply({**made, "kind": kind, "spec": spec})
    until("it is at rest", lambda: (found := place.read(kind, "old")).get("status") and is_at_rest(found))
    before = looking.running("old", 1)
    await looking.rounds.once()
    looking.clock.now += SETTLE_S
    await looking.rounds.once()
    until("another", lambda: exactly(1, new(looking, uids(before), "old")))

    assert [(kind, "SidecarsRestarted")] == looking.told("old")


async def test_a_restart_that_does_not_help_is_the_last(place: Plant, real_api: Kube) -> None:
    """Its pods are as outdated as before: the injector is of the old version, and others would fare no better."""
    looking = Looking.at(place, real_api, restart_outdated=True)
    outdated = {names.REVISION_ANNOTATION: "old"}
    place.apply(*(deployment(name, 1, INJECTED, **outdated) for name in ("a", "b")))
    for name in ("a", "b"):
        place.kubectl("rollout", "status", f"deployment/{name}", "--timeout=60s")
    await looking.rounds.once()
    looking.clock.now += SETTLE_S
    await looking.rounds.once()
    (first,) = restarted(place)
    place.kubectl("rollout", "status", f"deployment/{first}", "--timeout=60s")
    for _ in range(2):
        await looking.rounds.once()

    assert [first] == restarted(place)
    assert 2 == looking.tally("outdated")
    assert [("Deployment", "SidecarsRestarted"), ("Deployment", "RestartDidNotHelp")] == looking.told(first)


def test_an_operator_of_the_chart_looks_as_soon_as_it_leads(plant: Plant, place: Plant, real_api: Kube) -> None:
    """With the chart's rights and no more: the number is in its metrics, and the Deployment is told."""
    place.apply(deployment("missed"))
    looking = Looking.at(place, real_api)
    looking.running("missed", 1)
    number = f'parley_operator_missed_pods{{namespace="{place.namespace}"}} 1.0'
    with plant.operators() as (running,):
        until("the missed pod's number", lambda: number in running.get("/metrics")[1])
        until("its Event", lambda: looking.told("missed"))

    assert [("Deployment", "SidecarMissing")] == looking.told("missed")


async def test_pods_are_listed_page_by_page_without_their_specs(place: Plant, real_api: Kube) -> None:
    """Metadata alone, all of it, and the field selector leaves out those that have ended."""
    place.apply(*(pod(f"listed-{number}", **NOWHERE) for number in range(5)))
    place.kubectl("patch", "pod", "listed-4", "--subresource=status", "-p", '{"status": {"phase": "Succeeded"}}')
    query = {"limit": "2", "fieldSelector": UNFINISHED}
    pages = [page async for page in real_api.pages(kube.pods(place.namespace), query)]

    assert [2, 2] == [len(read_page(page)) for page in pages][:2]
    assert [f"listed-{number}" for number in range(4)] == [each.name for page in pages for each in read_page(page)]
    assert not any(b'"spec"' in page for page in pages)


async def test_whoever_does_not_lead_any_more_shows_nothing(place: Plant, real_api: Kube) -> None:
    """The next leader shows the numbers; twice would be double."""
    looking = Looking.at(place, real_api)
    place.apply(pod("missed", ENABLED))
    running = asyncio.create_task(looking.rounds.run())
    await eventually("the first round", lambda: looking.tally("missed") == 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert {} == looking.rounds.tallies.read("missed")


def restarted(place: Plant) -> list[str]:
    """Return the Deployments whose template says that they were restarted for the present revision."""
    found = json.loads(place.kubectl("get", "deployments", "-o", "json"))["items"]
    stamps = {each["metadata"]["name"]: annotations(each).get(names.RESTARTED_ANNOTATION, "") for each in found}
    return [name for name, stamp in stamps.items() if stamp.endswith(" for new")]


def annotations(document: dict[str, Any]) -> dict[str, str]:
    """Return what is written on the template."""
    return dict(document["spec"]["template"]["metadata"].get("annotations") or {})


def renew(looking: Looking, name: str) -> None:
    """Have a Deployment's pods stamped as the injector would stamp them now, and wait until they are there."""
    template = {"metadata": {"annotations": {names.REVISION_ANNOTATION: "new"}}}
    looking.place.kubectl("patch", "deployment", name, "-p", json.dumps({"spec": {"template": template}}))
    looking.place.kubectl("rollout", "status", f"deployment/{name}", "--timeout=60s")
    until("the old ones are gone", lambda: len(looking.pods(app=name, ready=False)) == 2)
