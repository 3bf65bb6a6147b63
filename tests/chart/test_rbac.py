"""The rights that the chart grants, in each value set: what a security scanner would ask."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.chart.rendering import VALUE_SETS, Manifest, one, pods, rendered, rendered_set

pytestmark = pytest.mark.control_plane  # helm is built with the control plane's programs


def rules(documents: list[Manifest]) -> Iterator[dict[str, list[str]]]:
    """Yield every rule of every role."""
    for each in documents:
        if each["kind"] in {"Role", "ClusterRole"}:
            yield from each["rules"]


def fullname(value_set: str) -> str:
    """Return what the objects of a value set's render are called after."""
    return "llm" if value_set == "assigned-ids" else "parley"


@pytest.mark.parametrize("name", VALUE_SETS)
def test_no_wildcards(name: str) -> None:
    """No rule says "all" of anything."""
    for rule in rules(rendered_set(name)):
        assert "*" not in {*rule["verbs"], *rule["resources"], *rule["apiGroups"]}


@pytest.mark.parametrize("name", VALUE_SETS)
def test_secrets_only_by_name(name: str) -> None:
    """Nobody lists or watches Secrets; writing is limited to the chart's own by name."""
    for rule in (each for each in rules(rendered_set(name)) if "secrets" in each["resources"]):
        assert set(rule["verbs"]) <= ({"get", "patch"} if "resourceNames" in rule else {"get"})


@pytest.mark.parametrize("name", VALUE_SETS)
def test_webhook_configurations_only_ours(name: str) -> None:
    """The right to change webhook configurations names the chart's own."""
    documents = rendered_set(name)
    (configuration,) = (each for each in documents if each["kind"] == "MutatingWebhookConfiguration")
    (rule,) = (each for each in rules(documents) if "mutatingwebhookconfigurations" in each["resources"])

    assert [configuration["metadata"]["name"]] == rule["resourceNames"]
    assert ["get", "patch"] == rule["verbs"]


@pytest.mark.parametrize("name", VALUE_SETS)
def test_only_the_operator_is_bound(name: str) -> None:
    """All bindings are the account's of the operator's pods, but for the trial's: injector and Redis have no rights."""
    documents = [each for each in rendered_set(name) if each["metadata"]["name"] != f"{fullname(name)}-selftest"]
    bindings = (each for each in documents if each["kind"].endswith("Binding"))
    bound = {subject["name"] for binding in bindings for subject in binding["subjects"]}
    accounts = {spec["serviceAccountName"] for name, spec in pods(documents).items() if name.endswith("-operator")}

    assert accounts == bound


def test_namespaced_mode_keeps_to_its_namespaces() -> None:
    """With watchNamespaces the ClusterRole grants only what a Role cannot; the rest are Roles in those namespaces."""
    documents = rendered_set("namespaced")
    cluster = one(documents, "ClusterRole", "parley-operator")["rules"]
    roles = {(each["metadata"]["namespace"], each["metadata"]["name"]) for each in documents if each["kind"] == "Role"}

    assert ["tokenreviews", "mutatingwebhookconfigurations"] == [rule["resources"][0] for rule in cluster]
    assert {
        ("shop", "parley-operator-components"),
        ("billing", "parley-operator-components"),
        ("parley-system", "parley-operator"),
        ("shop", "parley-selftest"),
    } == roles


def test_the_release_namespace_may_be_watched_too() -> None:
    """Watching the release's own namespace makes a second Role there; `helm test` has no place then."""
    documents = rendered("--set", "watchNamespaces={parley-system}")
    roles = [each["metadata"]["name"] for each in documents if each["kind"] == "Role"]

    assert ["parley-operator", "parley-operator-components"] == sorted(roles)


@pytest.mark.parametrize(
    ("name", "filled", "read"),
    [
        ("default", ["parley-ca", "parley-tls", "parley-store", "parley-context-key"], []),
        ("cert-manager", ["parley-ca", "parley-store", "parley-context-key"], ["parley-tls"]),
        (
            "namespaced",
            ["parley-ca", "parley-store", "parley-context-key"],
            ["parley-certificate", "redis-credentials"],
        ),
    ],
)
def test_which_secrets_are_filled_and_which_read(name: str, filled: list[str], read: list[str]) -> None:
    """The operator may write the Secrets that the chart made for it, and read those that somebody else fills."""
    documents = rendered_set(name)
    granted = {
        tuple(rule["verbs"]): rule["resourceNames"]
        for rule in one(documents, "Role", "parley-operator")["rules"]
        if rule["resources"] == ["secrets"]
    }

    assert {("get", "patch"): filled} | ({("get",): read} if read else {}) == granted
    assert filled == [each["metadata"]["name"] for each in documents if each["kind"] == "Secret"]


@pytest.mark.parametrize(
    ("value", "added"),
    [
        ("missedPods.evict", [(("pods/eviction",), ("create",))]),
        ("outdatedSidecars.restart", [(("deployments", "statefulsets", "daemonsets"), ("get", "patch"))]),
        ("dapr.readComponents", [(("components",), ("get", "list", "watch"))]),
    ],
)
@pytest.mark.parametrize("mode", ["", "watchNamespaces={shop},"])
def test_what_is_opted_in_adds_its_own_rights_alone(mode: str, value: str, added: list[Any]) -> None:
    """Each value that has the operator do more gives it what that needs, and nothing else."""

    def granted(is_on: str) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
        documents = rendered("--set", f"{mode}{value}={is_on}")
        return [(tuple(rule["resources"]), tuple(rule["verbs"])) for rule in rules(documents)]

    assert added == [rule for rule in granted("true") if rule not in granted("false")]
