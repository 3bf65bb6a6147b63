"""The chart on a real API server: installed, upgraded and removed by Helm, its webhooks tried.

kwok plays the node, so pods are ready without running: Deployments, Pod Security and admission are real.
"""

import base64
import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from e2e.cluster import Cluster, ClusterError
from tests.chart.rendering import NAMESPACE, VALUE_SETS, files, rendered_set, rendered_text
from tests.conftest import until
from tests.control_plane.release import UNREACHABLE, Release, namespace

pytestmark = pytest.mark.control_plane

SYSTEM, LABELLED, OTHER = "chart-system", "chart-labelled", "chart-other"
CRD = "conversationcomponents.parley.dev"
SECRETS = ("ca", "tls", "store", "context-key")


@pytest.fixture(scope="module")
def parley(control_plane: Cluster) -> Iterator[Release]:
    """The chart, its webhooks refusing what they match; a namespace that opts in as a whole, and another one."""
    with ExitStack() as stack:
        stack.enter_context(namespace(control_plane, SYSTEM))
        stack.enter_context(namespace(control_plane, LABELLED, {"parley.dev/inject": "enabled"}))
        stack.enter_context(namespace(control_plane, OTHER))
        release = Release(control_plane, "chart-parley", SYSTEM)
        stack.enter_context(release.installed(*UNREACHABLE))
        yield release


@pytest.fixture
def second(control_plane: Cluster, request: pytest.FixtureRequest) -> Iterator[Release]:
    """A release to do things to, not installed yet, in a namespace of its own."""
    with namespace(control_plane, request.node.name.removeprefix("test_").replace("_", "-")) as name:
        yield Release(control_plane, "second-parley", name)


def test_pods_pass_pod_security(parley: Release) -> None:
    """All five pods run in a namespace that enforces Pod Security "restricted"."""
    path = "jsonpath={range .items[*]}{.metadata.labels.app\\.kubernetes\\.io/component} {.status.phase}{'\\n'}{end}"
    pods = parley.kubectl("get", "pods", "-o", path).splitlines()

    expected = ["injector Running", "injector Running", "operator Running", "operator Running", "redis Running"]
    assert expected == sorted(pods)


def test_the_injector_has_no_token(parley: Release) -> None:
    """Neither the chart nor the API server puts a token into the injector's and Redis' pods."""
    text = parley.kubectl("get", "pods", "-l", "app.kubernetes.io/component in (injector,redis)", "-o", "json")
    volumes = [volume for pod in json.loads(text)["items"] for volume in pod["spec"]["volumes"]]

    assert volumes
    assert not any("projected" in volume for volume in volumes)


@pytest.fixture(scope="module")
def rendered_places(control_plane: Cluster) -> Iterator[Cluster]:
    """The cluster with the namespaces that the value sets name."""
    with ExitStack() as stack:
        for name in (NAMESPACE, "shop", "billing"):
            stack.enter_context(namespace(control_plane, name))
        yield control_plane


@pytest.mark.parametrize("name", VALUE_SETS)
def test_every_value_set_is_accepted(rendered_places: Cluster, name: str) -> None:
    """The API server knows every field of every object, and admits them."""
    manifests = rendered_text(*files(VALUE_SETS[name]), release="judged")
    said = rendered_places.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", feed=manifests)

    assert len(rendered_set(name)) == len(said.splitlines())


def pod(annotation: str | None) -> dict[str, Any]:
    """Return a pod that Pod Security admits, with the annotation or without any."""
    security = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    metadata: dict[str, Any] = {"name": "app"}
    if annotation is not None:
        metadata["annotations"] = {"parley.dev/enabled": annotation}
    spec = {"containers": [{"name": "app", "image": "app", "securityContext": security}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize(
    ("place", "annotation", "webhook"),
    [
        (OTHER, None, None),
        (OTHER, "true", "annotated"),
        (OTHER, "false", "annotated"),
        (OTHER, "yes please", "annotated"),
        (LABELLED, None, "namespace"),
        (LABELLED, "false", "annotated"),
        (SYSTEM, "true", None),
        ("kube-system", "true", None),
        ("kube-node-lease", "true", None),
    ],
)
def test_which_pods_the_api_server_sends(
    parley: Release, place: str, annotation: str | None, webhook: str | None
) -> None:
    """The API server asks the one webhook that is meant for a pod, or none."""
    make = ("-n", place, "create", "--dry-run=server", "-o", "name", "-f", "-")
    try:
        answer = parley.cluster.kubectl(*make, feed=json.dumps(pod(annotation)))
    except ClusterError as refusal:
        answer = str(refusal)

    assert (f'failed calling webhook "{webhook}.inject.parley.dev"' if webhook else "pod/app") in answer


def fill(release: Release) -> None:
    """Fill Secrets, Lease and caBundle as the leader does, under the operator's account."""
    authority = release.kubectl("get", "configmap", "kube-root-ca.crt", "-o", "jsonpath={.data.ca\\.crt}")
    bundle = base64.b64encode(authority.encode()).decode()
    secrets = [named("v1", "Secret", f"{release.name}-{name}", data={"key": "a2V5"}) for name in SECRETS]
    lease = named("coordination.k8s.io/v1", "Lease", f"{release.name}-operator", spec={"holderIdentity": "a pod"})
    operations = [{"op": "add", "path": f"/webhooks/{n}/clientConfig/caBundle", "value": bundle} for n in range(2)]
    webhooks = f"mutatingwebhookconfiguration/{release.name}-injector"
    as_operator = ("--as", release.operator)
    items = json.dumps({"apiVersion": "v1", "kind": "List", "items": secrets})
    release.kubectl("apply", "--server-side", *as_operator, "-f", "-", feed=items)
    release.kubectl("replace", *as_operator, "-f", "-", feed=json.dumps(lease))
    release.kubectl("patch", webhooks, *as_operator, "--type=json", "--patch", json.dumps(operations))


def named(api_version: str, kind: str, name: str, **rest: Any) -> dict[str, Any]:
    """Return a manifest."""
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **rest}


def filled(release: Release) -> dict[str, Any]:
    """Read what the leader wrote."""

    def read(kind: str, name: str, path: str) -> str:
        return release.kubectl("get", kind, f"{release.name}-{name}", "-o", f"jsonpath={path}")

    bundles = read("mutatingwebhookconfiguration", "injector", "{.webhooks[*].clientConfig.caBundle}").split()
    holder = read("lease", "operator", "{.spec.holderIdentity}")
    return {name: read("secret", name, "{.data}") for name in SECRETS} | {"holder": holder, "bundles": bundles}


def test_an_upgrade_keeps_what_the_operator_wrote(second: Release) -> None:
    """Helm leaves Secrets, Lease and caBundle alone, whichever value changes."""
    with second.installed():
        fill(second)
        before = filled(second)

        second.upgrade("injector.failurePolicy=Fail", "injector.logLevel=debug", "redis.enabled=false")

        assert ('{"key":"a2V5"}', "a pod", 2) == (before["tls"], before["holder"], len(before["bundles"]))
        assert before == filled(second)


def left_behind(release: Release) -> list[str]:
    """List everything that carries the release's label, of every kind there is."""
    kinds = release.cluster.kubectl("api-resources", "--verbs=list", "-o", "name").split()
    label = f"app.kubernetes.io/instance={release.name}"
    return release.cluster.kubectl("get", ",".join(kinds), "-A", "-l", label, "-o", "name").split()


def test_uninstalling_leaves_the_crd_alone(second: Release) -> None:
    """Nothing but the CRD, and with it the components, outlives the release; the release installs again over it."""
    spec = {"type": "conversation.echo", "version": "v1"}
    component = named("parley.dev/v1alpha1", "ConversationComponent", "gpt", spec=spec)
    with second.installed():
        fill(second)
        second.kubectl("apply", "-f", "-", feed=json.dumps(component))

    until("everything gone", lambda: not left_behind(second))
    assert CRD in second.kubectl("get", "crd", CRD, "-o", "name")

    second.install_again()
    components = second.kubectl("get", "conv", "-o", "name")
    second.uninstall()

    assert "conversationcomponent.parley.dev/gpt" == components.strip()
