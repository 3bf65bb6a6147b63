"""The goals that the sidecar has against its peers, and a run's verdicts. Pure; docs/peers.md says more about them."""

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final

from bench.budgets import Budget
from bench.peers.kinds import CALLERS, Kind
from bench.peers.report import Reading, Report, Sample, added, compared, loaded, most_calls, start_of
from bench.peers.servers import DAPRD, LITELLM, PARLEY
from bench.readings import cpu, p50, p99, rate
from bench.report import MIB


def first(sample: Sample) -> float:
    """Read the median time until a stream's first event."""
    return sample.first_p50_us


def goals(report: Report) -> Iterator[Budget]:
    """Return the goals with what was measured; what a missing peer leaves open is unknown."""
    yield from _pass_through(report)
    yield from _hits(report)
    yield Budget(f"calls for {CALLERS} equal requests at once", "", most_calls(report, PARLEY), 1, 1)
    first_ms = _median(added(report, Kind.STREAM, PARLEY, first), 1000)
    yield Budget("stream: added time to its first event, p50", "ms", first_ms, 0.7, 0.4)
    yield Budget("stream: CPU", "ms", _median(loaded(report, Kind.STREAM, PARLEY, cpu), 1000), 6, 3)
    grpc = _loaded(report, Kind.GRPC_ECHO, rate)
    yield Budget("gRPC echo, to daprd's: requests/s", "x", grpc, 0.25, 0.4, at_least=True)
    idle_bytes = start_of(report, PARLEY, lambda start: start.idle_bytes)
    yield Budget("memory, idle", "MiB", None if idle_bytes is None else idle_bytes / MIB, 80, 65)
    yield Budget("start to first answer", "s", start_of(report, PARLEY, lambda start: start.first_answer_s), 1.0, 0.5)


def _pass_through(report: Report) -> Iterator[Budget]:
    name = "pass-through, to daprd"
    yield Budget(f"{name}: CPU", "x", _loaded(report, Kind.PASS, cpu), 1.0, 0.6)
    yield Budget(f"{name}: requests/s", "x", _loaded(report, Kind.PASS, rate), 1.0, 1.6, at_least=True)
    yield Budget(f"{name}: added p50", "x", _added(report, Kind.PASS, p50), 1.0, 0.8)
    yield Budget(f"{name}: added p99", "x", _added(report, Kind.PASS, p99), 1.0, 0.8)
    openai = Kind.PASS_OPENAI
    litellm = _ratio(loaded(report, openai, PARLEY, cpu), loaded(report, openai, LITELLM, cpu))
    yield Budget("pass-through, to LiteLLM: CPU", "x", litellm, 0.05, 0.05)


def _hits(report: Report) -> Iterator[Budget]:
    name = "hit in memory, to daprd's"
    yield Budget(f"{name}: p50", "x", _added(report, Kind.MEMORY, p50), 1.0, 0.7)
    yield Budget(f"{name}: CPU", "x", _loaded(report, Kind.MEMORY, cpu), 1.0, 0.7)
    name = "hit in Redis, to daprd's in memory"
    redis, memory = (added(report, kind, peer, p50) for kind, peer in _REDIS_AND_MEMORY)
    yield Budget(f"{name}: p50", "x", _ratio(redis, memory), 2, 1.4)
    redis, memory = (loaded(report, kind, peer, rate) for kind, peer in _REDIS_AND_MEMORY)
    yield Budget(f"{name}: requests/s", "x", _ratio(redis, memory), 0.4, 0.8, at_least=True)


def _added(report: Report, kind: Kind, read: Reading) -> float | None:
    return _ratio(added(report, kind, PARLEY, read), added(report, kind, DAPRD, read))


def _loaded(report: Report, kind: Kind, read: Reading) -> float | None:
    return _ratio(loaded(report, kind, PARLEY, read), loaded(report, kind, DAPRD, read))


def _ratio(own: Sequence[float], others: Sequence[float]) -> float | None:
    found = compared(own, others)
    return found.to_floor if found else None


def _median(values: Sequence[float], divisor: float) -> float | None:
    return median(values) / divisor if values else None


_REDIS_AND_MEMORY: Final = ((Kind.REDIS, PARLEY), (Kind.MEMORY, DAPRD))
