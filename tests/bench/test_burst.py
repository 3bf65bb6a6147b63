"""The generator of pods, on a real API server: what it counts, and that it cleans up."""

import json
from collections.abc import Iterator

import msgspec
import pytest

from e2e.burst import LABEL, Job, burst
from e2e.cluster import Cluster
from parley_crds import names
from tests.conftest import until
from tests.control_plane.release import namespace

pytestmark = pytest.mark.control_plane
COUNT = 20


@pytest.fixture
def job(control_plane: Cluster) -> Iterator[Job]:
    """A burst that ends by its number of pods, in a namespace of its own without any injector."""
    with namespace(control_plane, "burst", {}) as name:
        yield Job(
            kubeconfig=str(control_plane.kubeconfig), namespace=name, name="b", per_s=100.0, least_s=60.0, most=COUNT
        )


def test_pods_without_a_sidecar_are_missed(control_plane: Cluster, job: Job) -> None:
    """No injector answers: each pod that was accepted is missed, by its name; all are gone afterwards."""
    with burst(control_plane, job) as running:
        result = running.finish()

    assert [f"b-{number:06d}" for number in range(COUNT)] == list(result.missed)
    assert (COUNT, 0, 0, 0) == (result.created, result.injected, result.abandoned, result.refused)
    assert 0 < result.p50_ms <= result.p99_ms <= result.max_ms
    left = ("-n", job.namespace, "get", "pods", "-l", f"{LABEL}=b", "-o", "name")
    until("none is left", lambda: not control_plane.kubectl(*left).strip())


def test_pods_with_the_injectors_label_are_injected(control_plane: Cluster, job: Job) -> None:
    """What the API server says it has stored decides."""
    stamped = msgspec.structs.replace(job, labels={names.INJECTED_LABEL: "true"})
    with burst(control_plane, stamped) as running:
        result = running.finish()

    assert (COUNT, []) == (result.injected, list(result.missed))


def test_refused_pods_are_tried_again(control_plane: Cluster, job: Job) -> None:
    """A quota refuses most pods; when it is gone they are created, each once, and the refusals are told."""
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}, "spec": {"hard": {"pods": "5"}}}
    control_plane.kubectl("-n", job.namespace, "create", "-f", "-", feed=json.dumps(quota))
    used = ("-n", job.namespace, "get", "resourcequota", "few", "-o", "jsonpath={.status.used.pods}")
    until("the quota counts", lambda: control_plane.kubectl(*used) == "0")

    with burst(control_plane, job) as running:
        until("the quota is used up", lambda: control_plane.kubectl(*used) == "5")
        control_plane.kubectl("-n", job.namespace, "delete", "resourcequota", "few")
        result = running.finish()

    assert (COUNT, 0) == (result.created, result.abandoned)
    assert result.refused > 0
    assert any("exceeded quota" in words for words in result.words)
