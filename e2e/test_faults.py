"""Pods are created at a steady rate while a part goes away: each has its sidecar, or is counted as missed and evicted.

Short forms, each fault once, of what `make bench-cluster` measures. The policy is Ignore, the chart's default, unless a
test says Fail: a pod that finds no injector is created without a sidecar, so that one that was missed is seen.
"""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest

from e2e.burst import Job, Result, Running, burst
from e2e.cluster import ClusterError
from e2e.cluster.controlplane import FAKE_NODE
from e2e.faults import Parts, add_tainted_node, kill, restart_api_server
from e2e.world import SYSTEM, Namespace, World, application, until
from parley_crds import names

pytestmark = pytest.mark.kubelet


@pytest.fixture(scope="module")
def parts(world: World) -> Parts:
    """Parley's Deployments, with a node for pods that only pretend to run."""
    add_tainted_node(world.cluster)
    return Parts(world.cluster)


@contextmanager
def pods(parts: Parts, namespace: Namespace) -> Iterator[Running]:
    """Create pods meanwhile, once all of Parley is up."""
    for part in ("injector", "operator"):
        parts.rolled(part)
    job = Job(kubeconfig=str(parts.cluster.kubeconfig), namespace=namespace.name, name="burst", least_s=4.0)
    with burst(parts.cluster, job) as running:
        yield running


def assert_none_was_missed(result: Result) -> None:
    """Compare what became of a burst's pods with what should: each is there, and has its sidecar."""
    assert (result.abandoned, list(result.missed), result.injected) == (0, [], result.created)


def test_rolling_restarts_miss_no_pod(parts: Parts, namespace: Namespace) -> None:
    """Injector and operator are replaced while pods are created: each gets its sidecar, none is refused."""
    with pods(parts, namespace) as running:
        for part in ("injector", "operator"):
            parts.kubectl("rollout", "restart", f"deployment/parley-{part}")
        for part in ("injector", "operator"):
            parts.rolled(part)
        result = running.finish()

    assert_none_was_missed(result)
    assert result.refused == 0


def test_rotated_certificates_miss_no_pod(parts: Parts, namespace: Namespace) -> None:
    """The authority comes to its end, and its successor signs, while pods are created: the API server trusts both."""
    leaf = parts.leaf()
    with pods(parts, namespace) as running:
        successor = parts.authority_near_its_end(timedelta(seconds=10))
        until("a leaf of the ending authority", lambda: parts.leaf() != leaf)
        between = parts.leaf()
        until("a leaf of its successor", lambda: parts.leaf() not in {leaf, between})
        until("it is served", lambda: parts.is_served(parts.leaf()))
        result = running.finish()

    assert_none_was_missed(result)
    assert successor in parts.trusted()


def test_a_killed_leader_misses_no_pod(parts: Parts, namespace: Namespace) -> None:
    """The operator that leads is killed while pods are created: each gets its sidecar, and somebody leads again."""
    with pods(parts, namespace) as running:
        before = parts.lease()
        kill(before["holderIdentity"])
        parts.held_again_s(before)
        result = running.finish()

    assert_none_was_missed(result)


def test_a_killed_api_server_misses_no_pod(parts: Parts, namespace: Namespace) -> None:
    """The API server is killed and comes back while pods are created: what it accepted has its sidecar."""
    with pods(parts, namespace) as running:
        restart_api_server(parts.cluster)
        result = running.finish()

    assert_none_was_missed(result)


@contextmanager
def failing_closed(world: World) -> Iterator[None]:
    """Have the chart refuse pods that cannot be given a sidecar."""
    world.upgrade("injector.failurePolicy=Fail")
    try:
        yield
    finally:
        world.cluster.helm("rollback", "parley", "--namespace", SYSTEM, "--wait", "--timeout", "5m")


def test_with_fail_killed_injectors_miss_no_pod(world: World, parts: Parts, namespace: Namespace) -> None:
    """Both are killed while pods are created: some are refused, and created again, none without its sidecar."""
    with failing_closed(world), pods(parts, namespace) as running:
        for pod in parts.pods("injector"):
            kill(pod)
        result = running.finish()

    assert_none_was_missed(result)
    assert result.refused > 0


def test_missed_pods_are_counted_and_evicted(parts: Parts, namespace: Namespace) -> None:
    """While no injector lives pods are missed: each is counted, and one of a Deployment is evicted."""
    with pods(parts, namespace) as running:
        first = missed_of_a_deployment(parts, namespace)
        missed = {*first, *running.finish().missed}
        until("all are counted", lambda: counted(parts, namespace) >= len(missed))
        until("one is evicted", lambda: not first <= without_sidecar(namespace), limit_s=240.0)

    assert first < missed


def missed_of_a_deployment(parts: Parts, namespace: Namespace) -> set[str]:
    """Kill injectors, again where they come back, until a growing Deployment has a pod without a sidecar; name it."""
    replicas = itertools.count(1)

    def missed() -> set[str]:
        for pod in parts.pods("injector"):
            with suppress(ClusterError):  # one that is not back yet
                kill(pod)
        namespace.apply(pretended("shop", next(replicas)))
        return without_sidecar(namespace)

    return until("a pod of a Deployment is missed", missed)


def pretended(name: str, replicas: int) -> dict[str, Any]:
    """Return a Deployment whose pods only pretend to run: it is up at once."""
    document = application(name, replicas)
    document["spec"]["template"]["spec"]["nodeName"] = FAKE_NODE
    return document


def without_sidecar(namespace: Namespace) -> set[str]:
    """Name the Deployment's pods that have none."""
    chosen = f"app=shop,{names.INJECTED_LABEL}!=true"
    path = "jsonpath={.items[*].metadata.name}"
    return set(namespace.cluster.kubectl("-n", namespace.name, "get", "pods", "-l", chosen, "-o", path).split())


def counted(parts: Parts, namespace: Namespace) -> float:
    """Return how many pods of a namespace the leader counts as missed."""
    return parts.metric(parts.leader(), "parley_operator_missed_pods", f'namespace="{namespace.name}"')
