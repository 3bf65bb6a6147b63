"""What one run measured, and the figures that come of it: medians over the rounds, and ratios within a round. Pure."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Final

import msgspec

from bench.figures import MANY, ONE, Figure, figure
from bench.machine import Description
from bench.peers.kinds import ASKS_STANDIN, Kind

STANDIN: Final = "stand-in"
"""Stands among the peers where it is asked directly."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of request to one peer in one round at one number of connections."""

    kind: Kind
    peer: str
    round: int
    connections: int
    requests: int
    p50_us: float
    p99_us: float
    first_p50_us: float
    """Until a stream's first event; of an answer at once nothing."""
    per_s: float
    cpu_us: float
    """CPU time of the peer's processes per request."""
    noise_cpus: float
    """CPUs that were busy with what is neither this peer nor ours meanwhile."""


class Burst(msgspec.Struct, frozen=True, kw_only=True):
    """Many equal requests at once to one peer."""

    peer: str
    calls: int
    """How often the stand-in was asked."""
    added_ms: float
    """The median latency less the stand-in's time."""


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """One start, in seconds from the command on."""

    peer: str
    ready_s: float
    first_answer_s: float
    """Of the stand-in, by way of the peer."""
    idle_bytes: int
    """Of the peer's processes when they are ready, before the first request."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One run."""

    time: str
    """When it began, in UTC."""
    seconds: float
    machine: Description
    versions: Mapping[str, str]
    """Of the peers that could be had, in the order in which they are shown."""
    missing: Mapping[str, str]
    """Why the others could not."""
    failures: Mapping[str, Mapping[Kind, str]]
    """Why a peer has no figures for a kind of request that it offers."""
    samples: Sequence[Sample]
    bursts: Sequence[Burst]
    starts: Sequence[Start]
    after_bytes: Mapping[str, int]
    """What each peer's first process tree has in memory after all requests."""
    installed_bytes: Mapping[str, int]


Reading = Callable[[Sample], float]


def added(report: Report, kind: Kind, peer: str, read: Reading) -> list[float]:
    """Return a latency at one connection, one value a round; where the stand-in is asked, less what it takes itself."""
    whole = rounds(report, kind, peer, ONE, read)
    if kind not in ASKS_STANDIN or peer == STANDIN:
        return whole
    return [one - other for one, other in zip(whole, rounds(report, kind, STANDIN, ONE, read), strict=False)]


def loaded(report: Report, kind: Kind, peer: str, read: Reading) -> list[float]:
    """Return a quantity at many connections, one value a round."""
    return rounds(report, kind, peer, MANY, read)


def rounds(report: Report, kind: Kind, peer: str, connections: int, read: Reading) -> list[float]:
    """Return one value a round, in order; none where the peer has no figures."""
    wanted = (kind, peer, connections)
    chosen = [sample for sample in report.samples if (sample.kind, sample.peer, sample.connections) == wanted]
    return [read(sample) for sample in sorted(chosen, key=lambda sample: sample.round)]


def compared(own: Sequence[float], others: Sequence[float]) -> Figure | None:
    """Return a figure with its ratio to another's in the same rounds; None where there is none."""
    return figure(own, others) if own else None


def peers_of(report: Report, kind: Kind) -> list[str]:
    """Return the peers that have figures for a kind, in the report's order."""
    measured = {sample.peer for sample in report.samples if sample.kind == kind}
    return [peer for peer in (STANDIN, *report.versions) if peer in measured]


def most_calls(report: Report, peer: str) -> int | None:
    """Return how often the stand-in was asked in a peer's worst burst."""
    return max((burst.calls for burst in report.bursts if burst.peer == peer), default=None)


def start_of(report: Report, peer: str, read: Callable[[Start], float]) -> float | None:
    """Return the median over a peer's starts."""
    values = [read(start) for start in report.starts if start.peer == peer]
    return median(values) if values else None
