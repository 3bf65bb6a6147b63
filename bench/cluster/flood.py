"""The injector alone: as many reviews as it answers over kept TLS connections, then a hundred a second."""

import os
from collections.abc import Iterator
from functools import partial
from typing import Final

import msgspec

from bench.cluster.figures import Figure
from bench.cluster.places import injector, say
from bench.job import PLACE, Job
from bench.machine import cores, cpu_s
from bench.processes import Starter
from tests.injector.world import pod
from tests.injector.world import review as review_of

ALLOWED: Final = '"allowed":true'
CONNECTIONS: Final = 16
EACH: Final = 1000
WARM: Final = 50
PACE_PER_S: Final = 100.0
PACED_EACH: Final = 125
"""Requests of each connection at the pace: twenty seconds in all."""


def review() -> str:
    """Return the AdmissionReview of an opted-in pod, with the load generator's number in its uid."""
    return msgspec.json.encode(review_of(pod(), uid=f"705ab4f5-6393-11e8-b7cc-4201{PLACE}")).decode()


def flood(starter: Starter) -> Iterator[Figure]:
    """Measure on a core of the injector's own."""
    pinned = cores(os.sched_getaffinity(0))
    with injector(starter, pinned.server) as asked, starter.load(pinned.others) as load:
        job = Job(
            port=asked.running.port,
            path="/inject",
            body=review(),
            connections=CONNECTIONS,
            each=WARM,
            authorities=str(asked.authorities),
            expected=ALLOWED,
        )
        load.do(job)
        say(f"{CONNECTIONS * EACH} reviews over {CONNECTIONS} connections")
        before_s = cpu_s(asked.running.pid)
        full = load.do(msgspec.structs.replace(job, each=EACH))
        used_s = cpu_s(asked.running.pid) - before_s
        say(f"{PACE_PER_S:.0f} reviews a second")
        paced = load.do(msgspec.structs.replace(job, each=PACED_EACH, per_s=PACE_PER_S))
    figure = partial(Figure, run="flood")
    rate = partial(figure, unit="/s", must=1500, reach=3000, more_is_better=True)
    yield rate(quantity="reviews per second, of its one core", value=full.requests / full.duration_s)
    yield rate(quantity="reviews per second of CPU time", value=full.requests / used_s)
    yield figure(quantity="p99 at 16 connections, each asking again at once", value=full.p99_us / 1e3, unit="ms")
    yield figure(quantity="p50 at 100 a second, TLS and HTTP included", value=paced.p50_us / 1e3, unit="ms")
    p99 = "p99 at 100 a second, TLS and HTTP included"
    yield figure(quantity=p99, value=paced.p99_us / 1e3, unit="ms", must=20, reach=10)


def samples(text: str, name: str, label: str = "") -> Iterator[tuple[str, float]]:
    """Return samples of Prometheus' text form whose line begins with `name` and has `label` in it: head and value."""
    for line in text.splitlines():
        if line.startswith(name) and label in line:
            head, _, value = line.rpartition(" ")
            yield head, float(value)
