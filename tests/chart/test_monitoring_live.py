"""Monitoring on a real API server: what it takes, what it counts, and where Prometheus finds sidecars."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.cluster import Cluster, ClusterError
from parley_crds import names
from parley_operator.injector.sidecar import METRICS_PORT_NAME
from tests.chart.exported import API_SERVER
from tests.chart.monitored import MONITORED, judged, programs
from tests.chart.rendering import NAMESPACE, one, rendered
from tests.conftest import until
from tests.control_plane.release import namespace

pytestmark = pytest.mark.control_plane

MONITORS = ("ServiceMonitor", "PodMonitor", "PrometheusRule")
STRICTLY = ("apply", "--dry-run=server", "--validate=strict", "-f", "-")
PODS = "monitored-pods"
IP = "jsonpath={.status.podIP}"
WEBHOOK = "annotated.inject.parley.dev"
DISCOVERY_S = 3
"""How long promtool collects targets: it does not end before."""


def pod(name: str, **metadata: dict[str, str]) -> dict[str, Any]:
    """Return a pod with a native sidecar whose metrics port is named as the injector names it."""
    sidecar = {
        "name": names.SIDECAR_CONTAINER,
        "image": "sidecar",
        "restartPolicy": "Always",
        "ports": [{"name": METRICS_PORT_NAME, "containerPort": names.METRICS_PORT}],
    }
    spec = {"initContainers": [sidecar], "containers": [{"name": "app", "image": "app"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **metadata}, "spec": spec}


@pytest.fixture(scope="module")
def plane(control_plane: Cluster) -> Iterator[Cluster]:
    """The control plane with the namespace that the chart is rendered for, and another one for pods."""
    with namespace(control_plane, NAMESPACE, {}), namespace(control_plane, PODS, {}):
        yield control_plane


@pytest.fixture(scope="module")
def monitored(plane: Cluster) -> Iterator[Cluster]:
    """The same with the Prometheus operator's own CRDs."""
    monitors = str(programs().monitors)
    plane.kubectl("create", "-f", monitors)
    plane.kubectl("wait", "--for=condition=Established", "-f", monitors)
    yield plane
    plane.kubectl("delete", "-f", monitors)


@pytest.mark.parametrize("kind", MONITORS)
def test_the_api_server_takes_it_strictly(monitored: Cluster, kind: str) -> None:
    """The object keeps to the Prometheus operator's CRD, unknown fields counted as errors."""
    (document,) = (each for each in rendered(*MONITORED) if each["kind"] == kind)

    assert "created (server dry run)" in monitored.kubectl(*STRICTLY, feed=json.dumps(document))
    with pytest.raises(ClusterError, match=r"unknown field \"spec.every\""):
        monitored.kubectl(*STRICTLY, feed=json.dumps(document | {"spec": {**document["spec"], "every": "30s"}}))


def test_the_api_server_takes_the_dashboards(plane: Cluster) -> None:
    """Their ConfigMaps can be applied as kubectl does it, which keeps a copy in an annotation."""
    maps = [each for each in rendered(*MONITORED) if each["kind"] == "ConfigMap" and "dash" in each["metadata"]["name"]]
    applied = plane.kubectl(*STRICTLY, feed=json.dumps({"apiVersion": "v1", "kind": "List", "items": maps}))

    assert len(maps) == applied.count("created")


@pytest.mark.parametrize(
    ("policy", "metric", "labels"),
    [
        ("Ignore", "fail_open_count", ()),
        ("Fail", "rejection_count", ('error_type="calling_webhook_error"',)),
        ("Fail", "request_total", ("code=",)),
        ("Fail", "admission_duration_seconds_bucket", ("le=",)),
    ],
)
def test_the_api_server_counts_what_alerts_ask_for(
    plane: Cluster, policy: str, metric: str, labels: tuple[str, ...]
) -> None:
    """A webhook that cannot be asked shows in the metrics and labels that rules and dashboards name."""
    settings = f"watchNamespaces={{{PODS}}},injector.url=https://127.0.0.1:1,injector.failurePolicy={policy}"
    name = "asked-parley-injector"  # it has no namespace, and other modules install a release named parley
    configuration = one(rendered("--set", settings, release="asked"), "MutatingWebhookConfiguration", name)
    asking = json.dumps(pod("asking", annotations={names.ENABLED_ANNOTATION: "true"}))

    def counted() -> list[str]:
        plane.kubectl("-n", PODS, "create", "--dry-run=server", "-f", "-", feed=asking, check=False)
        lines = plane.kubectl("get", "--raw", "/metrics").splitlines()
        ours = [line for line in lines if line.startswith(f"apiserver_admission_webhook_{metric}{{")]
        return [line for line in ours if f'name="{WEBHOOK}"' in line and all(label in line for label in labels)]

    assert f"apiserver_admission_webhook_{metric}" in API_SERVER
    plane.kubectl("apply", "-f", "-", feed=json.dumps(configuration))
    shown = until(f"{metric} of {WEBHOOK}", counted)
    plane.kubectl("delete", "mutatingwebhookconfiguration", name)
    used = {label for line in shown for label in re.findall(r"(\w+)=", line)}

    assert set() == used - API_SERVER[f"apiserver_admission_webhook_{metric}"].labels


def test_prometheus_finds_a_native_sidecar(plane: Cluster, tmp_path: Path) -> None:
    """Prometheus' own discovery, asked as the pod monitor has it asked, finds the port of an init container."""
    spec = one(rendered(*MONITORED), "PodMonitor", "parley-sidecars")["spec"]
    (endpoint,) = spec["podMetricsEndpoints"]
    (app_id,) = endpoint["relabelings"]
    labels, annotations = spec["selector"]["matchLabels"], {names.RESOLVED_APP_ID_ANNOTATION: "till"}
    till = json.dumps(pod("till", labels=labels, annotations=annotations))
    plane.kubectl("-n", PODS, "create", "-f", "-", feed=till)
    address = until("the pod's address", lambda: plane.kubectl("-n", PODS, "get", "pod", "till", "-o", IP))
    file = tmp_path / "prometheus.json"
    file.write_text(json.dumps(scrape(plane, labels, endpoint["port"], app_id)), encoding="utf-8")
    found = json.loads(judged("check", "service-discovery", f"--timeout={DISCOVERY_S}s", file, "sidecars"))
    here = (each for each in found if each["discoveredLabels"]["__meta_kubernetes_namespace"] == PODS)
    (kept,) = [each["labels"] for each in here if each.get("labels")]

    assert (f"{address}:{names.METRICS_PORT}", "till") == (kept["__address__"], kept["app_id"])


def scrape(plane: Cluster, labels: dict[str, str], port: str, app_id: dict[str, Any]) -> dict[str, Any]:
    """Return what the Prometheus operator makes of a pod monitor, as far as it decides about targets."""
    selectors = [{"role": "pod", "label": ",".join(f"{name}={value}" for name, value in labels.items())}]
    discovery = {"role": "pod", "kubeconfig_file": plane.environment()["KUBECONFIG"], "selectors": selectors}
    keep = {"action": "keep", "source_labels": ["__meta_kubernetes_pod_container_port_name"], "regex": port}
    add = {"source_labels": app_id["sourceLabels"], "target_label": app_id["targetLabel"]}
    job = {"job_name": "sidecars", "kubernetes_sd_configs": [discovery], "relabel_configs": [keep, add]}
    return {"scrape_configs": [job]}
