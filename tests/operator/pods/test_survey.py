"""One round's findings in the metadata of pods, and what is remembered of unconnected ones: no cluster."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from parley_crds import names
from parley_operator.injector.eligibility import SENTENCES, SkipReason
from parley_operator.pods.missed import Damage, Scope
from parley_operator.pods.seen import Metadata, Seen
from parley_operator.pods.survey import Survey, is_restarted_for, restart_stamp
from parley_operator.pods.tallies import Tallies
from parley_operator.pods.unconnected import PATIENCE_S, Unconnected, running_since
from tests.operator.serving import Clock

SEEN = Seen("shop", "pod", "u", None)
WHOLE: dict[str, Any] = {"spec": {"initContainers": [{"name": "parley", "restartPolicy": "Always"}]}}
INITIALIZED = {"type": "Initialized", "status": "True", "lastTransitionTime": "1970-01-01T00:00:00Z"}
RUNNING = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}, INITIALIZED]}


def surveyed(*pods: Metadata, revision: str = "new", connected: frozenset[str] | None = frozenset()) -> Survey:
    """Return what is found in some pods."""
    survey = Survey(Scope(frozenset({"opted"}), "parley-system"), revision, connected)
    for pod in pods:
        survey.add(pod)
    return survey


def injected(uid: str = "u", revision: str = "old", owner: str = "o", **annotations: str) -> Metadata:
    """Return a pod that the injector had in its hands."""
    written = {f"{names.GROUP}/{key.replace('_', '-')}": value for key, value in annotations.items()}
    stamped = {names.REVISION_ANNOTATION: revision} if revision else {}
    document = {
        "name": uid,
        "namespace": "shop",
        "uid": uid,
        "labels": {names.INJECTED_LABEL: "true"},
        "annotations": stamped | written,
        "ownerReferences": [
            {"apiVersion": "v1", "kind": "Other", "name": "other", "uid": "other"},
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": owner, "controller": True},
        ],
    }
    return msgspec.convert(document, Metadata)


def test_marks_are_counted_by_reason_and_told_once_an_owner() -> None:
    """Two pods of the same name's namespace without an owner are told each; the words are the injector's."""
    marks = {names.INJECTION_ANNOTATION: f"skipped:{SkipReason.WINDOWS}"}
    pods = [Metadata("opted", name, name, annotations=marks) for name in ("a", "b")]
    survey = surveyed(*pods)

    assert {("opted", "windows"): 2} == survey.marked
    told = f"Parley adds no sidecar: {SENTENCES[SkipReason.WINDOWS]}"
    assert [("a", (told,)), ("b", (told,))] == [(uid, sentences) for uid, _, sentences in survey.marks]


def test_pods_that_are_as_they_should_be_leave_nothing() -> None:
    """Connected and up to date, or no concern of ours: nothing is kept of ten thousand of them."""
    survey = surveyed(injected("a", "new"), injected("b", ""), Metadata("shop", "c", "c"), connected=frozenset("ab"))

    assert ([], [], {}, {}, {}) == (
        survey.suspects, survey.unconnected, survey.marks, survey.outdated, survey.outdated_owners,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("expected", "pod", "revision"),
    [
        ((1, {"o"}, set()), injected(), "new"),
        ((0, set(), set()), injected(), "old"),
        ((0, set(), set()), injected(), ""),
        ((0, set(), set()), injected(revision=""), "new"),
        ((1, set(), {"o"}), injected(restarted_at=restart_stamp("new", "today")), "new"),
        ((1, {"o"}, set()), injected(restarted_at=restart_stamp("older", "today")), "new"),
        ((1, set(), set()), msgspec.structs.replace(injected(), owner_references=()), "new"),
        ((0, set(), set()), msgspec.structs.replace(injected(), deletion_timestamp="now"), "new"),
    ],
)
def test_outdated_is_what_was_made_for_another_revision(
    expected: tuple[int, set[str], set[str]], pod: Metadata, revision: str
) -> None:
    """Where both are known; a pod made by a restart for the present one shows that this restart did not help."""
    survey = surveyed(pod, revision=revision)

    assert expected == (
        survey.outdated[("shop",)], set(survey.outdated_owners), set(survey.restarted_in_vain),
    )  # fmt: skip


def test_nobody_is_blamed_while_a_replica_is_silent() -> None:
    """Its sidecars would look as if they were not connected."""
    assert [] == surveyed(injected(), connected=None).unconnected
    assert ["u"] == [seen.uid for seen in surveyed(injected()).unconnected]


@pytest.mark.parametrize(
    ("expected", "status"),
    [
        (0.0, RUNNING),
        (None, {**RUNNING, "phase": "Pending"}),
        (None, {"phase": "Running", "conditions": [{**INITIALIZED, "status": "False"}]}),
        (None, {"phase": "Running"}),
        (None, {}),
    ],
)
def test_a_pod_runs_since_its_init_containers_are_through(expected: float | None, status: dict[str, Any]) -> None:
    """A native sidecar has started then."""
    assert expected == running_since({"status": status})


def test_a_pod_has_two_minutes_to_connect_from_when_it_runs() -> None:
    """Before that it is not even looked at; one that only began to run gets as long again."""
    clock = Clock()
    unconnected = Unconnected(clock)
    unconnected.keep([SEEN])
    early = list(unconnected.due([SEEN]))
    clock.now = PATIENCE_S
    begun = datetime.fromtimestamp(1, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    younger = {"phase": "Running", "conditions": [{**INITIALIZED, "lastTransitionTime": begun}]}
    unconnected.note(SEEN, {**WHOLE, "status": younger})
    waiting = (list(unconnected.due([SEEN])), list(unconnected.running([SEEN])))
    clock.now = 2 * PATIENCE_S
    again = list(unconnected.due([SEEN]))
    unconnected.note(SEEN, {**WHOLE, "status": younger})

    assert ([], ([], []), [SEEN]) == (early, waiting, again)
    assert ([SEEN], []) == (list(unconnected.running([SEEN])), list(unconnected.due([SEEN])))


def test_a_damaged_sidecar_is_counted_apart_though_its_pod_never_runs() -> None:
    """An init container that must end keeps the pod from running for ever; once connected, all is forgotten."""
    clock = Clock()
    unconnected = Unconnected(clock)
    unconnected.keep([SEEN])
    unconnected.note(SEEN, {"spec": {"initContainers": [{"name": "parley"}]}, "status": {"phase": "Pending"}})
    damaged, running = list(unconnected.damaged([SEEN])), list(unconnected.running([SEEN]))
    unconnected.keep([])

    assert ([(SEEN, Damage.NEVER_ENDS)], []) == (damaged, running)
    assert [] == list(unconnected.damaged([SEEN]))


def test_a_stamp_says_for_which_revision() -> None:
    """And one that begins alike is another."""
    stamp = restart_stamp("abc", "2026-11-28T09:00:00Z")

    assert (True, False, False) == tuple(is_restarted_for(each, stamp) for each in ("abc", "bc", "abcd"))
    assert not is_restarted_for("abc", "")


def test_a_metric_falls_to_zero_and_not_away() -> None:
    """An alert must see that it is over; whoever does not lead any more shows nothing."""
    tallies = Tallies()
    tallies.show("missed", {("shop",): 2})
    tallies.show("missed", {("other",): 1})
    shown = tallies.read("missed")
    tallies.clear()

    assert {("shop",): 0, ("other",): 1} == shown
    assert {} == tallies.read("missed")
