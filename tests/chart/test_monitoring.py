"""What the chart renders for Prometheus and Grafana, and its alerts as promtool judges them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from parley_crds import names
from parley_operator.injector.sidecar import METRICS_PORT_NAME
from tests.chart.monitored import ALERTS, DASHBOARDS, MONITORED, QUERIES, RULE_TESTS, RULES, judged
from tests.chart.rendering import CHART, NAMESPACE, ROOT, Manifest, one, rendered, run

pytestmark = pytest.mark.control_plane  # helm and promtool are built with the control plane's programs

MONITORS = {"ServiceMonitor", "PodMonitor", "PrometheusRule"}


def monitor(kind: str, *flags: str, name: str = "parley") -> Any:
    """Render with monitoring on and return the spec of one object."""
    return one(rendered(*MONITORED, *flags), kind, name)["spec"]


def is_dashboard(document: Manifest) -> bool:
    """Say whether an object is a dashboard's ConfigMap."""
    return bool(document["kind"] == "ConfigMap" and "-dashboard-" in document["metadata"]["name"])


def test_monitoring_is_off_by_default() -> None:
    """A cluster without the Prometheus operator gets no object of its kinds, and one without Grafana no dashboard."""
    documents = rendered()

    assert not MONITORS & {each["kind"] for each in documents}
    assert not any(map(is_dashboard, documents))


@pytest.mark.parametrize("release", ["parley", "llm"])
def test_the_service_monitor_finds_operator_and_injector(release: str) -> None:
    """It selects the two Services with the metrics port, once each, and no other Service has that port's name."""
    documents = rendered(*MONITORED, release=release)
    fullname = "parley" if release == "parley" else "llm-parley"
    spec = one(documents, "ServiceMonitor", fullname)["spec"]
    (component,) = spec["selector"]["matchExpressions"]
    selected = {
        each["metadata"]["name"]: [port for port in each["spec"]["ports"] if port["name"] == "metrics"]
        for each in documents
        if each["kind"] == "Service"
        and spec["selector"]["matchLabels"].items() <= each["metadata"]["labels"].items()
        and each["metadata"]["labels"][component["key"]] in component["values"]
    }
    ports = [{"name": "metrics", "port": names.METRICS_PORT, "targetPort": "metrics"}]

    assert [NAMESPACE] == spec["namespaceSelector"]["matchNames"]
    assert [("metrics", True)] == [(each["port"], each["honorLabels"]) for each in spec["endpoints"]]
    expected = {f"{fullname}-operator": ports, f"{fullname}-injector": ports, f"{fullname}-operator-peers": []}
    assert expected == selected


@pytest.mark.parametrize(
    ("flags", "where"),
    [((), {"any": True}), (("--set", "watchNamespaces={shop,bank}"), {"matchNames": ["shop", "bank"]})],
)
def test_the_pod_monitor_finds_sidecars(flags: tuple[str, ...], where: dict[str, Any]) -> None:
    """It selects the injector's label and port name, where pods are served, and adds the application."""
    spec = monitor("PodMonitor", *flags, name="parley-sidecars")
    (endpoint,) = spec["podMetricsEndpoints"]
    (relabeling,) = endpoint["relabelings"]
    annotation = re.sub(r"[^a-zA-Z0-9_]", "_", names.RESOLVED_APP_ID_ANNOTATION)

    assert ({names.INJECTED_LABEL: "true"}, where) == (spec["selector"]["matchLabels"], spec["namespaceSelector"])
    assert METRICS_PORT_NAME == endpoint["port"]
    assert not endpoint.get("honorLabels"), "a pod could show its numbers as another's"
    assert [f"__meta_kubernetes_pod_annotation_{annotation}"] == relabeling["sourceLabels"]


@pytest.mark.parametrize(("kind", "value"), [("ServiceMonitor", "serviceMonitor"), ("PodMonitor", "podMonitor")])
def test_monitors_follow_their_values(kind: str, value: str) -> None:
    """Interval and labels are the user's; ours stay beside them."""
    place = f"monitoring.{value}"
    flags = ("--set", f"{place}.interval=15s,{place}.labels.release=prometheus")
    (found,) = (each for each in rendered(*MONITORED, *flags) if each["kind"] == kind)
    ((endpoint,),) = (found["spec"][part] for part in ("endpoints", "podMetricsEndpoints") if part in found["spec"])

    assert "15s" == endpoint["interval"]
    assert {"release": "prometheus", "app.kubernetes.io/part-of": "parley"}.items() <= found["metadata"][
        "labels"
    ].items()


def test_the_rules_are_the_files() -> None:
    """The rule object holds the file's groups, each alert with the address of its section in the runbooks."""
    spec = monitor("PrometheusRule", "--set", "monitoring.prometheusRule.runbookUrl=https://example.com/runbooks")
    addresses = {
        rule["alert"]: rule["annotations"].pop("runbook_url") for group in spec["groups"] for rule in group["rules"]
    }

    assert RULES == spec
    assert {alert["alert"]: f"https://example.com/runbooks#{alert['alert'].lower()}" for alert in ALERTS} == addresses


def test_runbooks_are_in_the_repository_by_default() -> None:
    """Without a value the address is the page's place here."""
    (first, *_) = monitor("PrometheusRule")["groups"][0]["rules"]

    page, _, anchor = first["annotations"]["runbook_url"].partition("#")
    assert f"## {first['alert']}" in (ROOT / page).read_text(encoding="utf-8")
    assert anchor == first["alert"].lower()


def test_an_alert_can_be_left_out() -> None:
    """The alerts that the values name are not rendered, and no empty group is left; an unknown name is an error."""
    place = "monitoring.prometheusRule.without"
    sidecars = [rule["alert"] for rule in RULES["groups"][-1]["rules"]]
    groups = monitor("PrometheusRule", "--set", f"{place}={{{','.join(sidecars)}}}")["groups"]
    flags = ("--kube-version", "1.36.0", *MONITORED, "--set", f"{place}={{ParleyTypo}}")
    refused = run("template", "parley", str(CHART), *flags)

    assert [group["name"] for group in RULES["groups"][:-1]] == [group["name"] for group in groups]
    assert refused.returncode
    assert "there is no alert ParleyTypo" in refused.stderr


def test_alerts_are_about_our_webhooks() -> None:
    """What is asked of the API server's metrics is asked by the names of the chart's webhooks, and by no others."""
    documents = rendered("--set", "injector.attempts=3")
    (configuration,) = (each for each in documents if each["kind"] == "MutatingWebhookConfiguration")
    patterns = {
        pattern
        for query in (query for queries in QUERIES.values() for query in queries if "apiserver_" in query)
        for pattern in re.findall(r'\bname=~"([^"]*)"', query)
    }

    assert 1 == len(patterns)
    (pattern,) = patterns
    assert all(re.fullmatch(pattern, webhook["name"]) for webhook in configuration["webhooks"])
    assert not re.fullmatch(pattern, "annotated.inject.example.com")


def test_promtool_finds_nothing(tmp_path: Path) -> None:
    """The rules as they are rendered keep to Prometheus' syntax and to its linter."""
    rules = tmp_path / "alerts.yaml"
    rules.write_text(yaml.safe_dump(monitor("PrometheusRule")), encoding="utf-8")

    assert f"{len(ALERTS)} rules found" in judged("check", "rules", "--lint=all", "--lint-fatal", rules)


def test_alerts_fire_and_stay_silent_as_they_should() -> None:
    """Each alert fires for what it is about, with its sentences, and for nothing else; see tests/chart/rules."""
    told = judged("test", "rules", *RULE_TESTS)

    assert len(RULE_TESTS) == told.count("SUCCESS")


@pytest.mark.parametrize("name", DASHBOARDS)
def test_dashboards_ask_in_promql(name: str, tmp_path: Path) -> None:
    """Prometheus can read every query of a dashboard, with Grafana's variables filled in."""
    filled = [re.sub(r"\$__\w+", "5m", query).replace("$", "") for query in QUERIES[name]]
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(filled)]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": name, "rules": rules}]}), encoding="utf-8")

    assert f"{len(filled)} rules found" in judged("check", "rules", file)


def test_dashboards_are_the_files() -> None:
    """Each dashboard is a ConfigMap under the label that Grafana's sidecar looks for, with the user's annotations."""
    folder = ("--set", "monitoring.dashboard.annotations.grafana_folder=Parley")
    found = {each["metadata"]["name"]: each for each in rendered(*MONITORED, *folder) if is_dashboard(each)}
    expected = {f"parley-dashboard-{name}": {f"parley-{name}.json": DASHBOARDS[name]} for name in DASHBOARDS}

    assert expected == {
        name: {file: json.loads(text) for file, text in each["data"].items()} for name, each in found.items()
    }
    assert all("1" == each["metadata"]["labels"]["grafana_dashboard"] for each in found.values())
    assert all({"grafana_folder": "Parley"} == each["metadata"]["annotations"] for each in found.values())
