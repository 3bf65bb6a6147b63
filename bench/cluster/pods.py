"""Two thousand pods of Deployments, injected one and all: rate, and the injector's time for each."""

import json
import os
import time
from collections.abc import Iterator
from functools import partial
from typing import Final

from bench.cluster.figures import Figure, quantile_of_buckets
from bench.cluster.flood import samples
from bench.cluster.places import Injector, Plain, asked, deployment, idle_pods, injector, say
from bench.machine import cores
from bench.processes import BenchError, Starter
from e2e.burst import Result, burst
from e2e.cluster import Cluster
from parley_crds import names

NAMESPACE: Final = "bench-pods"
DEPLOYMENTS: Final = 20
EACH: Final = 100
PATIENCE_S: Final = 600.0
POLL_S: Final = 0.5
PACED: Final = 1000
PACE_PER_S: Final = 100.0
Buckets = list[tuple[float, float]]
CALLED: Final = "apiserver_admission_webhook_admission_duration_seconds_bucket"


def pods(place: Plain, starter: Starter) -> Iterator[Figure]:
    """Create them, and read both sides' histograms."""
    cluster, count = place.cluster, DEPLOYMENTS * EACH
    fresh_namespace(cluster, NAMESPACE)
    every_core = cores(os.sched_getaffinity(0)).others + cores(os.sched_getaffinity(0)).server
    with injector(starter, every_core) as running, asked(cluster, running, NAMESPACE):
        before = _called(cluster)
        say(f"{count} pods of {DEPLOYMENTS} Deployments")
        manifests = [deployment(f"app-{number}", EACH) for number in range(DEPLOYMENTS)]
        began_s = time.monotonic()
        _apply(cluster, *manifests)
        created_s = _until(cluster, "replicas", count) - began_s
        running_s = _until(cluster, "readyReplicas", count) - began_s
        after, own = _called(cluster), _taken(running)
        paced = _paced(cluster)
        last, own_last = _called(cluster), _taken(running)
    injected = _count(cluster, "-l", f"{names.INJECTED_LABEL}=true")
    missed = _count(cluster) - injected
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    figure = partial(Figure, run="pods")
    yield figure(quantity="pods without a sidecar", value=missed, must=0)
    yield figure(quantity="pods injected", value=injected)
    yield figure(quantity="created and injected per second", value=count / created_s, unit="/s")
    yield figure(quantity="until all are Running", value=running_s, unit="s")
    inside = "p99 in the injector, from its histogram"
    yield figure(quantity=inside, value=_p99_ms([], own), unit="ms")
    seen = "p99 seen by the API server, from its histogram"
    yield figure(quantity=seen, value=_p99_ms(before, after), unit="ms")
    yield figure(quantity="then one by one: pods per second", value=paced.per_s, unit="/s")
    yield figure(quantity="of these without a sidecar", value=len(paced.missed), must=0)
    yield figure(quantity=f"of these, {inside}", value=_p99_ms(own, own_last), unit="ms", must=20, reach=10)
    yield figure(quantity=f"of these, {seen}", value=_p99_ms(after, last), unit="ms", must=50)
    yield figure(quantity="of these, p99 of a create", value=paced.p99_ms, unit="ms")


def _paced(cluster: Cluster) -> Result:
    """Create pods at a pace that leaves room; nobody plays them."""
    say(f"{PACED} pods at {PACE_PER_S:.0f} a second")
    job = idle_pods(cluster, "paced", PACED, PATIENCE_S, namespace=NAMESPACE, per_s=PACE_PER_S)
    with burst(cluster, job) as running:
        return running.finish()


def _p99_ms(before: Buckets, after: Buckets) -> float:
    """Return the 99th percentile of what was counted in between."""
    earlier = dict(before)
    between = [(bound, count - earlier.get(bound, 0.0)) for bound, count in after]
    return quantile_of_buckets(between, 0.99) * 1e3


def fresh_namespace(cluster: Cluster, name: str) -> None:
    """Have an empty namespace with its service account."""
    cluster.kubectl("delete", "namespace", name, "--ignore-not-found")
    cluster.kubectl("create", "namespace", name)
    end = time.monotonic() + PATIENCE_S
    while not cluster.kubectl("-n", name, "get", "serviceaccount", "default", "--ignore-not-found").strip():
        if time.monotonic() > end:
            raise BenchError(f"{name} gets no service account")
        time.sleep(POLL_S)


def _apply(cluster: Cluster, *manifests: object) -> None:
    feed = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
    cluster.kubectl("-n", NAMESPACE, "create", "-f", "-", feed=feed)


def _until(cluster: Cluster, count: str, wanted: int) -> float:
    """Wait until the Deployments count so many; return when, by the monotonic clock."""
    read = ("-n", NAMESPACE, "get", "deployments", "-o", f"jsonpath={{.items[*].status.{count}}}")
    end = time.monotonic() + PATIENCE_S
    while (found := sum(map(int, cluster.kubectl(*read).split()))) < wanted:
        if time.monotonic() > end:
            raise BenchError(f"{found} of {wanted} {count} after {PATIENCE_S:.0f} s")
        time.sleep(POLL_S)
    return time.monotonic()


def _count(cluster: Cluster, *chosen: str) -> int:
    return len(cluster.kubectl("-n", NAMESPACE, "get", "pods", "-o", "name", *chosen).split())


def _taken(running: Injector) -> Buckets:
    """Return the injector's own histogram."""
    return _buckets(running.metrics(), "parley_injector_duration_seconds_bucket")


def _called(cluster: Cluster) -> Buckets:
    """Return the API server's histogram of its calls to us."""
    text = cluster.kubectl("get", "--raw", "/metrics")
    return _buckets(text, CALLED, 'name="annotated.inject.parley.dev"')


def _buckets(text: str, name: str, label: str = "") -> Buckets:
    """Return a histogram's cumulative counts by their upper bounds, in seconds."""
    found: dict[float, float] = {}
    for head, value in samples(text, name, label):
        bound = float(head.partition('le="')[2].partition('"')[0])
        found[bound] = found.get(bound, 0.0) + value
    return sorted(found.items())
