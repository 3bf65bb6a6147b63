"""The webhook's later entries, on a real API server: where a first call got no answer, a pod is sent again."""

import json
from collections.abc import Iterator

import pytest

from e2e.cluster import Cluster, ClusterError
from tests.chart.rendering import rendered_text
from tests.conftest import until
from tests.control_plane.release import UNREACHABLE, annotated_pod, namespace

pytestmark = pytest.mark.control_plane

AGAIN = "chart-again"


@pytest.fixture(scope="module")
def second_attempt(control_plane: Cluster) -> Iterator[Cluster]:
    """The webhook configuration with a second attempt, for one namespace alone; nobody listens there."""
    values = ("injector.attempts=2", f"watchNamespaces={{{AGAIN}}}", *UNREACHABLE)
    flags = [word for value in values for word in ("--set", value)]
    manifests = rendered_text(*flags, "--show-only", "templates/webhook.yaml", release="again-parley")
    with namespace(control_plane, AGAIN):
        control_plane.kubectl("apply", "-f", "-", feed=manifests)
        yield control_plane
        control_plane.kubectl("delete", "-f", "-", feed=manifests)


@pytest.mark.parametrize(
    ("place", "name", "is_asked_again"),
    [
        ("containers", "parley", False),
        ("initContainers", "parley", False),
        ("containers", "another", True),
        ("initContainers", "another", True),
    ],
)
def test_a_second_attempt_is_for_pods_without_a_sidecar(
    second_attempt: Cluster,
    place: str,
    name: str,
    is_asked_again: bool,  # noqa: FBT001
) -> None:
    """The later entries, which alone may refuse, pass over pods that have a sidecar, native or plain."""
    document = annotated_pod("true")
    container = document["spec"]["containers"][0] | {"name": name}
    document["spec"].setdefault(place, []).append(container)

    def refusal() -> str:
        try:
            make = ("-n", AGAIN, "create", "--dry-run=server", "-o", "name", "-f", "-")
            return second_attempt.kubectl(*make, feed=json.dumps(document))
        except ClusterError as error:
            return str(error)

    expected = 'failed calling webhook "annotated-2.inject.parley.dev"' if is_asked_again else "pod/app"
    until(expected, lambda: expected in refusal())
