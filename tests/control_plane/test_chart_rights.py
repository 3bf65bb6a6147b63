"""What the chart's service accounts may do, by the judgement of a real API server."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import pytest

from e2e.cluster import Cluster
from tests.control_plane.release import CHART, Release, namespace

pytestmark = pytest.mark.control_plane

SYSTEM, SHOP, OTHER = "rights-system", "rights-shop", "rights-other"
ANYBODY = f"system:serviceaccount:{OTHER}:default"
NAME = "rights-parley"
OWN_SECRETS = tuple(f"{NAME}-{suffix}" for suffix in ("ca", "tls", "store", "context-key"))

Value = TypeVar("Value")
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
    ("list", "", "pods", ()),
    ("get", "apps", "replicasets", ()),
    ("get", "batch", "jobs", ()),
    ("create", "", "events", ()),
}
OPTED_IN: dict[str, set[Rule]] = {
    "missedPods.evict=true": {("create", "", "pods/eviction", ())},
    "outdatedSidecars.restart=true": {
        (verb, "apps", resource, ())
        for verb in ("get", "patch")
        for resource in ("deployments", "statefulsets", "daemonsets")
    },
    "dapr.readComponents=true": {(verb, "dapr.io", "components", ()) for verb in ("get", "list", "watch")},
}
"""What a value adds wherever the operator serves; that each adds its own alone is seen in tests/chart/test_rbac.py."""
EVERYTHING = set().union(*OPTED_IN.values())
AT_HOME: set[Rule] = {
    ("get", "", "secrets", OWN_SECRETS),
    ("patch", "", "secrets", OWN_SECRETS),
    ("get", "coordination.k8s.io", "leases", (f"{NAME}-operator",)),
    ("update", "coordination.k8s.io", "leases", (f"{NAME}-operator",)),
    ("create", "coordination.k8s.io", "leases", ()),
    ("list", "discovery.k8s.io", "endpointslices", ()),
}


@dataclass(frozen=True, slots=True)
class Mode:
    """How the chart is rendered."""

    watches: bool
    """Whether it serves SHOP alone."""
    more: frozenset[Rule] = frozenset()
    """What is opted in."""

    @property
    def values(self) -> str:
        """Return it as Helm's values."""
        opted_in = [value for value, rules in OPTED_IN.items() if rules <= self.more]
        return ",".join([*opted_in, *([f"watchNamespaces={{{SHOP}}}"] if self.watches else [])])

    def wanted(self) -> dict[str, set[Rule]]:
        """Return the operator's rights in each namespace: elsewhere it has only what no Role can give."""
        serving = CLUSTER_WIDE | WHERE_IT_SERVES | self.more
        if self.watches:
            its_own = {("get", "", "namespaces", (SHOP,))}
            return {SYSTEM: CLUSTER_WIDE | AT_HOME, SHOP: serving | its_own, OTHER: CLUSTER_WIDE}
        serving |= {("list", "", "namespaces", ())}
        return {SYSTEM: serving | AT_HOME, SHOP: serving, OTHER: serving}


PLAIN = [Mode(watches=False), Mode(watches=True)]
OPTED = [Mode(watches=False, more=frozenset(EVERYTHING)), Mode(watches=True, more=frozenset(EVERYTHING))]


@pytest.fixture(scope="module")
def places(control_plane: Cluster) -> Iterator[Release]:
    """The release, not installed yet, and the namespaces."""
    with ExitStack() as stack:
        for name in (SYSTEM, SHOP, OTHER):
            stack.enter_context(namespace(control_plane, name))
        control_plane.kubectl(
            "apply", "--server-side", "--force-conflicts", "-f", "-", feed=template(control_plane, "crd")
        )
        control_plane.kubectl("wait", "--for=condition=Established", "crd/conversationcomponents.parley.dev")
        yield Release(control_plane, NAME, SYSTEM)


def template(cluster: Cluster, name: str, *flags: str) -> str:
    """Render one of the chart's templates."""
    place = ("--namespace", SYSTEM, "--kube-version", "1.36.0", "--show-only", f"templates/{name}.yaml")
    return cluster.helm("template", NAME, str(CHART), *place, *flags)


@pytest.fixture(scope="module", params=[*PLAIN, *OPTED], ids=["all", "one", "all opted in", "one opted in"])
def mode(request: pytest.FixtureRequest, places: Release) -> Iterator[Mode]:
    """The chart's roles and bindings, in one mode."""
    mode: Mode = request.param
    manifests = template(places.cluster, "rbac", "--set", mode.values)
    places.cluster.kubectl("apply", "-f", "-", feed=manifests)
    yield mode
    places.cluster.kubectl("delete", "-f", "-", feed=manifests)


@cache
def anybodys(cluster: Cluster, place: str) -> set[Rule]:
    """Return what every account may do in a namespace."""
    return granted(cluster, ANYBODY, place)


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


def rules(places: Release, user: str) -> dict[str, set[Rule]]:
    """Return everything that a user may do in each namespace, beyond what every account may."""
    cluster = places.cluster
    return {place: granted(cluster, user, place) - anybodys(cluster, place) for place in (SYSTEM, SHOP, OTHER)}


def test_the_operator_has_these_rights_and_no_others(places: Release, mode: Mode) -> None:
    """With watchNamespaces it has elsewhere only what no Role can give; without, it serves everywhere."""
    expected = mode.wanted()
    actual = settled(lambda: rules(places, places.operator), expected)

    assert expected == actual


@pytest.mark.parametrize("part", ["injector", "redis"])
def test_the_others_have_no_rights(places: Release, mode: Mode, part: str) -> None:
    """Injector and Redis may do what every account may, and nothing more."""
    expected: dict[str, set[Rule]] = {SYSTEM: set(), SHOP: set(), OTHER: set()}

    assert expected == rules(places, places.account(f"{NAME}-{part}"))


def settled(ask: Callable[[], Value], expected: Value) -> Value:
    """Ask until the answer is the expected one, for ten seconds: the API server hears of new roles a little later."""
    end = time.monotonic() + 10
    while (actual := ask()) != expected and time.monotonic() < end:
        time.sleep(0.1)
    return actual


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
@pytest.mark.parametrize("mode", PLAIN, indirect=True, ids=["all", "one"])
def test_what_the_operator_may_do(places: Release, mode: Mode, answer: str, question: str) -> None:
    """What matters most, asked one by one: the same in both modes."""
    said = places.cluster.kubectl("auth", "can-i", *question.split(), "--as", places.operator, check=False)

    assert answer == said.split()[0]
