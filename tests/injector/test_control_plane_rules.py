"""The rules of a namespace, kept by injected pods in both forms: Pod Security, ResourceQuota, LimitRange."""

from typing import Any

import pytest

from tests.conftest import until
from tests.injector.job_page import job
from tests.injector.live import LOOSE, RULED, STRICT, Api, named
from tests.injector.world import ENABLED, PLAIN, RESTRICTED, container, sidecar

pytestmark = [pytest.mark.control_plane, pytest.mark.usefixtures("injector")]

both_forms = pytest.mark.parametrize("annotations", [ENABLED, PLAIN], ids=["native", "plain"])
DEFAULTS, MOST, BOTH, RATIO, QUOTA = RULED
RANGES: dict[str, dict[str, dict[str, str]]] = {
    DEFAULTS: {"default": {"cpu": "2", "memory": "1Gi"}, "defaultRequest": {"cpu": "100m", "memory": "64Mi"}},
    MOST: {"max": {"cpu": "300m", "memory": "200Mi"}},
    BOTH: {"min": {"cpu": "200m", "memory": "128Mi"}, "max": {"cpu": "800m", "memory": "1Gi"}},
    RATIO: {
        "default": {"cpu": "80m", "memory": "128Mi"},
        "defaultRequest": {"cpu": "40m", "memory": "100Mi"},
        "maxLimitRequestRatio": {"cpu": "2", "memory": "2"},
    },
}
KEPT: dict[str, dict[str, dict[str, str]]] = {
    DEFAULTS: {"requests": {"cpu": "100m", "memory": "96Mi"}, "limits": {"cpu": "500m", "memory": "256Mi"}},
    MOST: {"requests": {"cpu": "300m", "memory": "200Mi"}, "limits": {"cpu": "300m", "memory": "200Mi"}},
    BOTH: {"requests": {"cpu": "800m", "memory": "1Gi"}, "limits": {"cpu": "800m", "memory": "1Gi"}},
    RATIO: {"requests": {"cpu": "50m", "memory": "100Mi"}, "limits": {"cpu": "80m", "memory": "128Mi"}},
}


@pytest.fixture(scope="module", autouse=True)
def rules(api: Api) -> None:
    """Make a namespace with a LimitRange each, and one with a ResourceQuota, which a controller counts first."""
    for name in RULED:
        api.make_namespace(name)
    for name, span in RANGES.items():
        made = {"metadata": {"name": "span"}, "spec": {"limits": [{"type": "Container", **span}]}}
        assert api.post(f"/api/v1/namespaces/{name}/limitranges", made).is_good
    hard = {"limits.cpu": "4", "limits.memory": "4Gi", "requests.cpu": "4", "requests.memory": "4Gi"}
    path = f"/api/v1/namespaces/{QUOTA}/resourcequotas"
    assert api.post(path, {"metadata": {"name": "all"}, "spec": {"hard": hard}}).is_good
    until("the quota", lambda: api.get(f"{path}/all").document["status"].get("hard") == hard)


@both_forms
def test_restricted_admits_it(annotations: dict[str, str], api: Api) -> None:
    """With no configuration."""
    pod = named("strict", annotations, initContainers=[container("migrate", securityContext=RESTRICTED)])

    answer = api.create(STRICT, pod)

    assert (201, "", ()) == (answer.status, answer.message, answer.warnings)
    assert "parley" == sidecar(answer.document)["name"]


@both_forms
def test_a_quota_on_cpu_limits_admits_it(annotations: dict[str, str], api: Api) -> None:
    """Where every container must have a CPU limit, the sidecar has one."""
    resources = {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "64Mi"}}

    answer = api.create(QUOTA, named("limited", annotations, containers=[container(resources=resources)]))

    assert (201, "") == (answer.status, answer.message)
    assert "500m" == sidecar(answer.document)["resources"]["limits"]["cpu"]
    assert "Burstable" == answer.document["status"]["qosClass"]


@both_forms
def test_a_guaranteed_pod_stays_guaranteed(annotations: dict[str, str], api: Api) -> None:
    """By the API server's own judgement."""
    resources = {"limits": {"cpu": "1", "memory": "1Gi"}}

    answer = api.create(QUOTA, named("fixed", annotations, containers=[container(resources=resources)]))

    assert ("parley", "Guaranteed") == (sidecar(answer.document)["name"], answer.document["status"]["qosClass"])


@both_forms
@pytest.mark.parametrize("span", RANGES)
def test_a_limit_range_that_fills_in_the_application_admits_the_sidecar(
    span: str, annotations: dict[str, str], api: Api
) -> None:
    """What the defaults show of the range, the sidecar keeps to."""
    answer = api.create(span, named("silent", annotations))

    assert (201, "") == (answer.status, answer.message)
    assert KEPT[span] == sidecar(answer.document)["resources"]


@both_forms
def test_an_annotation_fits_the_sidecar_into_a_limit_range_that_nothing_shows(
    annotations: dict[str, str], api: Api
) -> None:
    """Where the application says all itself, the API server refuses a sidecar outside, and names the limit."""
    resources: dict[str, Any] = {"limits": {"cpu": "200m", "memory": "200Mi"}}
    told = {**annotations, "parley.dev/cpu-limit": "300m", "parley.dev/memory-limit": "200Mi"}

    refused = api.create(MOST, named("large", annotations, containers=[container(resources=resources)]))
    admitted = api.create(MOST, named("fitting", told, containers=[container(resources=resources)]))

    assert 403 == refused.status
    assert "maximum cpu usage per Container is 300m, but limit is 500m" in refused.message
    assert (201, "") == (admitted.status, admitted.message)


def test_the_job_of_the_page_is_made_as_the_page_says(api: Api) -> None:
    """A Job is taken as it is, and its pod has the sidecar as a container, and a word for its owner."""
    manifest = job()

    made = api.post(f"/apis/batch/v1/namespaces/{LOOSE}/jobs?dryRun=All&fieldValidation=Strict", manifest)
    answer = api.create(LOOSE, {**manifest["spec"]["template"], "metadata": {"name": "report", **meta(manifest)}})

    assert (201, "") == (made.status, made.message)
    assert ["parley", "report"] == [entry["name"] for entry in answer.document["spec"]["containers"]]
    assert ("/v1.0/shutdown",) == tuple(text.split()[-1] for text in answer.warnings)


def meta(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return what a manifest says of its pods."""
    return dict(manifest["spec"]["template"]["metadata"])
