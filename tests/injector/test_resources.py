"""What the sidecar requests and may use."""

from typing import Any

import msgspec
import pytest

from parley_operator.injector.options import read_options
from parley_operator.injector.resources import sidecar_resources
from parley_operator.injector.settings import Resources
from tests.injector.world import SETTINGS, container, pod, view

FIXED = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1000m", "memory": "1024Mi"}}
LIMITED = {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "100m"}}


def given(document: dict[str, Any], **annotations: str) -> dict[str, Any]:
    """Return the sidecar's resources in a pod with these annotations."""
    options = read_options({f"parley.dev/{key.replace('_', '-')}": text for key, text in annotations.items()})
    return dict(sidecar_resources(view(document), options, SETTINGS))


def test_as_usual() -> None:
    """Small requests, a memory limit, no CPU limit."""
    expected = {"requests": {"cpu": "50m", "memory": "96Mi"}, "limits": {"memory": "256Mi"}}

    assert expected == given(pod())


def test_where_every_container_has_a_cpu_limit_so_has_the_sidecar() -> None:
    """A ResourceQuota on CPU limits refuses the pod otherwise."""
    expected = {"requests": {"cpu": "50m", "memory": "96Mi"}, "limits": {"cpu": "500m", "memory": "256Mi"}}

    assert expected == given(pod(containers=[container(resources=LIMITED), container("b", resources=LIMITED)]))
    assert "cpu" not in given(pod(containers=[container(resources=LIMITED), container("b")]))["limits"]


def test_a_guaranteed_pod_stays_guaranteed() -> None:
    """Requests equal limits, in both kinds."""
    expected = {"cpu": "500m", "memory": "256Mi"}

    assert {"requests": expected, "limits": expected} == given(pod(containers=[container(resources=FIXED)]))


@pytest.mark.parametrize("resources", [LIMITED, {"limits": {"cpu": "1"}}, {"requests": FIXED["requests"]}])
def test_other_pods_are_not_guaranteed(resources: dict[str, Any]) -> None:
    """One container that is not fixed in both kinds is enough, an init container too."""
    document = pod(containers=[container(resources=FIXED)], initContainers=[container("init", resources=resources)])

    assert "50m" == given(document)["requests"]["cpu"]


def test_limits_without_requests_are_fixed() -> None:
    """The API server takes a missing request from the limit."""
    document = pod(containers=[container(resources={"limits": FIXED["limits"]})])

    assert "256Mi" == given(document)["requests"]["memory"]


def test_annotations_win_in_a_guaranteed_pod() -> None:
    """One of the two sets both; two of them are the owner's decision."""
    document = pod(containers=[container(resources=FIXED)])

    only_request = given(document, cpu_request="2")
    only_limit = given(document, memory_limit="128Mi")
    both = given(document, cpu_request="100m", cpu_limit="1")

    assert ("2", "2") == (only_request["requests"]["cpu"], only_request["limits"]["cpu"])
    assert ("128Mi", "128Mi") == (only_limit["requests"]["memory"], only_limit["limits"]["memory"])
    assert ("100m", "1") == (both["requests"]["cpu"], both["limits"]["cpu"])


def test_a_default_gives_way_to_an_annotation() -> None:
    """The API server refuses a request above its limit; the default is what moves."""
    more = given(pod(), memory_request="1Gi")
    less = given(pod(), memory_limit="64Mi", cpu_limit="20m")

    assert ("1Gi", "1Gi") == (more["requests"]["memory"], more["limits"]["memory"])
    assert ({"cpu": "20m", "memory": "64Mi"}, {"cpu": "20m", "memory": "64Mi"}) == (less["requests"], less["limits"])


def test_a_pod_with_a_budget_of_its_own_bounds_the_sidecar() -> None:
    """With spec.resources only annotations say anything: a default could be above the pod's whole budget."""
    document = pod(resources={"requests": {"memory": "64Mi"}, "limits": {"memory": "128Mi"}})

    assert {} == given(document)
    assert {"limits": {"memory": "64Mi"}} == given(document, memory_limit="64Mi")


def test_a_chart_may_leave_a_limit_out() -> None:
    """What the settings do not limit is not limited."""
    settings = msgspec.structs.replace(SETTINGS, resources=Resources({"memory": "1Gi"}, {}))

    assert {"requests": {"memory": "1Gi"}} == sidecar_resources(view(pod()), read_options({}), settings)


def test_defaults_keep_to_what_a_limit_range_shows_and_annotations_do_not() -> None:
    """The API server filled in the application's container, and would refuse a sidecar outside."""
    filled = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "200m", "memory": "128Mi"}}
    told = "LimitRanger plugin set: cpu, memory request for container app; cpu, memory limit for container app"
    document = pod({"kubernetes.io/limit-ranger": told}, containers=[container(resources=filled)])

    expected = {"requests": {"cpu": "100m", "memory": "96Mi"}, "limits": {"cpu": "200m", "memory": "128Mi"}}
    assert expected == given(document)
    assert "512Mi" == given(document, memory_limit="512Mi")["limits"]["memory"]
