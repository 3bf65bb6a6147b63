"""Other mutating webhooks at work on the same pods, asked before us and after us by a real API server."""

from pathlib import Path
from typing import Any

import pytest

from e2e.cluster import Cluster
from tests.injector.live import SHARED, Api, inits, named, since
from tests.injector.other_webhook import beside
from tests.injector.process import Running
from tests.injector.world import ENABLED, PLAIN, container, sidecar, variables

pytestmark = pytest.mark.control_plane

BEFORE_US, AFTER_US = "a-dapr-sidecar-injector", "z-other"
PROXY = {"name": "proxy", "image": "proxy:1", "resources": {}}
DAPRD = {
    "name": "daprd",
    "image": "daprio/daprd:1.16.0",
    "args": ["/daprd", "--dapr-http-port", "3500", "--dapr-grpc-port", "50001"],
    "ports": [
        {"name": "dapr-http", "containerPort": 3500},
        {"name": "dapr-grpc", "containerPort": 50001},
        {"name": "dapr-internal", "containerPort": 50002},
        {"name": "dapr-metrics", "containerPort": 9090},
    ],
}
OTHER_PORTS = {"parley.dev/http-port": "3600", "parley.dev/grpc-port": "50100"}
ASKED_TWICE = {("injected", ""): 1, ("skipped", "already_injected"): 1}


def adds_a_container(_: dict[str, Any]) -> list[dict[str, Any]]:
    """Change a pod as a service mesh does."""
    return [{"op": "add", "path": "/spec/containers/-", "value": PROXY}]


def reorders(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """Move the first init container behind the others."""
    first, *others = pod["spec"].get("initContainers") or [None]
    moved = [{"op": "replace", "path": "/spec/initContainers", "value": [*others, first]}]
    return moved if others else []


def forgets_what_it_does_not_know(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """Lose a field, as a webhook that knows an older form of pods does."""
    first = (pod["spec"].get("initContainers") or [{}])[0]
    return [{"op": "remove", "path": "/spec/initContainers/0/restartPolicy"}] if "restartPolicy" in first else []


def adds_daprd(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """Change a pod as Dapr's injector does: its container last, and its ports for the application."""
    ports = [{"name": "DAPR_HTTP_PORT", "value": "3500"}, {"name": "DAPR_GRPC_PORT", "value": "50001"}]
    told = [
        {"op": "add", "path": f"/spec/containers/{index}/env", "value": ports}
        for index, _ in enumerate(pod["spec"]["containers"])
    ]
    return [*told, {"op": "add", "path": "/spec/containers/-", "value": DAPRD}]


@pytest.mark.parametrize("annotations", [ENABLED, PLAIN], ids=["native", "plain"])
def test_a_webhook_after_us_has_us_asked_again_and_nothing_changes(
    annotations: dict[str, str], cluster: Cluster, injector: Running, api: Api, tmp_path: Path
) -> None:
    """IfNeeded: the second answer is that the sidecar is there; what was added after it is as it was added."""
    pod = named("meshed", annotations, automountServiceAccountToken=False)  # its mount has a random name
    alone = api.create(SHARED, pod).document
    with beside(cluster, api, tmp_path, AFTER_US, adds_a_container):
        before = injector.counts()
        both = api.create(SHARED, pod).document

        assert ASKED_TWICE == since(injector, before)
    added = both["spec"]["containers"].pop()
    assert PROXY.items() <= added.items()
    assert "env" not in added
    assert alone["spec"] == both["spec"]


def test_init_containers_that_another_reorders_stay_as_it_wants(
    cluster: Cluster, injector: Running, api: Api, tmp_path: Path
) -> None:
    """The sidecar is a native one still, only later: two that put themselves first would never agree."""
    with beside(cluster, api, tmp_path, AFTER_US, reorders):
        before = injector.counts()
        answer = api.create(SHARED, named("reordered", initContainers=[container("migrate")]))

        assert ASKED_TWICE == since(injector, before)
    assert (201, ["migrate", "parley"]) == (answer.status, inits(answer.document))
    assert "Always" == answer.document["spec"]["initContainers"][1]["restartPolicy"]


def test_a_pod_whose_sidecar_lost_its_restart_policy_is_refused(
    cluster: Cluster, injector: Running, api: Api, tmp_path: Path
) -> None:
    """By the API server, which names the container: it would wait for its end before the application for ever."""
    with beside(cluster, api, tmp_path, AFTER_US, forgets_what_it_does_not_know):
        answer = api.create(SHARED, named("forgotten"))

    assert 422 == answer.status
    assert "spec.initContainers[0].startupProbe" in answer.message


@pytest.mark.parametrize("more", [{}, {"dapr.io/enabled": "true"}], ids=["unannotated", "annotated"])
def test_beside_dapr_it_is_skipped_unless_it_has_other_ports(
    more: dict[str, str], cluster: Cluster, injector: Running, api: Api, tmp_path: Path
) -> None:
    """Dapr is asked first: it keeps its ports, and its variables in the application, either way."""
    with beside(cluster, api, tmp_path, BEFORE_US, adds_daprd):
        skipped = api.create(SHARED, named("shop", {**ENABLED, **more}))
        injected = api.create(SHARED, named("shop", {**ENABLED, **more, **OTHER_PORTS}))

    assert (201, []) == (skipped.status, inits(skipped.document))
    assert "skipped:dapr_sidecar" == skipped.document["metadata"]["annotations"]["parley.dev/injection"]
    assert ("Parley adds no sidecar: Dapr's sidecar has the ports",) == tuple(
        text.partition(";")[0] for text in skipped.warnings
    )
    assert (201, ["parley"]) == (injected.status, inits(injected.document))
    application, daprd = injected.document["spec"]["containers"]
    assert "3500" == variables(application)["DAPR_HTTP_PORT"]
    assert "3600" == variables(sidecar(injected.document))["PARLEY_HTTP_PORT"]
    assert {} == variables(daprd)
