"""Fifty pods a second while a part of Parley, or the API server, is restarted, killed or given other certificates.

The strict test: with failurePolicy Ignore a pod that finds no injector is created without its sidecar, and is counted.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from bench.cluster.figures import Figure
from bench.cluster.places import SPACE, Real, say
from e2e.burst import Job, Result, Running, burst
from e2e.cluster import ClusterError
from e2e.faults import kill, restart_api_server
from e2e.world import until

PER_S: Final = 50.0
LEAST_S: Final = 20.0
COUNTED_LEAST_S: Final = 8.0
"""How long a burst lasts whose missed pods are then waited for."""
COUNTED_WITHIN_S: Final = 30.0
POLL_S: Final = 0.2


@dataclass(slots=True)
class Bursts:
    """Bursts in one cluster, each with a name of its own."""

    place: Real
    run: str
    results: list[Result] = field(default_factory=list)

    @contextmanager
    def during(self, quantity: str, least_s: float = LEAST_S) -> Iterator[Running]:
        """Create pods during a fault, from a second before it."""
        say(f"{self.run}: {quantity}")
        job = Job(
            kubeconfig=str(self.place.cluster.kubeconfig),
            namespace=SPACE,
            name=f"{self.run}-{len(self.results)}",
            per_s=PER_S,
            least_s=least_s,
        )
        with burst(self.place.cluster, job) as running:
            time.sleep(1)
            yield running
            self.results.append(running.finish())

    def figures(self, *, must: float | None = 0) -> Iterator[Figure]:
        """Say what became of the last burst's pods."""
        result, figure = self.results[-1], partial(Figure, run=self.run)
        yield figure(quantity="pods created", value=result.created)
        yield figure(quantity="pods per second", value=result.per_s, unit="/s", must=PER_S * 0.95, more_is_better=True)
        yield figure(quantity="pods without a sidecar", value=len(result.missed), must=must)
        yield figure(quantity="attempts refused or unanswered", value=result.refused + result.unanswered)
        yield figure(quantity="pods never accepted", value=result.abandoned, must=0)
        yield figure(quantity="p50 of a create", value=result.p50_ms, unit="ms")
        yield figure(quantity="p99 of a create", value=result.p99_ms, unit="ms")


def restart(part: str, place: Real) -> Iterator[Figure]:
    """Roll one of the Deployments."""
    bursts = Bursts(place, f"restart-{part}")
    with bursts.during(f"a rolling restart of the {part}"):
        place.parts.restart(part)
    yield from bursts.figures()


def rotation(place: Real) -> Iterator[Figure]:
    """Let the authority come near its end, with a successor: leaves of one, then of the other."""
    bursts, leaf = Bursts(place, "rotation"), place.parts.leaf
    with bursts.during("rotation of the serving certificate and of the authority"):
        before = leaf()
        place.parts.authority_near_its_end()
        until("a leaf of the ending authority", lambda: leaf() != before)
        between = leaf()
        until("a leaf of its successor", lambda: leaf() != between)
        until("it is served", lambda: place.parts.is_served(leaf()))
    yield from bursts.figures()


def leader(place: Real) -> Iterator[Figure]:
    """Kill the operator that leads."""
    bursts, parts = Bursts(place, "leader"), place.parts
    with bursts.during("SIGKILL of the leading operator"):
        before = parts.lease()
        kill(before["holderIdentity"])
        again_s = parts.held_again_s(before)
    yield from bursts.figures()
    yield Figure(run="leader", quantity="until the Lease is held again", value=again_s, unit="s", must=20)


def api_server(place: Real) -> Iterator[Figure]:
    """Kill the API server and start it again."""
    bursts = Bursts(place, "api-server")
    with bursts.during("SIGKILL and start of the API server"):
        restart_api_server(place.cluster)
    yield from bursts.figures()


def injector_with_fail(place: Real) -> Iterator[Figure]:
    """Kill one of two injectors, with failurePolicy Fail."""
    bursts = Bursts(place, "injector-fail")
    with _values(place, "injector.failurePolicy=Fail"), bursts.during("SIGKILL of an injector, Fail"):
        kill(place.parts.pods("injector")[0])
    yield from bursts.figures()


def injector_with_ignore(place: Real) -> Iterator[Figure]:
    """Kill one of two injectors, with failurePolicy Ignore: a call that it was answering is lost."""
    bursts = Bursts(place, "injector-ignore")
    with bursts.during("SIGKILL of an injector, Ignore"):
        kill(place.parts.pods("injector")[0])
    yield from bursts.figures(must=None)


def injectors_with_ignore(place: Real) -> Iterator[Figure]:
    """Kill both injectors, with failurePolicy Ignore: what is missed must be counted."""
    bursts = Bursts(place, "injectors-ignore")
    with bursts.during("SIGKILL of both injectors, Ignore", COUNTED_LEAST_S) as running:
        for pod in place.parts.pods("injector"):
            kill(pod)
        result = running.finish()
        missed, counted = len(result.missed), _counted(place, len(result.missed))
        took_s = time.monotonic() - result.last_missed_s if missed else 0.0
    yield from bursts.figures(must=None)
    figure = partial(Figure, run="injectors-ignore")
    yield figure(quantity="of those counted as missed", value=counted, must=missed, more_is_better=True)
    within = "until they are, from the last miss"
    yield figure(quantity=within, value=took_s, unit="s", must=COUNTED_WITHIN_S)


def ready(place: Real) -> None:
    """Wait until all of Parley's pods are up again."""
    for part in ("injector", "operator"):
        place.parts.rolled(part)


def _counted(place: Real, wanted: int) -> float:
    """Wait until the leader counts so many missed pods; return what it counts."""
    began_s = time.monotonic()
    while (counted := place.parts.metric(place.parts.leader(), "parley_operator_missed_pods")) < wanted:
        if time.monotonic() > began_s + 2 * COUNTED_WITHIN_S:
            break
        time.sleep(POLL_S)
    return counted


@contextmanager
def _values(place: Real, value: str) -> Iterator[None]:
    """Have the chart with another value meanwhile."""
    place.world.upgrade(value)
    ready(place)
    try:
        yield
    finally:
        place.cluster.helm("rollback", "parley", "--namespace", "parley-system", "--wait")


Faulty = Callable[[Real], Iterator[Figure]]


def settled(run: Faulty, place: Real) -> Iterator[Figure]:
    """Do a run once everything is up after the one before."""
    try:
        ready(place)
    except ClusterError as error:
        raise ClusterError(f"the run before has left something broken: {error}") from error
    yield from run(place)
