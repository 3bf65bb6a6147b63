"""From samples to figures: medians, and ratios within a round. Pure; `report` shows what comes out.

The machine is noisy and drifts, so a row is compared with its floor in the same round, and the median of those ratios
counts: never the ratio of two medians from different minutes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

import msgspec

from bench.job import StreamTimes
from bench.readings import cpu, p50, p99, rate
from bench.rows import DIRECT, Row

ONE: Final = 1
MANY: Final = 16
CROWD: Final = 64
"""The numbers of connections: latency is read at the first, rate and CPU at the second, of some rows also the third."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One row in one round at one number of connections."""

    row: str
    round: int
    connections: int
    requests: int
    p50_us: float
    p99_us: float
    per_s: float
    cpu_us: float
    """CPU time of the server's process per request."""
    noise_cpus: float
    """CPUs that were busy with what is not ours meanwhile."""
    stream: StreamTimes | None = None


class Figure(msgspec.Struct, frozen=True):
    """A median over the rounds, and medians of its ratios; None where there is nothing to compare with."""

    value: float
    to_floor: float | None = None
    to_direct: float | None = None
    """To calling the stand-in without anything between."""


class CrowdFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What is told about one row at 64 connections."""

    per_s: Figure
    p99_us: Figure
    cpu_us: Figure


class RowFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What is told about one row."""

    row: str
    floor: str
    added_p50_us: Figure
    added_p99_us: Figure
    """Of rows that ask the stand-in, without what it takes when it is asked directly; `to_direct` is of the whole."""
    per_s: Figure
    p99_us: Figure
    """At 16 connections, nothing subtracted."""
    cpu_us: Figure
    noise_cpus: float
    """The noisiest round's."""
    crowd: CrowdFigures | None = None


class StreamFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What is told about one row of streams; what is added is added to asking the stand-in directly."""

    row: str
    floor: str
    added_first_p50_us: Figure
    """Until the first event."""
    added_first_p99_us: Figure
    added_gap_p50_us: Figure
    """Between an event and the next."""
    added_gap_p99_us: Figure
    cpu_us: Figure
    """Of a whole stream, at 16 connections."""
    noise_cpus: float
    """The noisiest round's."""


Reading = Callable[[Sample], float]


def figure(rounds: Sequence[float], floor: Sequence[float] = (), direct: Sequence[float] = ()) -> Figure:
    """Return the median of a row's rounds and of its ratios to those of its floor and of the direct row."""
    return Figure(median(rounds), _ratio(rounds, floor), _ratio(rounds, direct))


@dataclass(frozen=True, slots=True)
class Compared:
    """Samples of rows, to be compared with their floors and with the one that asks the stand-in directly."""

    samples: Sequence[Sample]
    rows: Mapping[str, Row]
    direct: str = DIRECT

    def added(self, row: Row, read: Reading) -> Figure:
        """Return what a row adds to the stand-in's own latency, at one connection."""
        whole, direct = self.rounds(row.name, ONE, read), self.rounds(self.direct, ONE, read)
        floor, added = self.rows.get(row.floor), self._added(row, read)
        return Figure(median(added), _ratio(added, self._added(floor, read) if floor else ()), _ratio(whole, direct))

    def loaded(self, row: Row, read: Reading, connections: int = MANY) -> Figure:
        """Return what a row has at many connections, nothing subtracted."""
        own, floor, direct = (self.rounds(name, connections, read) for name in (row.name, row.floor, self.direct))
        return figure(own, floor, direct)

    def noise_cpus(self, row: Row) -> float:
        """Return the noisiest round's."""
        return max(sample.noise_cpus for sample in self.samples if sample.row == row.name)

    def rounds(self, row: str, connections: int, read: Reading) -> list[float]:
        """Return one value a round, in order."""
        chosen = [sample for sample in self.samples if (sample.row, sample.connections) == (row, connections)]
        return [read(sample) for sample in sorted(chosen, key=lambda sample: sample.round)]

    def _added(self, row: Row, read: Reading) -> list[float]:
        whole = self.rounds(row.name, ONE, read)
        if not row.asks_standin:
            return whole
        return [one - other for one, other in zip(whole, self.rounds(self.direct, ONE, read), strict=True)]


def row_figures(samples: Sequence[Sample], row: Row, rows: Mapping[str, Row]) -> RowFigures:
    """Return the figures of one row."""
    compared = Compared(samples, rows)
    return RowFigures(
        row=row.name,
        floor=row.floor,
        added_p50_us=compared.added(row, p50),
        added_p99_us=compared.added(row, p99),
        per_s=compared.loaded(row, rate),
        p99_us=compared.loaded(row, p99),
        cpu_us=compared.loaded(row, cpu),
        noise_cpus=compared.noise_cpus(row),
        crowd=_crowd(compared, row),
    )


def stream_figures(compared: Compared, row: Row) -> StreamFigures:
    """Return the figures of one row of streams."""
    return StreamFigures(
        row=row.name,
        floor=row.floor,
        added_first_p50_us=compared.added(row, lambda sample: _stream(sample).first_p50_us),
        added_first_p99_us=compared.added(row, lambda sample: _stream(sample).first_p99_us),
        added_gap_p50_us=compared.added(row, lambda sample: _stream(sample).gap_p50_us),
        added_gap_p99_us=compared.added(row, lambda sample: _stream(sample).gap_p99_us),
        cpu_us=compared.loaded(row, cpu),
        noise_cpus=compared.noise_cpus(row),
    )


def _crowd(compared: Compared, row: Row) -> CrowdFigures | None:
    if not compared.rounds(row.name, CROWD, rate):
        return None
    per_s, p99_us, cpu_us = (compared.loaded(row, read, CROWD) for read in (rate, p99, cpu))
    return CrowdFigures(per_s=per_s, p99_us=p99_us, cpu_us=cpu_us)


def _stream(sample: Sample) -> StreamTimes:
    assert sample.stream is not None
    return sample.stream


def _ratio(rounds: Sequence[float], others: Sequence[float]) -> float | None:
    """Return the median ratio; rounds in which noise made the other nothing or less say nothing."""
    ratios = [one / other for one, other in zip(rounds, others, strict=False) if other > 0]
    return median(ratios) if ratios else None
