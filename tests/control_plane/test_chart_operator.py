"""The real operator with the chart's environment and the chart's rights, in both modes: nothing it does is refused."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from e2e.cluster import Cluster
from tests.conftest import free_port, until
from tests.control_plane.release import Release, namespace

pytestmark = pytest.mark.control_plane

SYSTEM, SHOP, NAME = "operated-system", "operated-shop", "operated-parley"


@pytest.fixture(params=["", SHOP], ids=["all namespaces", "one namespace"])
def parley(control_plane: Cluster, request: pytest.FixtureRequest) -> Iterator[Release]:
    """The chart, serving all namespaces or SHOP alone."""
    with ExitStack() as stack:
        for name in (SYSTEM, SHOP):
            stack.enter_context(namespace(control_plane, name))
        release = Release(control_plane, NAME, SYSTEM)
        stack.enter_context(
            release.installed(f"watchNamespaces={{{request.param}}}" if request.param else "crds.enabled=true")
        )
        yield release


def environment(release: Release, directory: Path) -> dict[str, str]:
    """Return what the operator's container would have; ports, host and tokens are this machine's."""
    deployment = json.loads(release.kubectl("get", "deployment", f"{NAME}-operator", "-o", "json"))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    given = {each["name"]: each.get("value", "") for each in container["env"]}
    config = json.loads(release.cluster.kubeconfig.read_text())
    account = f"{NAME}-operator"
    config["users"][0]["user"] = {"token": release.kubectl("create", "token", account).strip()}
    (directory / "kubeconfig").write_text(json.dumps(config))
    (directory / "peer").write_text(release.kubectl("create", "token", account, "--audience", "parley-peer"))
    own = {
        "KUBECONFIG": str(directory / "kubeconfig"),
        "PARLEY_NAMESPACE": SYSTEM,
        "PARLEY_POD_NAME": "operated-0",
        "PARLEY_HOST": "127.0.0.1",
        "PARLEY_PORT": str(free_port()),
        "PARLEY_METRICS_PORT": str(free_port()),
        "PARLEY_PEER_TOKEN_FILE": str(directory / "peer"),
    }
    return os.environ | given | own


@contextmanager
def running(variables: dict[str, str], log: Path) -> Iterator[str]:
    """Run the operator's process inside the block; yield the root of its health and metrics."""
    command = [sys.executable, "-m", "parley_operator", "operator"]
    with log.open("wb") as output, subprocess.Popen(command, env=variables, stdout=output, stderr=output) as process:
        try:
            yield f"http://127.0.0.1:{variables['PARLEY_METRICS_PORT']}"
        finally:
            process.terminate()


def is_ready(url: str) -> bool:
    """Say whether the operator is ready; False while nobody listens."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def component_status(release: Release) -> str:
    """Read which generation was judged, and the status and the reason of the component's Ready condition."""
    ready = '{range .status.conditions[?(@.type=="Ready")]}{.status} {.reason}{end}'
    path = f"jsonpath={{.status.observedGeneration}} {ready}"
    return release.cluster.kubectl("-n", SHOP, "get", "conv", "gpt", "-o", path)


def keys(release: Release, suffix: str) -> set[str]:
    """Name what is in one of the chart's Secrets."""
    secret = json.loads(release.kubectl("get", "secret", f"{NAME}-{suffix}", "-o", "json"))
    return set(secret.get("data", {}))


def objects() -> dict[str, Any]:
    """Return a component, and the Secret that it needs."""
    key = {"name": "key", "secretKeyRef": {"name": "openai", "key": "apiKey"}}
    spec = {"type": "conversation.openai", "version": "v1", "metadata": [key]}
    kind = {"apiVersion": "parley.dev/v1alpha1", "kind": "ConversationComponent"}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "openai"}, "stringData": {"apiKey": "made-up"}}
    return {"apiVersion": "v1", "kind": "List", "items": [secret, {**kind, "metadata": {"name": "gpt"}, "spec": spec}]}


def test_the_operator_can_do_its_work(parley: Release, tmp_path: Path) -> None:
    """It gets ready, judges a component with a Secret, fills what the injector and Redis wait for, and meets no 403."""
    parley.cluster.kubectl("-n", SHOP, "apply", "-f", "-", feed=json.dumps(objects()))
    log = tmp_path / "operator.log"

    with running(environment(parley, tmp_path), log) as url:
        until("the operator is ready", lambda: is_ready(url))
        until("the component is ready", lambda: component_status(parley) == "1 True Ready")
        parley.cluster.kubectl(
            "-n", SHOP, "patch", "conv", "gpt", "--type=merge", "-p", '{"spec":{"cache":{"ttl":"1m"}}}'
        )
        until("the change is seen", lambda: component_status(parley) == "2 True Ready")
        until("the injector's certificate", lambda: {"tls.crt", "tls.key", "ca.crt"} <= keys(parley, "tls"))
        until("Redis' users", lambda: "users.acl" in keys(parley, "store"))
        path = "jsonpath={.webhooks[*].clientConfig.caBundle}"
        name = f"{NAME}-injector"
        bundles = ("get", "mutatingwebhookconfiguration", name, "-o", path)
        until("caBundle", lambda: len(parley.kubectl(*bundles).split()) == 2)

    assert not {word for word in ("status 403", "forbidden") if word in log.read_text().lower()}
