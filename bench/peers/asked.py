"""The peers' requests: every kind to every peer in turn, again and again.

A peer that does not answer a kind as it should is noted and left out; it ends nothing.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, TypeVar

import msgspec
import redis

from bench.figures import MANY, ONE
from bench.grpc_load import GrpcJob
from bench.job import Result
from bench.machine import busy_s, cpu_s
from bench.peers.kinds import ASKS_STANDIN, CALLERS, FLIGHT_MS, Ask, Kind
from bench.peers.report import STANDIN, Burst, Sample
from bench.peers.started import Target, reason
from bench.peers.tree import tree_cpu_s
from bench.processes import BenchError, Load, fetched
from bench.rows import MEMORY_PROMPTS
from bench.servers import Surroundings

LEAST_EACH: Final = {ONE: 20, MANY: 4}
"""The fewest requests on each connection of a measured job, by the number of connections."""
WARM_EACH: Final = 2
"""Requests on each connection before a measured job, at least."""
REDIS_SHARE: Final = 0.8
"""Of hits in Redis at least so many come from there: LiteLLM lets go of what it has in memory in no simple order."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Counts:
    """What stand-in and Redis have had to do so far."""

    calls: int
    redis_hits: int

    def __sub__(self, earlier: "Counts") -> "Counts":
        """Return what they have had to do since then."""
        return Counts(self.calls - earlier.calls, self.redis_hits - earlier.redis_hits)


def check(kind: Kind, requests: int, counts: Counts) -> None:
    """Raise BenchError if requests were answered another way than their kind says."""
    if counts.calls < requests if kind in ASKS_STANDIN else counts.calls:
        raise BenchError(f"the stand-in was asked {counts.calls} times for {requests} requests")
    if kind == Kind.REDIS and counts.redis_hits < requests * REDIS_SHARE:
        raise BenchError(f"Redis answered {counts.redis_hits} times for {requests} requests")


@dataclass(slots=True)
class Asked:
    """Asks targets."""

    around: Surroundings
    load: Load
    grpc_load: Load
    targets: Sequence[Target]
    job_s: float
    """About how long a measured job takes, where its fewest requests do not take longer."""
    failures: dict[str, dict[Kind, str]] = field(default_factory=dict)
    """Why a peer has no figures for a kind of request that it offers."""
    asked: dict[Target, int] = field(default_factory=dict)
    """How many requests each target has had: its next prompt's number."""

    def samples(self, rounds: int) -> Iterator[Sample]:
        """Measure every target in every round, those of a kind one after the other."""
        ordered = [target for kind in Kind for target in self.targets if target.kind == kind != Kind.FLIGHT]
        for target in ordered:
            self._tried(target, partial(self._fill, target))
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
            for target in ordered:
                for connections in (ONE, MANY):
                    sample = self._tried(target, partial(self._measured_at_last, target, number, connections))
                    if sample is not None:
                        yield sample

    def bursts(self, count: int) -> Iterator[Burst]:
        """Ask in bursts, each with a prompt of its own."""
        for number in range(count):
            for target in self.targets:
                if target.kind == Kind.FLIGHT:
                    burst = self._tried(target, partial(self._burst, target, number))
                    if burst is not None:
                        yield burst

    def _tried(self, target: Target, work: Callable[[], T]) -> T | None:
        """Do something with a target unless it has failed before; note it if it fails now."""
        failures = self.failures.setdefault(target.peer, {})
        if target.kind in failures:
            return None
        try:
            return work()
        except BenchError as error:
            failures[target.kind] = reason(error)
            print(f"{target.peer}, {target.kind}: {error}", file=sys.stderr, flush=True)
            return None

    def _fill(self, target: Target) -> None:
        """Ask a target's prompts once before they count, so that the caches hold what is to be a hit."""
        self._do(target, MANY, -(-max(target.ask.distinct, MANY * LEAST_EACH[MANY]) // MANY), expected="")
        if target.ask.besides:
            job = target.ask.job(target.running.port, MANY, -(-target.ask.besides // MANY), target.ask.distinct)
            self.load.do(msgspec.structs.replace(job, distinct=0, expected=""))

    def _measured_at_last(self, target: Target, number: int, connections: int) -> Sample:
        """Measure a target; where it fails, once more: a store has a time limit, and a busy machine exceeds it."""
        try:
            return self._measured(target, number, connections)
        except BenchError as error:
            print(f"{target.peer}, {target.kind}, once more: {error}", file=sys.stderr, flush=True)
            self._fill(target)
            return self._measured(target, number, connections)

    def _measured(self, target: Target, number: int, connections: int) -> Sample:
        """Measure a target in one round at one number of connections."""
        few = target.ask.distinct if target.ask.distinct <= MEMORY_PROMPTS else 0  # others may have pushed them out
        warm = self._do(target, connections, max(WARM_EACH, -(-few // connections)), expected="")
        each = max(LEAST_EACH[connections], int(warm.requests / warm.duration_s * self.job_s / connections))
        pid = target.running.pid
        counts, before_s, noise_before_s = self._counts(), tree_cpu_s(pid), self._foreign_s(target)
        result = self._do(target, connections, each, target.ask.expected)
        noise_after_s, after_s = self._foreign_s(target), tree_cpu_s(pid)
        check(target.kind, result.requests, self._counts() - counts)
        return Sample(
            kind=target.kind,
            peer=target.peer,
            round=number,
            connections=connections,
            requests=result.requests,
            p50_us=result.p50_us,
            p99_us=result.p99_us,
            first_p50_us=result.stream.first_p50_us if result.stream else 0.0,
            per_s=result.requests / result.duration_s,
            cpu_us=(after_s - before_s) / result.requests * 1e6,
            noise_cpus=max(0.0, noise_after_s - noise_before_s) / result.duration_s,
        )

    def _burst(self, target: Target, number: int) -> Burst:
        assert isinstance(target.ask, Ask)
        ask = replace(target.ask, body=target.ask.body.replace("How do I", f"Burst {number}: How do I", 1))
        before = self._counts()
        result = self.load.do(ask.job(target.running.port, CALLERS, 1))
        added_ms = result.p50_us / 1000 - FLIGHT_MS
        return Burst(peer=target.peer, calls=(self._counts() - before).calls, added_ms=added_ms)

    def _do(self, target: Target, connections: int, each: int, expected: str) -> Result:
        """Ask a target's next prompts."""
        first = self.asked.get(target, 0)
        self.asked[target] = first + connections * each
        job = target.ask.job(target.running.port, connections, each, first)
        load = self.grpc_load if isinstance(job, GrpcJob) else self.load
        return load.do(msgspec.structs.replace(job, expected=expected))

    def _counts(self) -> "Counts":
        calls = int(msgspec.json.decode(fetched(self.around.standin.port, "/count"))["count"])
        with redis.Redis(port=self.around.redis.port) as client:
            return Counts(calls, client.info("stats")["keyspace_hits"])

    def _foreign_s(self, target: Target) -> float:
        """Return the CPU time that others than a target and the bench have used so far."""
        ours = (self.around.standin.pid, self.around.redis.pid, self.load.pid, self.grpc_load.pid, os.getpid())
        own_s = 0.0 if target.peer == STANDIN else tree_cpu_s(target.running.pid)
        return busy_s() - own_s - sum(map(cpu_s, ours))
