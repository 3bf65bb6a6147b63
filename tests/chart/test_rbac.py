"""The rights that the chart grants, in each value set: what a security scanner would ask."""

from collections.abc import Iterator

import pytest

from tests.chart.rendering import VALUE_SETS, Manifest, one, rendered, rendered_set

pytestmark = pytest.mark.control_plane  # helm is built with the control plane's programs


def rules(documents: list[Manifest]) -> Iterator[dict[str, list[str]]]:
    """Yield every rule of every role."""
    for each in documents:
        if each["kind"] in {"Role", "ClusterRole"}:
            yield from each["rules"]


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
    """All bindings are the operator's: injector and Redis have no rights."""
    documents = rendered_set(name)
    bindings = (each for each in documents if each["kind"].endswith("Binding"))
    bound = {subject["name"] for binding in bindings for subject in binding["subjects"]}
    (operator,) = (
        each["metadata"]["name"]
        for each in documents
        if each["kind"] == "ServiceAccount" and each["metadata"]["name"].endswith("-operator")
    )

    assert {operator} == bound


def test_namespaced_mode_keeps_to_its_namespaces() -> None:
    """With watchNamespaces the ClusterRole grants only what a Role cannot; the rest are Roles in those namespaces."""
    documents = rendered_set("namespaced")
    cluster = one(documents, "ClusterRole", "parley-operator")["rules"]
    places = {
        each["metadata"]["namespace"]: [resource for rule in each["rules"] for resource in rule["resources"]]
        for each in documents
        if each["kind"] == "Role"
    }

    assert ["tokenreviews", "mutatingwebhookconfigurations"] == [rule["resources"][0] for rule in cluster]
    assert ["conversationcomponents", "conversationcomponents/status", "secrets", "pods"] == places["shop"]
    assert {"shop", "billing", "parley-system"} == set(places)


def test_the_release_namespace_may_be_watched_too() -> None:
    """Watching the release's own namespace makes a second Role there, of another name."""
    documents = rendered("--set", "watchNamespaces={parley-system}")
    roles = [each["metadata"]["name"] for each in documents if each["kind"] == "Role"]

    assert ["parley-operator", "parley-operator-components"] == sorted(roles)


def test_credentials_of_a_redis_of_the_users_own() -> None:
    """The operator may read the one Secret with the external store's credentials, and not change it."""
    rule = next(
        each for each in rules(rendered_set("namespaced")) if each.get("resourceNames") == ["redis-credentials"]
    )

    assert {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]} == {
        key: value for key, value in rule.items() if key != "resourceNames"
    }
