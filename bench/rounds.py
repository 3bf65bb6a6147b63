"""The rounds: every row in turn, again and again, so that a busy minute of the machine meets all of them alike."""

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from bench.figures import CROWD, MANY, ONE, Sample
from bench.job import Job, Result
from bench.machine import busy_s, cpu_s
from bench.processes import BenchError, Load, Running, fetched
from bench.rows import ROWS, Row, ServerName

WARM_EACH: Final = 16
"""Requests on each connection before a measured job; as many as the row of the process's own tier has prompts."""
WARM_STREAMS_EACH: Final = 1
"""The same of a row of streams, which take their pauses."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    rounds: int
    """At most."""
    limit_s: float
    """No round begins after this time, though three do."""
    one_each: int
    """Requests of a row and round at one connection."""
    many_each: int
    """The same, for each of 16 connections."""
    starts: int
    memory_requests: int
    bursts: int
    """Of many equal requests at once."""
    crowd_each: int = 0
    """Requests of a crowded row and round for each of 64 connections; 0: none."""
    stream_rounds: int = 1
    stream_one_each: int = 2
    """Streams of a row and round at one connection."""
    stream_many_each: int = 2
    """The same, for each of 16 connections."""
    crowds: int = 1
    """Of many streams at once."""
    scrapes: int = 1
    """How often the metrics are scraped under load, and as often the same load without."""
    scrape_each: int = 20
    """Requests for each of 16 connections meanwhile."""
    grpc_rounds: int = 1
    grpc_each: int = 2
    """Calls of a gRPC row and round for each connection."""


LEAST_ROUNDS: Final = 3


def of_streams(plan: Plan) -> Plan:
    """Return what a plan says of rows of streams, as a plan of its own."""
    return replace(
        plan, rounds=plan.stream_rounds, one_each=plan.stream_one_each, many_each=plan.stream_many_each, crowd_each=0
    )


@dataclass(slots=True)
class Rounds:
    """Measures rows on running servers."""

    servers: Mapping[ServerName, Running]
    load: Load
    plan: Plan
    around: tuple[int, ...]
    """Ids of our processes besides the servers: what they use is not noise."""
    rows: Sequence[Row] = ROWS
    asked: dict[str, int] = field(default_factory=dict)
    """How many requests each row has had: its next prompt's number."""

    def samples(self) -> Iterator[Sample]:
        """Measure every row in every round."""
        self.fill()
        began_s = time.monotonic()
        for number in range(self.plan.rounds):
            elapsed_s = time.monotonic() - began_s
            if number >= LEAST_ROUNDS and elapsed_s > self.plan.limit_s:
                return
            print(f"round {number + 1} of at most {self.plan.rounds}, {elapsed_s:.0f} s", file=sys.stderr, flush=True)
            for row in self.rows:
                for connections, each in self.loads(row):
                    yield self.measured(row, number, connections, each)

    def loads(self, row: Row) -> Iterator[tuple[int, int]]:
        """Return the numbers of connections at which a row is measured, and of the requests on each."""
        if self.plan.one_each:
            yield ONE, self.plan.one_each
        yield MANY, self.plan.many_each
        if row.is_crowded and self.plan.crowd_each:
            yield CROWD, self.plan.crowd_each

    def fill(self) -> None:
        """Ask each row's prompts once before they count, so that the caches hold what is to be a hit."""
        for row in self.rows:
            each = -(-max(row.distinct * max(row.before, 1), MANY * _warm_each(row)) // MANY)
            self.do(row, MANY, each, expected="")
            self.prove(row)

    def prove(self, row: Row) -> None:
        """Raise BenchError if the provider sees what a row hides."""
        if row.hidden:
            self.do(row, ONE, 1, row.expected)
            if row.hidden in fetched(self.servers["stand-in"].port, "/last"):
                raise BenchError(f"the provider saw what the row {row.name!r} hides")

    def measured(self, row: Row, number: int, connections: int, each: int) -> Sample:
        """Measure one row in one round at one number of connections."""
        # Brings what other rows have pushed out back to its tier.
        self.do(row, connections, _warm_each(row), expected="")
        pid = self.servers[row.server].pid
        before_s, noise_before_s = cpu_s(pid), self.foreign_s()
        result = self.do(row, connections, each, row.expected)
        return Sample(
            row=row.name,
            round=number,
            connections=connections,
            requests=result.requests,
            p50_us=result.p50_us,
            p99_us=result.p99_us,
            per_s=result.requests / result.duration_s,
            cpu_us=(cpu_s(pid) - before_s) / result.requests * 1e6,
            noise_cpus=max(0.0, self.foreign_s() - noise_before_s) / result.duration_s,
            stream=result.stream,
        )

    def do(self, row: Row, connections: int, each: int, expected: str) -> Result:
        """Ask a row's next prompts."""
        first = self.asked.get(row.name, 0)
        self.asked[row.name] = first + connections * each
        job = Job(
            port=self.servers[row.server].port,
            path=row.path,
            body=row.body,
            connections=connections,
            each=each,
            first=first,
            distinct=row.distinct,
            expected=expected,
            events=row.events,
            ending=row.ending,
        )
        return self.load.do(job)

    def foreign_s(self) -> float:
        """Return the CPU time that others than us have used so far."""
        ours = (*(running.pid for running in self.servers.values()), *self.around, os.getpid())
        return busy_s() - sum(map(cpu_s, ours))


def _warm_each(row: Row) -> int:
    return WARM_STREAMS_EACH if row.events else WARM_EACH
