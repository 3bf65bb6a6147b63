"""Why a pod gets no sidecar."""

from typing import Any

import pytest

from parley_operator.injector.eligibility import (
    MISTAKES,
    RULES,
    SENTENCES,
    UNMARKED,
    SkipReason,
    explain,
    resolve_app_id,
    why_skip,
)
from parley_operator.injector.options import read_options
from tests.injector.world import ENABLED, PLAIN, container, injected, pod, view

DISABLED = {**ENABLED, "parley.dev/enabled": "false"}
OURS = {"name": "parley", "image": "other:1"}
CASES: dict[str, tuple[dict[str, Any], SkipReason | None]] = {
    "an annotated pod gets its sidecar": (pod(), None),
    "a pod that never asked": (pod({}), SkipReason.NOT_OPTED_IN),
    "a pod that says false": (pod(DISABLED), SkipReason.EXPLICITLY_DISABLED),
    "false wins over a mistake elsewhere": (
        pod({**DISABLED, "parley.dev/cpu-limit": "fast"}),
        SkipReason.EXPLICITLY_DISABLED,
    ),
    "a pod that has its sidecar": (injected(pod()), SkipReason.ALREADY_INJECTED),
    "a pod that has it as a plain container": (injected(pod(PLAIN)), SkipReason.ALREADY_INJECTED),
    "a pod that is to have it in the other form": (
        {**injected(pod()), "metadata": {"labels": {"parley.dev/injected": "true"}, "annotations": PLAIN}},
        SkipReason.ALREADY_INJECTED,
    ),
    "a pod that has half of it": (
        {**injected(pod()), "spec": {**injected(pod())["spec"], "volumes": [{"name": "parley-state"}]}},
        SkipReason.NAME_CONFLICT,
    ),
    "a static pod's mirror": (
        pod({**ENABLED, "kubernetes.io/config.mirror": "abc"}),
        SkipReason.MIRROR_POD,
    ),
    "a value that means nothing": (pod({**ENABLED, "parley.dev/enabled": "yes"}), SkipReason.BAD_ANNOTATION),
    "no application id": (pod({"parley.dev/enabled": "true"}), SkipReason.APP_ID_MISSING),
    "the node's network": (pod(hostNetwork=True), SkipReason.HOST_NETWORK),
    "an explicit pod network": (pod(hostNetwork=False), None),
    "a Windows pod": (pod(os={"name": "windows"}), SkipReason.WINDOWS),
    "an explicit Linux pod": (pod(os={"name": "linux"}), None),
    "someone else's init container of our name": (pod(initContainers=[OURS]), SkipReason.NAME_CONFLICT),
    "someone else's container of our name": (pod(containers=[OURS]), SkipReason.NAME_CONFLICT),
    "someone else's volume of our name": (pod(volumes=[{"name": "parley-state"}]), SkipReason.NAME_CONFLICT),
    "other volumes": (pod(volumes=[{"name": "data"}, {"name": "parley"}]), None),
    "Dapr's annotation": (pod({**ENABLED, "dapr.io/enabled": "Yes"}), SkipReason.DAPR_SIDECAR),
    "Dapr's sidecar": (pod(containers=[container(), container("daprd")]), SkipReason.DAPR_SIDECAR),
    "Dapr's native sidecar": (pod(initContainers=[container("daprd")]), SkipReason.DAPR_SIDECAR),
    "Dapr switched off": (pod({**ENABLED, "dapr.io/enabled": "false"}), None),
    "Dapr, with one of our ports annotated": (
        pod({**ENABLED, "dapr.io/enabled": "true", "parley.dev/http-port": "3600"}),
        SkipReason.DAPR_SIDECAR,
    ),
    "Dapr, with both of our ports annotated": (
        pod({**ENABLED, "dapr.io/enabled": "true", "parley.dev/http-port": "3600", "parley.dev/grpc-port": "50100"}),
        None,
    ),
    "Dapr, with another port and no gRPC": (
        pod({**ENABLED, "dapr.io/enabled": "true", "parley.dev/http-port": "3600", "parley.dev/grpc-port": "0"}),
        None,
    ),
    "Dapr, with Dapr's ports annotated": (
        pod({**ENABLED, "dapr.io/enabled": "true", "parley.dev/http-port": "3501", "parley.dev/grpc-port": "50100"}),
        SkipReason.PORT_CONFLICT,
    ),
    "the converse API's port is taken": (
        pod(containers=[container(ports=[{"containerPort": 3500}])]),
        SkipReason.PORT_CONFLICT,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_reason(case: str) -> None:
    """Each pod has the reason it should have, or none."""
    document, expected = CASES[case]
    seen = view(document)

    assert expected == why_skip(seen, read_options(seen.annotations))


@pytest.mark.parametrize(
    ("said", "labelled", "expected"),
    [
        ("true", False, None),
        ("true", True, None),
        ("false", False, SkipReason.EXPLICITLY_DISABLED),
        ("false", True, SkipReason.EXPLICITLY_DISABLED),
        ("perhaps", False, SkipReason.BAD_ANNOTATION),
        ("perhaps", True, SkipReason.BAD_ANNOTATION),
        (None, True, None),
        (None, False, SkipReason.NOT_OPTED_IN),
    ],
)
def test_pod_and_namespace(said: str | None, labelled: bool, expected: SkipReason | None) -> None:  # noqa: FBT001 - table
    """The truth table of the module's page: the pod wins over its namespace."""
    annotations = {"parley.dev/app-id": "shop"} | ({} if said is None else {"parley.dev/enabled": said})

    assert expected == why_skip(view(pod(annotations)), read_options(annotations, by_namespace=labelled))


def test_the_label_alone_does_not_make_a_pod_injected() -> None:
    """A template that copied our label still gets its sidecar."""
    document = pod()
    document["metadata"]["labels"] = {"parley.dev/injected": "true"}

    assert why_skip(view(document), read_options(ENABLED)) is None


@pytest.mark.parametrize(
    ("annotations", "labels", "expected"),
    [
        ({"parley.dev/app-id": "said"}, {"app.kubernetes.io/name": "name", "app": "app"}, "said"),
        ({}, {"app.kubernetes.io/name": "name", "app": "app"}, "name"),
        ({}, {"app.kubernetes.io/name": "", "app": "app"}, "app"),
        ({}, {"app": ""}, None),
        ({}, {}, None),
    ],
)
def test_the_application_id(annotations: dict[str, str], labels: dict[str, str], expected: str | None) -> None:
    """The annotation, else the recommended label, else `app`; an empty one counts for nothing."""
    document = pod(annotations)
    document["metadata"]["labels"] = labels

    assert expected == resolve_app_id(view(document), read_options(annotations))


def test_every_reason_has_a_sentence_and_a_rule() -> None:
    """They cover each other; only whether it is a new pod, and in which namespace, is judged before the rules."""
    assert set(SkipReason) == set(SENTENCES)
    assert set(SkipReason) - {SkipReason.NOT_A_NEW_POD, SkipReason.SYSTEM_NAMESPACE} == {reason for reason, _ in RULES}
    assert MISTAKES.isdisjoint(UNMARKED)


def test_an_explanation_names_what_is_wrong() -> None:
    """A bad annotation is explained by its own problem, other reasons by their sentence."""
    options = read_options({"parley.dev/http-port": "80"})

    (bad,) = explain(SkipReason.BAD_ANNOTATION, options)
    (windows,) = explain(SkipReason.WINDOWS, options)
    assert bad.startswith("Parley adds no sidecar: the annotation parley.dev/http-port must be a port")
    assert windows.endswith("on Linux only")
