"""One run's report: figures, and all raw values that they come from. Written as JSON, read back to be shown."""

from collections.abc import Callable, Sequence
from statistics import median
from typing import Final

import msgspec

from bench.crowds import Crowd
from bench.figures import Compared, Figure, RowFigures, Sample, StreamFigures, figure, row_figures, stream_figures
from bench.flights import Flight
from bench.grpc_rows import GRPC_ROWS, GrpcRow, GrpcSample
from bench.inside import Inside
from bench.machine import Description
from bench.rounds import Plan
from bench.rows import BY_NAME, ROWS, ServerName
from bench.scrapes import Load, Scrape
from bench.starts import Memory, Start
from bench.stream_rows import CROWDS, DIRECT_STREAM, STREAM_ROWS

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


class CrowdOfStreams(msgspec.Struct, frozen=True, kw_only=True):
    """What is told about many streams at once, as a ratio to the floor server's."""

    row: str
    first_p50_us: Figure
    first_p99_us: Figure
    cpu_us: Figure
    before_bytes: Figure
    peak_bytes: Figure


class ScrapeFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What is told about scrapes under load; `to_floor` is the ratio to the same load without any."""

    p50_us: Figure
    p99_us: Figure
    max_us: Figure
    per_s: Figure
    cpu_us: Figure
    """Of one scrape. No ratio."""


class GrpcFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What is told about one row of gRPC."""

    row: str
    floor: str
    p50_us: Figure
    p99_us: Figure
    """With one call at a time, nothing subtracted."""
    per_s: Figure
    cpu_us: Figure


class Raw(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured; what was not is empty."""

    samples: Sequence[Sample] = ()
    streams: Sequence[Sample] = ()
    crowds: Sequence[Crowd] = ()
    flights: Sequence[Flight] = ()
    scrapes: Sequence[Scrape] = ()
    grpc: Sequence[GrpcSample] = ()
    inside: Inside | None = None
    starts: Sequence[Start] = ()
    memory: Sequence[Memory] = ()


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One run."""

    time: str
    """When it began, in UTC."""
    seconds: float
    machine: Description
    plan: Plan
    rows: Sequence[RowFigures]
    streams: Sequence[StreamFigures] = ()
    crowds: Sequence[CrowdOfStreams] = ()
    flights: Sequence[FlightFigures] = ()
    scrapes: ScrapeFigures | None = None
    grpc: Sequence[GrpcFigures] = ()
    processes: ProcessFigures | None = None
    raw: Raw


def rows_of(raw: Raw) -> list[RowFigures]:
    """Return the figures of all rows that were measured."""
    measured = {sample.row for sample in raw.samples}
    return [row_figures(raw.samples, row, BY_NAME) for row in ROWS if row.name in measured]


def streams_of(raw: Raw) -> list[StreamFigures]:
    """Return the figures of all rows of streams that were measured."""
    measured = {sample.row for sample in raw.streams}
    compared = Compared(raw.streams, {row.name: row for row in STREAM_ROWS}, DIRECT_STREAM)
    return [stream_figures(compared, row) for row in STREAM_ROWS if row.name in measured]


def crowds_of(raw: Raw) -> list[CrowdOfStreams]:
    """Return the figures of many streams at once."""
    floor = [crowd for crowd in raw.crowds if crowd.row == CROWDS[0].name]
    own = [[crowd for crowd in raw.crowds if crowd.row == row.name] for row in CROWDS]
    return [_crowd(crowds, floor if crowds is not own[0] else ()) for crowds in own if crowds]


def _crowd(crowds: Sequence[Crowd], floor: Sequence[Crowd]) -> CrowdOfStreams:
    def of(read: Callable[[Crowd], float]) -> Figure:
        return figure([read(crowd) for crowd in crowds], [read(crowd) for crowd in floor])

    return CrowdOfStreams(
        row=crowds[0].row,
        first_p50_us=of(lambda crowd: crowd.first_p50_us),
        first_p99_us=of(lambda crowd: crowd.first_p99_us),
        cpu_us=of(lambda crowd: crowd.cpu_us),
        before_bytes=of(lambda crowd: crowd.before_bytes),
        peak_bytes=of(lambda crowd: crowd.peak_bytes),
    )


def scrapes_of(raw: Raw) -> ScrapeFigures | None:
    """Return the figures of the scrapes, if there were any."""
    if not raw.scrapes:
        return None

    def of(read: Callable[[Load], float]) -> Figure:
        return figure([read(one.scraped) for one in raw.scrapes], [read(one.unscraped) for one in raw.scrapes])

    return ScrapeFigures(
        p50_us=of(lambda load: load.p50_us),
        p99_us=of(lambda load: load.p99_us),
        max_us=of(lambda load: load.max_us),
        per_s=of(lambda load: load.per_s),
        cpu_us=figure([one.cpu_us for one in raw.scrapes]),
    )


def grpc_of(raw: Raw) -> list[GrpcFigures]:
    """Return the figures of the rows of gRPC, if they were measured."""
    return [_grpc(raw, row) for row in GRPC_ROWS] if raw.grpc else []


def _grpc(raw: Raw, row: GrpcRow) -> GrpcFigures:
    def of(read: Callable[[GrpcSample], float]) -> Figure:
        own, floor = ([read(one) for one in raw.grpc if one.row == name] for name in (row.name, row.floor))
        return figure(own, floor)

    return GrpcFigures(
        row=row.name,
        floor=row.floor,
        p50_us=of(lambda sample: sample.p50_us),
        p99_us=of(lambda sample: sample.p99_us),
        per_s=of(lambda sample: sample.per_s),
        cpu_us=of(lambda sample: sample.cpu_us),
    )


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


def processes_of(raw: Raw) -> ProcessFigures | None:
    """Return the figures of the sidecar's process, if it was measured."""
    if not raw.starts:
        return None
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
    return median([sample.noise_cpus for sample in (*raw.samples, *raw.streams)] or [0.0])


def rounds_of(raw: Raw) -> int:
    """Return how many rounds there were at most."""
    rounds = [sample.round for sample in (*raw.samples, *raw.streams)] + [sample.round for sample in raw.grpc]
    return max(rounds) + 1


def _starts(raw: Raw, server: ServerName) -> list[Start]:
    return [start for start in raw.starts if start.server == server]


def _memory(raw: Raw, server: ServerName) -> Memory:
    return next(memory for memory in raw.memory if memory.server == server)


_COMPARED: Final[tuple[ServerName, ServerName]] = ("sidecar", "floor")
