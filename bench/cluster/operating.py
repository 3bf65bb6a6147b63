"""The operator among many components and pods, and how soon another replica leads."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from statistics import median
from threading import Thread
from typing import Final

from bench.cluster.figures import Figure
from bench.cluster.flood import samples
from bench.cluster.places import SPACE, Plain, idle_pods, say
from bench.cluster.pods import fresh_namespace
from bench.machine import cpu_s, resident_bytes
from bench.processes import BenchError
from bench.report import MIB
from e2e.burst import OPTED_IN, burst
from parley_crds import names
from parley_crds.component import Component
from parley_crds.stream import Acknowledgement, StoreSection, snapshot
from parley_operator.authentication import Identity
from parley_operator.connected import Connected, Contents
from parley_operator.events import Events
from parley_operator.kube import Kube
from parley_operator.metrics import Metrics
from parley_operator.pods.owners import Hands, Owners
from parley_operator.pods.rounds import PodRounds
from parley_operator.settings import Settings
from tests.operator.world import Replica, component

NAMESPACE: Final = "bench-many"
COMPONENTS: Final = 500
PODS: Final = 10_000
WITH_SIDECAR: Final = 500
"""How many of them look as if the injector had been there."""
PER_S: Final = 200.0
CREATING_LIMIT_S: Final = 900.0
WATCHED_S: Final = 60.0
ROUNDS: Final = 3
DISPATCHED: Final = "apiserver_flowcontrol_dispatched_requests_total"
PATIENCE_S: Final = 300.0
POLL_S: Final = 0.05


def memory(place: Plain) -> Iterator[Figure]:
    """Measure one replica, the leader, by and by among more."""
    plant, figure = place.plant, partial(Figure, run="memory")
    with place.operators() as (replica,):
        replica.ready()
        pid = replica.process.pid
        yield figure(quantity="memory, no components, no pods", value=resident_bytes(pid) / MIB, unit="MiB")
        say(f"{COMPONENTS} components")
        began_s = time.monotonic()
        plant.apply(*(component(f"bench-{number:04d}") for number in range(COMPONENTS)))
        _until("the components", lambda: _components(replica) >= COMPONENTS)
        yield figure(
            quantity="500 components known, from kubectl apply's start", value=time.monotonic() - began_s, unit="s"
        )
        yield figure(quantity="memory, 500 components", value=resident_bytes(pid) / MIB, unit="MiB")
        _many_pods(place)
        yield from _watched(place, pid, figure)
    yield _round(place, figure)
    yield _sums(figure)
    plant.kubectl("delete", "conversationcomponents", "--all", "--wait=false")
    plant.cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def _watched(place: Plain, pid: int, figure: "partial[Figure]") -> Iterator[Figure]:
    say(f"{WATCHED_S:.0f} s of watching")
    asked = _asked(place)
    before_s, most, end = cpu_s(pid), 0, time.monotonic() + WATCHED_S
    while time.monotonic() < end:
        most = max(most, resident_bytes(pid))
        time.sleep(1)
    used_s = cpu_s(pid) - before_s
    both = "memory, 500 components and 10,000 pods, the most of a minute"
    yield figure(quantity=both, value=most / MIB, unit="MiB", must=150, reach=100)
    yield figure(quantity="its CPU time in that minute", value=used_s / WATCHED_S * 1e3, unit="ms/s")
    asked = (_asked(place) - asked) / WATCHED_S
    yield figure(quantity="its requests to the API server in that minute", value=asked, unit="/s")


def _asked(place: Plain) -> float:
    """Return how many requests the API server has had of service accounts: none but the operator's asks here."""
    text = place.cluster.kubectl("get", "--raw", "/metrics")
    return sum(value for _, value in samples(text, DISPATCHED, 'flow_schema="service-accounts"'))


def _many_pods(place: Plain) -> None:
    """Create them, most of which ask for nothing."""
    fresh_namespace(place.cluster, NAMESPACE)
    stamped = OPTED_IN | {names.RESOLVED_APP_ID_ANNOTATION: "bench"}
    for name, count, annotations, labels in (
        ("plain", PODS - WITH_SIDECAR, {}, {}),
        ("with", WITH_SIDECAR, stamped, {names.INJECTED_LABEL: "true"}),
    ):
        say(f"{count} pods")
        shape = {"annotations": annotations, "labels": labels, "keep": True}
        job = idle_pods(place.cluster, name, count, CREATING_LIMIT_S, namespace=NAMESPACE, per_s=PER_S, **shape)
        with burst(place.cluster, job) as running:
            created = running.finish().created
        if created != count:
            raise BenchError(f"{created} of {count} pods were created")


def _round(place: Plain, figure: "partial[Figure]") -> Figure:
    """Return what a round over all pods takes, with nothing else in its process's loop."""
    os.environ["KUBECONFIG"] = str(place.cluster.kubeconfig)
    say("rounds over all pods")
    least_s = asyncio.run(_rounds())
    return figure(
        quantity="a round over 10,000 pods for missed ones, median of three", value=least_s, unit="s", must=30
    )


def _sums(figure: "partial[Figure]") -> Figure:
    """Return what it takes a replica to sum up its sidecars, which it does every two seconds."""
    say("sums over sidecars")
    components = [
        Component(name=f"bench-{number}", namespace=SPACE, type="conversation.echo", version=str(number))
        for number in range(COMPONENTS)
    ]
    contents, connected = Contents.of(snapshot(components, StoreSection(), "")), Connected()
    for number in range(PODS):
        sidecar = connected.add(Identity(SPACE, "default", f"pod-{number}", "bench", str(number)))
        sidecar.sent(contents)
        sidecar.acknowledged(Acknowledgement(ack=contents.hash))
    began_s = time.monotonic()
    connected.counts()
    quantity = f"sums over {PODS:,} connected sidecars with {COMPONENTS} components each"
    return figure(quantity=quantity, value=(time.monotonic() - began_s) * 1e3, unit="ms", must=200)


async def _rounds() -> float:
    api, metrics = await Kube.connect(), Metrics()
    hands = Hands(api, Owners(api), Events(api, "bench", metrics), metrics, lambda: WATCHED_S)
    rounds = PodRounds(hands, Settings(SPACE, "bench", "parley"), _nobody)
    took_s = []
    for _ in range(ROUNDS):
        began_s = time.monotonic()
        await rounds.once()
        took_s.append(time.monotonic() - began_s)
    await api.aclose()
    return median(took_s)


async def _nobody() -> frozenset[str]:
    return frozenset()


def failover(place: Plain) -> Iterator[Figure]:
    """Measure how soon the other of two replicas leads, after SIGKILL and after SIGTERM."""
    figure = partial(Figure, run="failover", unit="s")
    for end, quantity, must in (
        (Replica.kill, "SIGKILL of the leader until the other holds the Lease", 20.0),
        (Replica.stop, "SIGTERM of the leader until the other holds the Lease", 3.0),
    ):
        say(quantity)
        with place.operators(2) as replicas:
            _until("a leader", lambda: _leaders(replicas))
            (leader,) = _leaders(replicas)
            for replica in replicas:
                replica.ready()
            began_s = time.monotonic()
            ending = Thread(target=end, args=(leader,))
            ending.start()
            other = next(replica for replica in replicas if replica is not leader)
            _until("another leader", partial(_leads, other))
            yield figure(quantity=quantity, value=time.monotonic() - began_s, must=must)
            ending.join()


def _leaders(replicas: Sequence[Replica]) -> list[Replica]:
    return [replica for replica in replicas if _leads(replica)]


def _leads(replica: Replica) -> bool:
    try:
        return replica.metric("parley_operator_leader") == 1.0
    except OSError:  # not up yet
        return False


def _components(replica: Replica) -> float:
    """Return how many components a replica knows."""
    return sum(value for _, value in samples(replica.get("/metrics")[1], "parley_operator_components{"))


def _until(what: str, probe: Callable[[], object]) -> None:
    """Poll; raises BenchError when it takes too long."""
    end = time.monotonic() + PATIENCE_S
    while not probe():
        if time.monotonic() > end:
            raise BenchError(f"{what}: not within {PATIENCE_S:.0f} s")
        time.sleep(POLL_S)
