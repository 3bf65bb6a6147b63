"""One run's report: figures, and all raw values that they come from. Written as JSON, read back to be shown."""

from collections.abc import Sequence
from statistics import median
from typing import Final

import msgspec

from bench.figures import Figure, RowFigures, Sample, figure, row_figures
from bench.flights import Flight
from bench.inside import Inside
from bench.machine import Description
from bench.rounds import Plan
from bench.rows import BY_NAME, ROWS, ServerName
from bench.starts import Memory, Start

MIB: Final = 1024 * 1024


class ProcessFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What is told about the sidecar's process, as a ratio to the floor server's."""

    ready_s: Figure
    first_answer_s: Figure
    idle_bytes: Figure
    """When it is ready, before the first request."""
    first_bytes: Figure
    """After the first requests."""
    after_bytes: Figure
    grown_bytes: Figure
    """Between the two. No ratio: the floor server's is next to nothing."""
    requests: int
    """How many lie between the first and after."""


class FlightFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What is told about many equal requests at once."""

    sidecars: int
    calls: int
    """To the provider, in the worst burst."""
    added_ms: float
    cpu_us: Figure
    """Per request; `to_floor` is the ratio to a hit in memory, in the same form."""


class Raw(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured."""

    samples: Sequence[Sample]
    flights: Sequence[Flight]
    inside: Inside
    starts: Sequence[Start]
    memory: Sequence[Memory]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One run."""

    time: str
    """When it began, in UTC."""
    seconds: float
    machine: Description
    plan: Plan
    rows: Sequence[RowFigures]
    flights: Sequence[FlightFigures]
    processes: ProcessFigures
    raw: Raw


def rows_of(raw: Raw) -> list[RowFigures]:
    """Return the figures of all rows."""
    return [row_figures(raw.samples, row, BY_NAME) for row in ROWS]


def flights_of(raw: Raw) -> list[FlightFigures]:
    """Return the figures of the bursts, by the number of sidecars."""
    numbers = sorted({flight.sidecars for flight in raw.flights})
    return [_flights([flight for flight in raw.flights if flight.sidecars == number]) for number in numbers]


def _flights(bursts: Sequence[Flight]) -> FlightFigures:
    return FlightFigures(
        sidecars=bursts[0].sidecars,
        calls=max(burst.calls for burst in bursts),
        added_ms=median(burst.added_ms for burst in bursts),
        cpu_us=figure([burst.cpu_us for burst in bursts], [burst.hit_cpu_us for burst in bursts]),
    )


def processes_of(raw: Raw) -> ProcessFigures:
    """Return the figures of the sidecar's process."""
    sidecar, floor = (_starts(raw, name) for name in _COMPARED)
    own, least = (_memory(raw, name) for name in _COMPARED)
    return ProcessFigures(
        ready_s=figure([start.ready_s for start in sidecar], [start.ready_s for start in floor]),
        first_answer_s=figure([start.first_answer_s for start in sidecar], [start.first_answer_s for start in floor]),
        idle_bytes=figure([start.idle_bytes for start in sidecar], [start.idle_bytes for start in floor]),
        first_bytes=figure([own.first_bytes], [least.first_bytes]),
        after_bytes=figure([own.after_bytes], [least.after_bytes]),
        grown_bytes=figure([own.after_bytes - own.first_bytes]),
        requests=own.requests,
    )


def noise_of(raw: Raw) -> float:
    """Return how many CPUs were busy with what is not ours, as the median of all samples."""
    return median(sample.noise_cpus for sample in raw.samples)


def _starts(raw: Raw, server: ServerName) -> list[Start]:
    return [start for start in raw.starts if start.server == server]


def _memory(raw: Raw, server: ServerName) -> Memory:
    return next(memory for memory in raw.memory if memory.server == server)


_COMPARED: Final[tuple[ServerName, ServerName]] = ("sidecar", "floor")
