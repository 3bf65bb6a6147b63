"""The metrics of many components, scraped while the sidecar works: what a scrape costs, and what others wait for it."""

import sys
from collections.abc import Iterator
from math import ceil
from typing import Final

import msgspec

from bench.components import many, nth
from bench.figures import MANY
from bench.job import Job, Result
from bench.machine import cpu_s
from bench.processes import Load as Generator
from bench.processes import Running
from bench.rounds import Plan
from bench.rows import TEXT_MESSAGE, converse
from bench.servers import Surroundings

COMPONENTS: Final = 100
"""Each with label sets of its own."""
PER_S: Final = 10
"""Scrapes per second; Prometheus asks for one in 15 to 60 s."""
ALONE_EACH: Final = 20
"""Scrapes without any load, of which the CPU is taken."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the load."""

    p50_us: float
    p99_us: float
    max_us: float
    """The slowest request: how long the event loop stood still at most, and what the request takes by itself."""
    per_s: float


class Scrape(msgspec.Struct, frozen=True, kw_only=True):
    """The same load without and with scrapes, one after the other."""

    number: int
    unscraped: Load
    scraped: Load
    cpu_us: float
    """Of one scrape, without other load."""


def scrapes(around: Surroundings, load: Generator, plan: Plan) -> Iterator[Scrape]:
    """Measure a sidecar of many components, with a load generator of its own for the scrapes."""
    print(f"scrapes of {COMPONENTS} components", file=sys.stderr, flush=True)
    server = around.sidecar_with("sidecar of many components", many(around.standin.port, COMPONENTS))
    scrape = Job(port=server.metrics_port, path="/metrics", expected=f'"{nth(COMPONENTS - 1)}"')
    with around.running(server) as running, around.starter.load(around.cores.others) as scraper:
        running.wait_until_answers(server.ready_path)
        for number in range(COMPONENTS):
            load.do(_work(running, number, 1))
        for number in range(plan.scrapes):
            yield _scraped(running, (load, scraper), msgspec.structs.replace(scrape, first=number), plan.scrape_each)


def _scraped(running: Running, generators: tuple[Generator, Generator], scrape: Job, each: int) -> Scrape:
    load, scraper = generators
    work = _work(running, 0, each)
    without = load.do(work)
    often = ceil(1.2 * without.duration_s * PER_S) + 2  # so many that they do not end before the load
    meanwhile = msgspec.structs.replace(scrape, each=often, per_s=float(PER_S))
    scraper.begin(meanwhile)
    scraped = load.do(work)
    scraper.end(meanwhile)
    before_s = cpu_s(running.pid)
    scraper.do(msgspec.structs.replace(scrape, each=ALONE_EACH))
    cpu_us = (cpu_s(running.pid) - before_s) / ALONE_EACH * 1e6
    return Scrape(number=scrape.first, unscraped=_load(without), scraped=_load(scraped), cpu_us=cpu_us)


def _load(result: Result) -> Load:
    per_s = result.requests / result.duration_s
    return Load(p50_us=result.p50_us, p99_us=result.p99_us, max_us=result.max_us, per_s=per_s)


def _work(running: Running, number: int, each: int) -> Job:
    path = converse(nth(number))
    return Job(port=running.port, path=path, body=TEXT_MESSAGE, connections=MANY, each=each, expected="How do I")
