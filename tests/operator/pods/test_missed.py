"""What tells a missed pod from all others, judged from JSON; and rounds against a server that can be told to fail."""

from typing import Any

import msgspec
import pytest

from parley_crds import names
from parley_operator import kube
from parley_operator.errors import ApiUnavailable, Forbidden
from parley_operator.events import Events
from parley_operator.injector.eligibility import SkipReason
from parley_operator.kube import Kube
from parley_operator.metrics import Metrics
from parley_operator.pods.missed import Damage, Scope, asks, damage, mark, why_without
from parley_operator.pods.owners import Hands, Owners
from parley_operator.pods.rounds import PodRounds
from parley_operator.pods.seen import Metadata, Seen, read_page
from parley_operator.pods.suspects import Suspects
from parley_operator.settings import Settings
from tests.operator.serving import limit_s
from tests.operator.small_api import SmallApi

SCOPE = Scope(frozenset({"opted"}), "parley-system")
ENABLED = {names.ENABLED_ANNOTATION: "true"}
DISABLED = {names.ENABLED_ANNOTATION: "false"}
APP = {"name": "app", "image": "app"}
SPEC = {"spec": {"containers": [APP]}}
NATIVE = {"name": "parley", "restartPolicy": "Always"}


def metadata(annotations: dict[str, str] | None = None, namespace: str = "shop", **fields: Any) -> dict[str, Any]:
    """Return a pod's metadata."""
    whole = {"name": "pod", "namespace": namespace, "uid": "u", "labels": {"app": "shop"}, **fields}
    return whole | {"annotations": annotations or {}}


def pod(annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """Return a whole pod that asks for a sidecar."""
    return {"metadata": metadata(ENABLED | (annotations or {})), "spec": {"containers": [APP], **spec}}


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        (True, metadata(ENABLED)),
        (True, metadata(namespace="opted")),
        (True, metadata({names.ENABLED_ANNOTATION: "yes please"})),
        (False, metadata()),
        (False, metadata(DISABLED)),
        (False, metadata(DISABLED, "opted")),
        (False, metadata(ENABLED, "kube-system")),
        (False, metadata(ENABLED, "kube-node-lease")),
        (False, metadata(ENABLED, "parley-system")),
        (False, metadata(ENABLED, deletionTimestamp="2026-11-28T09:00:00Z")),
    ],
)
def test_who_asks_is_what_the_injector_reads(expected: bool, found: dict[str, Any]) -> None:  # noqa: FBT001
    """By annotation, a bad one too, or by namespace; false wins, and where no webhook is nobody can ask."""
    assert expected == (asks(msgspec.convert(found, Metadata), SCOPE) is not None)


@pytest.mark.parametrize(
    ("expected", "written"),
    [
        (SkipReason.HOST_NETWORK, "skipped:host_network"),
        (SkipReason.BAD_ANNOTATION, "failed:bad_annotation"),
        (None, "skipped:because"),
        (None, "host_network"),
        (None, ""),
    ],
)
def test_a_mark_is_one_of_the_injectors_reasons(expected: SkipReason | None, written: str) -> None:
    """Anybody may write annotations: other words would be labels of a metric without end."""
    assert expected == mark(msgspec.convert(metadata({names.INJECTION_ANNOTATION: written}), Metadata))


@pytest.mark.parametrize(
    ("expected", "whole"),
    [
        (None, pod()),
        (SkipReason.HOST_NETWORK, pod(hostNetwork=True)),
        (SkipReason.MIRROR_POD, pod({"kubernetes.io/config.mirror": "x"})),
        (SkipReason.ALREADY_INJECTED, pod({names.RESOLVED_APP_ID_ANNOTATION: "shop"}, initContainers=[NATIVE])),
        (
            SkipReason.ALREADY_INJECTED,
            pod({names.RESOLVED_APP_ID_ANNOTATION: "a"}, containers=[APP, {"name": "parley"}]),
        ),
        (SkipReason.NAME_CONFLICT, pod(containers=[APP, {"name": "parley"}])),
        (SkipReason.BAD_ANNOTATION, pod({f"{names.GROUP}/log-level": "loud"})),
    ],
)
def test_the_injectors_own_rules_say_whether_a_suspect_is_missed(
    expected: SkipReason | None, whole: dict[str, Any]
) -> None:
    """A pod that the injector would have given none is not missed; one whose label went has its sidecar."""
    options = asks(msgspec.convert(whole["metadata"], Metadata), SCOPE)
    assert options

    assert expected == why_without(whole, options)


@pytest.mark.parametrize(
    ("expected", "spec"),
    [
        (None, {"initContainers": [NATIVE]}),
        (None, {"containers": [APP, {"name": "parley"}]}),
        (Damage.NEVER_ENDS, {"initContainers": [{"name": "parley"}]}),
        (Damage.NEVER_ENDS, {"initContainers": [{"name": "parley", "restartPolicy": "OnFailure"}]}),
        (Damage.MISSING, {"initContainers": [{"name": "other", "restartPolicy": "Always"}]}),
        (Damage.MISSING, {}),
    ],
)
def test_a_sidecar_is_damaged_when_its_container_is_gone_or_would_have_to_end(
    expected: Damage | None, spec: dict[str, Any]
) -> None:
    """Both forms are whole as they were made; what another webhook did to them has a name."""
    assert expected == damage(pod(**spec))


def test_a_suspect_is_read_once() -> None:
    """What was seen of it stays until it is no suspect any more, or changed its mind before it was read."""
    suspects, seen = Suspects(), Seen("shop", "pod", "u", None)
    suspects.note(seen, {**pod(), "metadata": metadata(DISABLED)}, SCOPE)
    unread = list(suspects.due([seen]))
    suspects.note(seen, pod(), SCOPE)
    read = list(suspects.due([seen]))
    missed = list(suspects.missed([seen]))
    suspects.keep([])

    assert ([seen], [], [seen]) == (unread, read, missed)
    assert [seen] == list(suspects.due([seen]))


def test_an_unmarked_suspect_is_told_what_the_injector_would_have_said() -> None:
    """In its own words, which name the annotation and not its value; one that only lost its label is told nothing."""
    suspects, bad, whole = Suspects(), Seen("shop", "bad", "b", None), Seen("shop", "whole", "w", None)
    suspects.note(bad, pod({f"{names.GROUP}/log-level": "s3cret"}), SCOPE)
    suspects.note(whole, pod({names.RESOLVED_APP_ID_ANNOTATION: "shop"}, initContainers=[NATIVE]), SCOPE)

    ((seen, reason, (sentence,)),) = suspects.explained([bad, whole])
    assert (bad, SkipReason.BAD_ANNOTATION) == (seen, reason)
    assert f"{names.GROUP}/log-level" in sentence
    assert "s3cret" not in sentence
    assert [] == list(suspects.missed([bad, whole]))


def test_an_empty_page_has_null_items() -> None:
    """As the real API server writes it."""
    assert [] == read_page(b'{"kind": "PartialObjectMetadataList", "metadata": {}, "items": null}')


@pytest.mark.parametrize("page", [b'{"items": [{"metadata": 5}]}', b"<html>", b"\xff"])
def test_a_page_that_is_none_is_the_servers_fault(page: bytes) -> None:
    """A retry may help, and the error quotes nothing of it."""
    with pytest.raises(ApiUnavailable, match=r"^a page of pods: the answer is not one$"):
        read_page(page)


def rounds_of(api: Kube, *namespaces: str) -> PodRounds:
    """Return the rounds of a leader to which nobody is connected, over some namespaces or all."""

    async def nobody() -> frozenset[str]:
        return frozenset()

    metrics = Metrics()
    hands = Hands(api, Owners(api), Events(api, "tested", metrics), metrics, limit_s)
    return PodRounds(hands, Settings("parley-system", "tested", "parley", namespaces), nobody)


def listed(*pods: dict[str, Any]) -> dict[str, Any]:
    """Return a page of metadata."""
    return {"metadata": {}, "items": [{"metadata": each} for each in pods]}


async def test_a_pod_that_went_meanwhile_is_not_missed(small: SmallApi, api: Kube) -> None:
    """Nor is one by its namesake, which the next round looks at."""
    small.objects[kube.namespaces()] = listed()
    small.objects[kube.pods()] = listed(metadata(ENABLED, name="gone"), metadata(ENABLED, name="namesake", uid="old"))
    small.put(kube.pod("shop", "namesake"), spec={"containers": [APP]})
    rounds = rounds_of(api)
    await rounds.once()

    assert {} == rounds.tallies.read("missed")
    assert {f"GET {kube.pod('shop', name)}" for name in ("gone", "namesake")} < set(small.calls)


async def test_a_round_that_fails_leaves_the_numbers_as_they_were(small: SmallApi, api: Kube) -> None:
    """Neither a fault of the API server nor an Event that cannot be written hides a missed pod."""
    small.objects[kube.namespaces()] = listed()
    small.objects[kube.pods()] = listed(metadata(ENABLED, uid="uid-of-pod"))
    small.put(kube.pod("shop", "pod"), metadata={"annotations": ENABLED, "labels": {"app": "shop"}}, **SPEC)
    small.refused[kube.events("shop")] = 503
    rounds = rounds_of(api)
    await rounds.once()
    counted = dict(rounds.tallies.read("missed"))
    for small.garbage, small.status in ((True, 0), (False, 503)):
        with pytest.raises(ApiUnavailable):
            await rounds.once()

    assert {("shop",): 1} == counted == rounds.tallies.read("missed")


async def test_a_namespace_that_is_closed_keeps_nobody_from_the_others(small: SmallApi, api: Kube) -> None:
    """Where namespaces are named, one may be gone with its Role; where all are meant, the right itself is missing."""
    for path in (kube.namespaces("closed"), kube.pods("closed"), kube.pods()):
        small.refused[path] = 403
    small.objects[kube.namespaces("shop")] = {"metadata": {"labels": {names.INJECT_NAMESPACE_LABEL: "enabled"}}}
    small.objects[kube.namespaces()] = listed()
    small.objects[kube.pods("shop")] = listed(metadata(uid="uid-of-pod"))
    small.put(kube.pod("shop", "pod"), metadata={"labels": {"app": "shop"}}, **SPEC)
    rounds = rounds_of(api, "closed", "shop")
    await rounds.once()

    assert {("shop",): 1} == rounds.tallies.read("missed")
    with pytest.raises(Forbidden):
        await rounds_of(api).once()


@pytest.mark.parametrize("page", [{"items": [{}]}, {"metadata": {}, "items": 5}])
async def test_a_list_that_is_none_ends_the_round(small: SmallApi, api: Kube, page: dict[str, Any]) -> None:
    """It may be something between us and the API server that answers; the next round asks again."""
    small.objects[kube.namespaces()] = listed()
    small.objects[kube.pods()] = page
    with pytest.raises(ApiUnavailable):
        await rounds_of(api).once()
