"""The chart on a real API server: installed, upgraded and removed by Helm, its webhooks tried.

kwok plays the node, so pods are ready without running: Deployments, Pod Security and admission are real.
"""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from e2e.cluster import Cluster, ClusterError
from tests.chart.rendering import NAMESPACE, VALUE_SETS, files, rendered_set, rendered_text
from tests.control_plane.release import CHART, UNREACHABLE, Release, annotated_pod, namespace

pytestmark = pytest.mark.control_plane

STRICTLY = ("--server-side", "--dry-run=server", "--validate=strict")
CERT_MANAGER = Path(__file__).with_name("cert-manager.yaml")
SYSTEM, LABELLED, OTHER = "chart-system", "chart-labelled", "chart-other"


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


def test_the_catalogues_example_is_accepted(parley: Release) -> None:
    """The component that Chart.yaml shows is a good one."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    (example,) = yaml.safe_load(chart["annotations"]["artifacthub.io/crdsExamples"])
    example["metadata"]["namespace"] = OTHER
    said = parley.cluster.kubectl("apply", *STRICTLY, "-o", "name", "-f", "-", feed=json.dumps(example))

    assert "conversationcomponent.parley.dev/gpt" == said.strip()


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
    """The cluster with the namespaces and the foreign kinds that the value sets name."""
    with ExitStack() as stack:
        for name in (NAMESPACE, "shop", "billing"):
            stack.enter_context(namespace(control_plane, name))
        control_plane.kubectl("apply", "--server-side", "-f", str(CERT_MANAGER))
        control_plane.kubectl("wait", "--for=condition=Established", "-f", str(CERT_MANAGER))
        yield control_plane
        control_plane.kubectl("delete", "-f", str(CERT_MANAGER))


@pytest.mark.parametrize("name", VALUE_SETS)
def test_every_value_set_is_accepted(rendered_places: Cluster, name: str) -> None:
    """The API server knows every field of every object, and admits them."""
    # Under a name of its own: another test may have the chart installed. The trial's account is there during the trial.
    text = rendered_text(*files(VALUE_SETS[name]), release="accepted")
    manifests = re.sub(r"(serviceAccountName:) \S+-selftest", r"\1 default", text)
    said = rendered_places.kubectl("apply", *STRICTLY, "-f", "-", feed=manifests)

    assert len(rendered_set(name)) == len(said.splitlines())


def test_an_authority_of_the_releases_own_is_accepted(rendered_places: Cluster) -> None:
    """Cert-manager's kinds know every field of the chain that the chart brings."""
    manifests = rendered_text("--set", "certificates.mode=certManager", "--show-only", "templates/certificates.yaml")
    said = rendered_places.kubectl("apply", *STRICTLY, "-f", "-", feed=manifests)

    assert 4 == len(said.splitlines())


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
        answer = parley.cluster.kubectl(*make, feed=json.dumps(annotated_pod(annotation)))
    except ClusterError as refusal:
        answer = str(refusal)

    assert (f'failed calling webhook "{webhook}.inject.parley.dev"' if webhook else "pod/app") in answer
