"""What the chart's service accounts may do, by the judgement of a real API server."""

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from e2e.cluster import Cluster
from tests.control_plane.release import Release, namespace

pytestmark = pytest.mark.control_plane

SYSTEM, SHOP, OTHER = "rights-system", "rights-shop", "rights-other"
ANYBODY = f"system:serviceaccount:{OTHER}:default"
NAME = "rights-parley"
OWN_SECRETS = tuple(f"{NAME}-{suffix}" for suffix in ("ca", "tls", "store", "context-key"))

Rule = tuple[str, str, str, tuple[str, ...]]
"""Verb, API group, resource, names."""

CLUSTER_WIDE: set[Rule] = {
    ("create", "authentication.k8s.io", "tokenreviews", ()),
    ("get", "admissionregistration.k8s.io", "mutatingwebhookconfigurations", (f"{NAME}-injector",)),
    ("patch", "admissionregistration.k8s.io", "mutatingwebhookconfigurations", (f"{NAME}-injector",)),
}
WHERE_IT_SERVES: set[Rule] = {
    ("get", "parley.dev", "conversationcomponents", ()),
    ("list", "parley.dev", "conversationcomponents", ()),
    ("watch", "parley.dev", "conversationcomponents", ()),
    ("patch", "parley.dev", "conversationcomponents/status", ()),
    ("get", "", "secrets", ()),
    ("get", "", "pods", ()),
}
AT_HOME: set[Rule] = {
    ("get", "", "secrets", OWN_SECRETS),
    ("patch", "", "secrets", OWN_SECRETS),
    ("get", "coordination.k8s.io", "leases", (f"{NAME}-operator",)),
    ("update", "coordination.k8s.io", "leases", (f"{NAME}-operator",)),
    ("create", "coordination.k8s.io", "leases", ()),
    ("list", "discovery.k8s.io", "endpointslices", ()),
}


@pytest.fixture(scope="module")
def places(control_plane: Cluster) -> Iterator[Release]:
    """The release, not installed yet, and the namespaces."""
    with ExitStack() as stack:
        for name in (SYSTEM, SHOP, OTHER):
            stack.enter_context(namespace(control_plane, name))
        yield Release(control_plane, NAME, SYSTEM)


@pytest.fixture(scope="module", params=["all namespaces", "one namespace"])
def mode(request: pytest.FixtureRequest, places: Release) -> Iterator[str]:
    """The chart installed to serve all namespaces, or SHOP alone."""
    values = () if request.param == "all namespaces" else (f"watchNamespaces={{{SHOP}}}",)
    with places.installed(*values):
        yield request.param


def rules(cluster: Cluster, user: str, place: str) -> set[Rule]:
    """Ask the API server for everything that a user may do in a namespace, beyond what every account may."""
    return granted(cluster, user, place) - granted(cluster, ANYBODY, place)


def granted(cluster: Cluster, user: str, place: str) -> set[Rule]:
    """Ask the API server for everything that a user may do in a namespace."""
    kind = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview"}
    how = ("create", "--validate=false", "--as", user, "-o", "json", "-f", "-")
    answer = cluster.kubectl(*how, feed=json.dumps({**kind, "spec": {"namespace": place}}))
    return {
        (verb, group, resource, tuple(rule.get("resourceNames", ())))
        for rule in json.loads(answer)["status"]["resourceRules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def test_the_operator_has_these_rights_and_no_others(places: Release, mode: str) -> None:
    """With watchNamespaces it has elsewhere only what no Role can give; without, it serves everywhere."""
    elsewhere = CLUSTER_WIDE | WHERE_IT_SERVES if mode == "all namespaces" else CLUSTER_WIDE
    actual = {place: rules(places.cluster, places.operator, place) for place in (SYSTEM, SHOP, OTHER)}

    assert {SYSTEM: elsewhere | AT_HOME, SHOP: CLUSTER_WIDE | WHERE_IT_SERVES, OTHER: elsewhere} == actual


@pytest.mark.parametrize("part", ["injector", "redis"])
def test_the_others_have_no_rights(places: Release, mode: str, part: str) -> None:
    """Injector and Redis may do what every account may, and nothing more."""
    assert set() == rules(places.cluster, places.account(f"{NAME}-{part}"), SYSTEM)


@pytest.mark.parametrize(
    ("answer", "question"),
    [
        ("yes", f"list conversationcomponents -n {SHOP}"),
        ("yes", f"patch conversationcomponents/gpt --subresource=status -n {SHOP}"),
        ("no", f"patch conversationcomponents/gpt -n {SHOP}"),
        ("no", f"delete conversationcomponents/gpt -n {SHOP}"),
        ("yes", f"get secrets/openai -n {SHOP}"),
        ("no", f"list secrets -n {SHOP}"),
        ("no", f"watch secrets -n {SYSTEM}"),
        ("no", f"patch secrets/openai -n {SHOP}"),
        ("yes", f"patch secrets/{NAME}-tls -n {SYSTEM}"),
        ("no", f"create secrets -n {SYSTEM}"),
        ("yes", f"patch mutatingwebhookconfigurations/{NAME}-injector"),
        ("no", "patch mutatingwebhookconfigurations/another"),
        ("yes", "create tokenreviews"),
        ("yes", f"get pods/app -n {SHOP}"),
        ("no", f"create pods -n {SYSTEM}"),
        ("no", f"create pods/app --subresource=exec -n {SHOP}"),
        ("no", f"create serviceaccounts/{NAME}-operator --subresource=token -n {SYSTEM}"),
    ],
)
def test_what_the_operator_may_do(places: Release, mode: str, answer: str, question: str) -> None:
    """What matters most, asked one by one: the same in both modes."""
    said = places.cluster.kubectl("auth", "can-i", *question.split(), "--as", places.operator, check=False)

    assert answer == said.split()[0]
