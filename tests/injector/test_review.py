"""AdmissionReviews in and out."""

import base64
import json
from typing import Any

import jsonpatch
import msgspec
import pytest

from parley_operator.injector.eligibility import SkipReason
from parley_operator.injector.review import (
    MalformedReviewError,
    Result,
    Verdict,
    judge_request,
    read_review,
    write_review,
)
from parley_operator.injector.settings import Settings
from tests.injector.world import ENABLED, PLAIN, SETTINGS, container, injected, pod, review, verdict_on

BAD = {**ENABLED, "parley.dev/cpu-limit": "fast", "parley.dev/env": "nothing"}
OPENAI = {**ENABLED, "parley.dev/openai-env": "true"}
FAIL = msgspec.structs.replace(SETTINGS, failure_policy="Fail")


def encoded(document: Any) -> bytes:
    """Return a document as the API server posts it."""
    return json.dumps(document).encode()


def answered(document: dict[str, Any], settings: Settings = SETTINGS) -> dict[str, Any]:
    """Return the response to a new pod, as the API server reads it."""
    request = read_review(encoded(review(document)))
    _, verdict = judge_request(request, settings, by_namespace=False)
    answer = json.loads(write_review(request.uid, verdict))
    response = answer.pop("response")
    assert {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"} == answer
    return dict(response)


def test_a_pod_is_answered_with_a_patch() -> None:
    """The uid comes back, and the patch, taken out of its base64, makes the injected pod."""
    document = pod()

    response = answered(document)

    patch = json.loads(base64.b64decode(response.pop("patch")))
    assert {"uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "allowed": True, "patchType": "JSONPatch"} == response
    assert injected(document) == jsonpatch.apply_patch(document, patch)


def test_a_pod_that_is_left_alone_gets_no_patch() -> None:
    """Nor a warning: this is what its owner wants."""
    response = answered(pod({"parley.dev/enabled": "false"}))

    assert {"uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "allowed": True} == response


def test_a_mistake_admits_with_a_warning_and_a_mark_under_ignore() -> None:
    """One warning for each annotation."""
    response = answered(pod(BAD))

    (mark,) = json.loads(base64.b64decode(response["patch"]))
    assert response["allowed"]
    assert ["parley.dev/cpu-limit", "parley.dev/env"] == [text.split()[6] for text in response["warnings"]]
    assert ("/metadata/annotations/parley.dev~1injection", "failed:bad_annotation") == (mark["path"], mark["value"])


def test_a_mistake_denies_under_fail() -> None:
    """The status carries every sentence; there is no patch and no warning."""
    response = answered(pod(BAD), FAIL)

    status = response.pop("status")
    assert {"uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "allowed": False} == response
    assert (422, "Invalid") == (status["code"], status["reason"])
    assert 2 == status["message"].count("Parley adds no sidecar: the annotation parley.dev/")


@pytest.mark.parametrize("policy", ["Ignore", "Fail"])
def test_what_cannot_be_is_skipped_under_both_policies(policy: Any) -> None:
    """Only mistakes are denied."""
    settings = msgspec.structs.replace(SETTINGS, failure_policy=policy)

    verdict = verdict_on(pod(hostNetwork=True), settings)

    assert (Result.SKIPPED, SkipReason.HOST_NETWORK) == (verdict.result, verdict.reason)
    assert ["skipped:host_network"] == [operation.value for operation in verdict.patch]


def test_a_long_warning_is_cut() -> None:
    """As the API server would."""
    answer = json.loads(write_review("1", Verdict(Result.SKIPPED, None, (), ("x" * 300,))))

    assert ["x" * 256] == answer["response"]["warnings"]


def test_advice_comes_with_the_sidecar() -> None:
    """A misspelt annotation and a drain that the pod has no time for."""
    annotations = {**ENABLED, "parley.dev/memory": "1Gi", "parley.dev/drain-seconds": "31"}

    response = answered(pod(annotations))

    assert 2 == len(response["warnings"])
    assert () == verdict_on(pod(annotations, terminationGracePeriodSeconds=60)).warnings[1:]


@pytest.mark.parametrize(
    "fields",
    [
        {"operation": "UPDATE"},
        {"operation": "DELETE", "object": None},
        {"subResource": "ephemeralcontainers"},
        {"kind": {"group": "apps", "version": "v1", "kind": "Deployment"}, "object": {"spec": {"replicas": 1}}},
    ],
)
def test_what_is_not_a_new_pod_is_left_alone(fields: dict[str, Any]) -> None:
    """A configuration that sends too much does no harm."""
    request = read_review(encoded(review(pod(), **fields)))

    assert ("", Verdict(Result.SKIPPED, SkipReason.NOT_A_NEW_POD)) == judge_request(
        request, SETTINGS, by_namespace=True
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}',
        b'{"a":' * 50_000,
        encoded({**review(pod()), "apiVersion": "admission.k8s.io/v1beta1"}),
        encoded({**review(pod()), "kind": "Pod"}),
        encoded(review(pod(), uid=7)),
    ],
)
def test_what_is_no_review_is_said_so(body: bytes) -> None:
    """Other versions of it, too."""
    with pytest.raises(MalformedReviewError, match="not an AdmissionReview"):
        read_review(body)


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {"spec": {}},
        {"metadata": {}},
        pod(containers={"name": "app"}),
        pod(containers=[{"name": "app", "resources": {"limits": {"cpu": "lots"}}}]),
        {**pod(), "metadata": {"annotations": {"parley.dev/enabled": True}}},
    ],
)
def test_what_is_no_pod_is_said_so(document: Any) -> None:
    """The API server sends none of these; whoever does learns what is wrong."""
    request = read_review(encoded(review(document)))

    with pytest.raises(MalformedReviewError, match="not an AdmissionReview of a pod"):
        judge_request(request, SETTINGS, by_namespace=False)


def test_the_pod_is_named_as_far_as_it_has_a_name() -> None:
    """A Deployment's pod has only the beginning of one."""
    request = read_review(encoded(review(pod())))

    title, verdict = judge_request(request, SETTINGS, by_namespace=False)

    assert "shop-" == title
    assert Result.INJECTED is verdict.result


@pytest.mark.parametrize("namespace", ["kube-system", "kube-node-lease", "parley-system"])
def test_pods_of_system_namespaces_are_left_alone(namespace: str) -> None:
    """By the review's namespace, whatever they say and whichever entry asks: a pod may not name its own yet."""
    request = read_review(encoded(review(pod(BAD), namespace=namespace)))

    assert [Verdict(Result.SKIPPED, SkipReason.SYSTEM_NAMESPACE)] * 2 == [
        judge_request(request, FAIL, by_namespace=by_namespace)[1] for by_namespace in (False, True)
    ]


@pytest.mark.parametrize(
    ("annotations", "spec", "words"),
    [
        (PLAIN, {"restartPolicy": "Never"}, "the pod ends only if the application posts to /v1.0/shutdown"),
        (ENABLED, {"restartPolicy": "OnFailure"}, None),
        (PLAIN, {"restartPolicy": "Always"}, None),
        (
            OPENAI,
            {"containers": [container(envFrom=[{"secretRef": {"name": "keys"}}])]},
            "win over those of a container",
        ),
        (OPENAI, {}, None),
        (ENABLED, {"containers": [container(envFrom=[])]}, None),
    ],
)
def test_what_the_owner_should_know_about_an_option(
    annotations: dict[str, str], spec: dict[str, Any], words: str | None
) -> None:
    """A Job that would not end, and variables that give way: both are as asked for, and told."""
    warnings = verdict_on(pod(annotations, **spec)).warnings

    assert ([True] if words else []) == [(words or "") in text for text in warnings]
