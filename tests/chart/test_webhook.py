"""The webhook configuration's entries. What they match is tried on a real API server, in tests/control_plane."""

from typing import Any

import pytest

from tests.chart.rendering import one, rendered

pytestmark = pytest.mark.control_plane  # helm is built with the control plane's programs


def entries(*flags: str) -> list[dict[str, Any]]:
    """Return the configuration's entries."""
    return list(one(rendered(*flags), "MutatingWebhookConfiguration", "parley-injector")["webhooks"])


def test_entries_ask_for_new_pods_only() -> None:
    """Every entry is called when a pod is created and at no other time, has no side effects and five seconds."""
    for entry in entries():
        (rule,) = entry["rules"]

        assert (["CREATE"], [""], ["v1"], ["pods"], "Namespaced") == tuple(
            rule[key] for key in ("operations", "apiGroups", "apiVersions", "resources", "scope")
        )
        assert ("None", 5, "IfNeeded", ["v1"]) == tuple(
            entry[key] for key in ("sideEffects", "timeoutSeconds", "reinvocationPolicy", "admissionReviewVersions")
        )


def test_entries_leave_the_authorities_to_the_operator() -> None:
    """No entry mentions caBundle: an upgrade would wipe what the operator wrote."""
    assert not any("caBundle" in entry["clientConfig"] for entry in entries())


def test_entries_find_the_service() -> None:
    """Each entry names the injector's Service and a path of its own."""
    services = [entry["clientConfig"]["service"] for entry in entries()]

    assert [
        {"namespace": "parley-system", "name": "parley-injector", "port": 443, "path": "/inject"},
        {"namespace": "parley-system", "name": "parley-injector", "port": 443, "path": "/inject-namespace"},
    ] == services


def test_entries_find_a_url() -> None:
    """With injector.url the API server calls that instead."""
    configurations = [entry["clientConfig"] for entry in entries("--set", "injector.url=https://127.0.0.1:8443")]

    assert [
        {"url": "https://127.0.0.1:8443/inject"},
        {"url": "https://127.0.0.1:8443/inject-namespace"},
    ] == configurations


def test_entries_leave_out_the_system() -> None:
    """No entry sees pods of the system, of node leases, or of the release's own namespace."""
    for entry in entries():
        excluded = entry["namespaceSelector"]["matchExpressions"][0]

        assert "kubernetes.io/metadata.name" == excluded["key"]
        assert ("NotIn", {"kube-system", "kube-node-lease", "parley-system"}) == (
            excluded["operator"],
            set(excluded["values"]),
        )


def test_entries_keep_to_the_watched_namespaces() -> None:
    """With watchNamespaces pods elsewhere are not sent."""
    expected = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["shop", "billing"]}

    for entry in entries("--set", "watchNamespaces={shop,billing}"):
        assert expected in entry["namespaceSelector"]["matchExpressions"]


def test_a_second_attempt_is_for_pods_without_a_sidecar() -> None:
    """Later attempts see only pods that got none, and the last one alone may refuse them."""
    flags = ("--set", "injector.attempts=2,injector.failurePolicy=Fail")
    seen = [(entry["name"], len(entry["matchConditions"]), entry["failurePolicy"]) for entry in entries(*flags)]

    assert [
        ("annotated.inject.parley.dev", 1, "Ignore"),
        ("namespace.inject.parley.dev", 1, "Ignore"),
        ("annotated-2.inject.parley.dev", 2, "Fail"),
        ("namespace-2.inject.parley.dev", 2, "Fail"),
    ] == seen
