"""The real operator with the chart's environment and the chart's rights, in both modes: nothing it does is refused."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from e2e.cluster import Cluster
from tests.conftest import until
from tests.control_plane import parts
from tests.control_plane.release import Release, annotated_pod, namespace

pytestmark = pytest.mark.control_plane

SYSTEM, SHOP, NAME = "operated-system", "operated-shop", "operated-parley"
ONE_NAMESPACE = (
    f"watchNamespaces={{{SHOP}}}",
    "dapr.readComponents=true",
    "missedPods.evict=true",
    "outdatedSidecars.restart=true",
)


@pytest.fixture(params=[(), ONE_NAMESPACE], ids=["all namespaces", "one namespace"])
def parley(control_plane: Cluster, request: pytest.FixtureRequest) -> Iterator[Release]:
    """The chart, serving all namespaces, or SHOP alone with all that can be opted in."""
    with ExitStack() as stack:
        for name in (SYSTEM, SHOP):
            stack.enter_context(namespace(control_plane, name))
        release = Release(control_plane, NAME, SYSTEM, waits=False)
        stack.enter_context(release.installed(*request.param))
        yield release


def component_status(release: Release) -> str:
    """Read which generation was judged, and the status and the reason of the component's Ready condition."""
    ready = '{range .status.conditions[?(@.type=="Ready")]}{.status} {.reason}{end}'
    path = f"jsonpath={{.status.observedGeneration}} {ready}"
    return release.cluster.kubectl("-n", SHOP, "get", "conv", "gpt", "-o", path)


def objects() -> dict[str, Any]:
    """Return a component, and the Secret that it needs."""
    key = {"name": "key", "secretKeyRef": {"name": "openai", "key": "apiKey"}}
    spec = {"type": "conversation.openai", "version": "v1", "metadata": [key]}
    kind = {"apiVersion": "parley.dev/v1alpha1", "kind": "ConversationComponent"}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "openai"}, "stringData": {"apiKey": "made-up"}}
    return {"apiVersion": "v1", "kind": "List", "items": [secret, {**kind, "metadata": {"name": "gpt"}, "spec": spec}]}


def test_the_operator_can_do_its_work(parley: Release, tmp_path: Path) -> None:
    """It judges a component with a Secret, fills what others wait for, tells of a missed pod, and meets no 403."""
    pod = annotated_pod("true")
    pod["metadata"]["labels"] = {"app": "shop"}
    parley.cluster.kubectl("-n", SHOP, "apply", "-f", "-", feed=json.dumps(pod))
    parley.cluster.kubectl("-n", SHOP, "apply", "-f", "-", feed=json.dumps(objects()))
    log = tmp_path / "operator.log"

    with parts.running("operator", parts.operators(parley, tmp_path), log) as url:
        assert [200, 200, 200] == [parts.status(url + path) for path in parts.probed(parley, "operator")]
        until("the component is ready", lambda: component_status(parley) == "1 True Ready")
        parley.cluster.kubectl(
            "-n", SHOP, "patch", "conv", "gpt", "--type=merge", "-p", '{"spec":{"cache":{"ttl":"1m"}}}'
        )
        until("the change is seen", lambda: component_status(parley) == "2 True Ready")
        until("the injector's certificate", lambda: set(parts.TLS) <= parts.data(parley, "tls").keys())
        until("Redis' users", lambda: "redis.acl" in parts.data(parley, "store"))
        path = "jsonpath={.webhooks[*].clientConfig.caBundle}"
        name = f"{NAME}-injector"
        bundles = ("get", "mutatingwebhookconfiguration", name, "-o", path)
        until("caBundle", lambda: len(parley.kubectl(*bundles).split()) == 2)
        told = ("-n", SHOP, "get", "events", "-o", "jsonpath={.items[*].reason}")
        until("the missed pod is told of", lambda: "SidecarMissing" in parley.cluster.kubectl(*told))

    assert not {word for word in ("status 403", "forbidden") if word in log.read_text().lower()}
