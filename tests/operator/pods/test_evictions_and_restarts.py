"""When a missed pod may be evicted and an outdated owner restarted: the rules, and what test_rounds leaves out."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import jsonpatch
import pytest

from parley_crds import names
from parley_operator import kube
from parley_operator.errors import ApiUnavailable
from parley_operator.events import Events
from parley_operator.kube import Kube
from parley_operator.metrics import Metrics
from parley_operator.pods.evictions import (
    ASKED_A_ROUND,
    FIRST_PAUSE_S,
    MOST_A_ROUND,
    MOST_PAUSE_S,
    Evictions,
    Tried,
    after_eviction,
    judged,
    pause_s,
    quota,
)
from parley_operator.pods.missed import Scope
from parley_operator.pods.owners import Hands, Owners
from parley_operator.pods.restarts import (
    LOOKS_A_ROUND,
    SETTLE_S,
    Restarts,
    is_at_rest,
    may_restart,
    restart_patch,
    stamp,
)
from parley_operator.pods.seen import Reference, Seen
from parley_operator.pods.survey import Survey, restart_stamp
from tests.operator.serving import Clock, limit_s
from tests.operator.small_api import SmallApi

AB = frozenset("ab")


@pytest.mark.parametrize(("expected", "in_vain"), [(120.0, 1), (240.0, 2), (1920.0, 5), (3600.0, 6), (3600.0, 99)])
def test_an_owner_is_left_alone_for_longer_each_time(expected: float, in_vain: int) -> None:
    """From two minutes to an hour."""
    assert expected == pause_s(in_vain)
    assert FIRST_PAUSE_S <= expected <= MOST_PAUSE_S


def test_a_missed_pod_that_was_not_there_before_shows_that_an_eviction_did_not_help() -> None:
    """Each such eviction counts once, and the pause begins when it shows."""
    tried = after_eviction(None, AB, 100.0)
    in_vain = judged(tried, frozenset("bc"), 130.0)
    same = judged(in_vain, frozenset("bc"), 160.0)
    again = judged(after_eviction(same, frozenset("bc"), 250.0), frozenset("d"), 280.0)

    assert (1, 250.0) == (in_vain.in_vain, in_vain.until)
    assert in_vain is same
    assert (2, 280.0 + 240.0) == (again.in_vain, again.until)


def test_an_eviction_helped_when_nothing_new_is_missed_for_two_minutes() -> None:
    """A StatefulSet's pod comes back only when the old one has gone: until then nothing is known."""
    failed = after_eviction(Tried(AB, 0.0, in_vain=3, is_open=False), AB, 1000.0)
    soon = judged(failed, frozenset("b"), 1000.0 + FIRST_PAUSE_S - 1)
    later = judged(failed, frozenset("b"), 1000.0 + FIRST_PAUSE_S)

    assert (3, 1000.0 + FIRST_PAUSE_S) == (soon.in_vain, soon.until)
    assert (0, 0.0) == (later.in_vain, later.until)


@pytest.mark.parametrize(
    ("expected", "tried"), [(1, None), (MOST_A_ROUND, Tried(AB, 0.0)), (1, Tried(AB, 0.0, in_vain=1))]
)
def test_more_than_one_pod_goes_only_where_it_is_known_to_help(expected: int, tried: Tried | None) -> None:
    """The first of an owner is a trial."""
    assert expected == quota(tried)


def owner(status: dict[str, Any], generation: int = 2, **spec: Any) -> dict[str, Any]:
    """Return a Deployment, or something like it."""
    metadata = {"generation": generation, "resourceVersion": "7", "uid": "u"}
    return {"metadata": metadata, "spec": {"replicas": 3, "template": {}, **spec}, "status": status}


DEPLOYED = {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}
ON_NODES = {
    "observedGeneration": 2,
    "desiredNumberScheduled": 3,
    "currentNumberScheduled": 3,
    "updatedNumberScheduled": 3,
    "numberAvailable": 3,
}


@pytest.mark.parametrize(
    ("expected", "document"),
    [
        (True, owner(DEPLOYED)),
        (True, owner(ON_NODES)),
        (False, owner(DEPLOYED, generation=3)),
        (False, owner(DEPLOYED, paused=True)),
        (False, owner(DEPLOYED | {"updatedReplicas": 1})),
        (False, owner(DEPLOYED | {"availableReplicas": 2})),
        (False, owner(DEPLOYED | {"replicas": 4})),
        (False, owner(DEPLOYED, replicas=5)),
        (False, owner(ON_NODES | {"updatedNumberScheduled": 2})),
        (False, owner(ON_NODES | {"numberAvailable": 2})),
        (False, owner(ON_NODES | {"desiredNumberScheduled": 4})),
        (False, owner({})),
    ],
)
def test_an_owner_is_at_rest_when_all_its_pods_are_new_and_well(expected: bool, document: dict[str, Any]) -> None:  # noqa: FBT001
    """As `kubectl rollout status` judges."""
    assert expected == is_at_rest(document)


def stamped(text: str) -> dict[str, Any]:
    """Return a template with what a restart wrote on it."""
    return {"metadata": {"annotations": {names.RESTARTED_ANNOTATION: text}}}


@pytest.mark.parametrize(
    ("expected", "document"),
    [
        (True, owner(DEPLOYED)),
        (True, owner(DEPLOYED, template=stamped(restart_stamp("old", "then")))),
        (False, owner(DEPLOYED, template=stamped(restart_stamp("new", "then")))),
        (False, owner(DEPLOYED, updateStrategy={"type": "OnDelete"})),
        (True, owner(DEPLOYED, updateStrategy={"type": "RollingUpdate"})),
        (False, owner({})),
    ],
)
def test_an_owner_is_restarted_once_for_a_revision(expected: bool, document: dict[str, Any]) -> None:  # noqa: FBT001
    """And not where a changed template changes no pod."""
    assert expected == may_restart(document, "new")


@pytest.mark.parametrize("template", [{}, {"metadata": {}}, {"metadata": {"annotations": {"kept": "yes"}}}])
def test_a_restart_writes_one_annotation_and_keeps_the_others(template: dict[str, Any]) -> None:
    """Whatever the template has of metadata; the patch is refused if somebody wrote meanwhile."""
    document = owner(DEPLOYED, template=template)
    document["spec"]["template"].setdefault("metadata", {})  # the API server always has it
    patched = jsonpatch.apply_patch(document, restart_patch(document, "new", datetime(2026, 11, 28, 9, tzinfo=UTC)))
    document["metadata"]["resourceVersion"] = "8"

    assert "2026-11-28T09:00:00Z for new" == stamp(patched)
    kept = patched["spec"]["template"]["metadata"]["annotations"]
    assert template.get("metadata", {}).get("annotations", {}).items() <= kept.items()
    with pytest.raises(jsonpatch.JsonPatchTestFailed):
        jsonpatch.apply_patch(document, restart_patch(owner(DEPLOYED), "new", datetime.now(UTC)))


def hands(api: Kube, time_left_s: float = limit_s()) -> Hands:
    """Return what evictions and restarts are made with."""
    metrics = Metrics()
    return Hands(api, Owners(api), Events(api, "tested", metrics), metrics, lambda: time_left_s)


def owned(kind: str, name: str, api_version: str = "apps/v1") -> Seen:
    """Return a pod of an owner."""
    return Seen(
        "shop", f"{name}-0", f"pod-of-{name}", Reference(api_version, kind, name, f"uid-of-{name}", controller=True)
    )


def outdated(*pods: Seen) -> Survey:
    """Return what is found where these pods are outdated."""
    return Survey(
        Scope(frozenset(), "parley-system"), "new", None, outdated_owners={pod.owner_uid: pod for pod in pods}
    )


async def settled(restarts: Restarts, clock: Clock, survey: Survey) -> None:
    """Have the outdated pods been there for long enough."""
    await restarts.once(survey)
    clock.now += SETTLE_S
    await restarts.once(survey)


async def test_without_time_left_of_the_lease_nothing_is_begun(small: SmallApi, api: Kube) -> None:
    """Another replica may write by then: no call goes out, and it counts as failed."""
    small.put(kube.owner("shop", "apps/v1", "statefulsets", "s"), **owner(DEPLOYED) | {"metadata": {"generation": 2}})
    late, clock = hands(api, 0.0), Clock()
    with pytest.raises(ApiUnavailable):
        await Evictions(late).once([owned("StatefulSet", "s")])
    with pytest.raises(ApiUnavailable):
        await settled(Restarts(late, "new", clock), clock, outdated(owned("StatefulSet", "s")))

    assert {"GET"} == {call.split()[0] for call in small.calls}
    for name in ("evictions", "restarts"):
        failed = late.metrics.registry.get_sample_value(f"parley_operator_{name}_total", {"result": "failed"})
        assert 1 == failed


async def test_only_what_can_be_restarted_is_read(small: SmallApi, api: Kube) -> None:
    """Not a Job, nor another group's Deployment; one that is gone, or a namesake, is passed over."""
    namesake = {**owner(DEPLOYED), "metadata": {"generation": 2, "uid": "another"}}
    small.put(kube.owner("shop", "apps/v1", "daemonsets", "namesake"), **namesake)
    clock = Clock()
    others = (owned("Rollout", "r", "argoproj.io/v1"), owned("Deployment", "d", "other/v1"), owned("Machine", "m"))
    await settled(
        Restarts(hands(api), "new", clock),
        clock,
        outdated(*others, owned("StatefulSet", "gone"), owned("DaemonSet", "namesake")),
    )

    assert {
        f"GET {kube.owner('shop', 'apps/v1', 'statefulsets', 'gone')}",
        f"GET {kube.owner('shop', 'apps/v1', 'daemonsets', 'namesake')}",
    } == set(small.calls)


async def test_owners_that_may_not_be_restarted_now_do_not_hold_up_others(small: SmallApi, api: Kube) -> None:
    """Ten are looked at in a round, and the others in the next."""
    many = [f"s{number}" for number in range(LOOKS_A_ROUND + 2)]
    for name in many:
        path = kube.owner("shop", "apps/v1", "statefulsets", name)
        small.put(path, **owner(DEPLOYED, paused=True) | {"metadata": {"generation": 2}})
    clock = Clock()
    restarts = Restarts(hands(api), "new", clock)
    survey = outdated(*(owned("StatefulSet", name) for name in many))
    await settled(restarts, clock, survey)
    first = len(small.calls)
    clock.now += 30
    await restarts.once(survey)

    assert LOOKS_A_ROUND == first
    assert len(many) == len(set(small.calls))


async def test_an_owner_that_went_while_it_was_restarted_is_not_waited_for(small: SmallApi, api: Kube) -> None:
    """Nobody would ever say that it is at rest."""
    restarts = Restarts(hands(api), "new", Clock())
    restarts._current = await Owners(api).of(owned("StatefulSet", "gone"))

    assert not await restarts._is_held({})
    assert 1 == len(small.calls)


def asked(small: SmallApi) -> list[str]:
    """Return the pods whose eviction was asked for, and forget all of it: each is evicted once by a real server."""
    found = [call.split("/")[-2] for call in small.calls if call.endswith("/eviction")]
    small.calls.clear()
    small.objects.clear()
    return found


async def test_five_pods_go_in_a_round_and_one_where_it_did_not_help(small: SmallApi, api: Kube) -> None:
    """One of each owner first; while what comes instead of one owner's is missed too, the others must wait."""
    clock = Clock()
    evictions = Evictions(hands(api), clock)
    many = [owned("StatefulSet", f"s{number}") for number in range(MOST_A_ROUND + 2)]
    again = replace(many[0], uid="made-since")
    clock.now = 1.0
    await evictions.once([*many, replace(many[0], uid="second")])
    first = asked(small)
    await evictions.once([again, *many[1:]])
    second = asked(small)
    clock.now += FIRST_PAUSE_S
    await evictions.once(many[1:])

    assert [seen.name for seen in many[:MOST_A_ROUND]] == first
    assert [many[MOST_A_ROUND].name] == second
    assert MOST_A_ROUND == len(asked(small))


async def test_where_it_helps_more_pods_of_an_owner_go_at_once(small: SmallApi, api: Kube) -> None:
    """The second round takes what the first, of one pod, has left of five."""
    evictions = Evictions(hands(api), Clock())
    pods = [replace(owned("ReplicaSet", "r"), name=f"r-{number}", uid=f"u{number}") for number in range(8)]
    await evictions.once(pods)
    first = asked(small)
    await evictions.once(pods[1:])

    assert ["r-0"] == first
    assert [f"r-{number}" for number in range(1, 1 + MOST_A_ROUND)] == asked(small)


async def test_budgets_that_allow_nothing_do_not_hold_up_others(small: SmallApi, api: Kube) -> None:
    """Twenty are asked in a round; in the next those come first that were not asked yet."""
    clock = Clock()
    evictions = Evictions(hands(api), clock)
    many = [owned("StatefulSet", f"s{number:02}") for number in range(ASKED_A_ROUND + 3)]
    small.refused |= {kube.eviction("shop", seen.name): 429 for seen in many}
    clock.now = 1.0
    await evictions.once(many)
    first = asked(small)
    clock.now = 31.0
    await evictions.once(many)

    assert [seen.name for seen in many[:ASKED_A_ROUND]] == first
    assert [seen.name for seen in many[ASKED_A_ROUND:]] == asked(small)[:3]


@pytest.mark.parametrize("kind", ["Job", "Workflow", "Node"])
async def test_a_pod_whose_owner_may_not_make_another_is_left(small: SmallApi, api: Kube, kind: str) -> None:
    """Its work would begin from nothing, or nobody knows."""
    await Evictions(hands(api)).once([owned(kind, "x"), Seen("shop", "bare", "b", None)])

    assert [] == small.calls
