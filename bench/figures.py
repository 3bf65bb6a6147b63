"""From samples to figures: medians, and ratios within a round. Pure; `report` shows what comes out.

The machine is noisy and drifts, so a row is compared with its floor in the same round, and the median of those ratios
counts: never the ratio of two medians from different minutes.
"""

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Final

import msgspec

from bench.rows import DIRECT, Row

ONE: Final = 1
MANY: Final = 16
"""The two numbers of connections: latency is read at the first, rate and CPU at the second."""


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


class Figure(msgspec.Struct, frozen=True):
    """A median over the rounds, and medians of its ratios; None where there is nothing to compare with."""

    value: float
    to_floor: float | None = None
    to_direct: float | None = None
    """To calling the stand-in without anything between."""


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


Reading = Callable[[Sample], float]


def figure(rounds: Sequence[float], floor: Sequence[float] = (), direct: Sequence[float] = ()) -> Figure:
    """Return the median of a row's rounds and of its ratios to those of its floor and of the direct row."""
    return Figure(median(rounds), _ratio(rounds, floor), _ratio(rounds, direct))


def row_figures(samples: Sequence[Sample], row: Row, rows: Mapping[str, Row]) -> RowFigures:
    """Return the figures of one row."""
    floor = rows.get(row.floor)
    return RowFigures(
        row=row.name,
        floor=row.floor,
        added_p50_us=_added_figure(samples, row, floor, lambda sample: sample.p50_us),
        added_p99_us=_added_figure(samples, row, floor, lambda sample: sample.p99_us),
        per_s=_loaded_figure(samples, row, lambda sample: sample.per_s),
        p99_us=_loaded_figure(samples, row, lambda sample: sample.p99_us),
        cpu_us=_loaded_figure(samples, row, lambda sample: sample.cpu_us),
        noise_cpus=max(sample.noise_cpus for sample in samples if sample.row == row.name),
    )


def _added_figure(samples: Sequence[Sample], row: Row, floor: Row | None, read: Reading) -> Figure:
    """Return what a row adds to the stand-in's own latency, at one connection."""
    whole, direct = _rounds(samples, row.name, ONE, read), _rounds(samples, DIRECT, ONE, read)
    added = _added(samples, row, read)
    return Figure(median(added), _ratio(added, _added(samples, floor, read) if floor else ()), _ratio(whole, direct))


def _added(samples: Sequence[Sample], row: Row, read: Reading) -> list[float]:
    whole = _rounds(samples, row.name, ONE, read)
    if not row.asks_standin:
        return whole
    return [one - other for one, other in zip(whole, _rounds(samples, DIRECT, ONE, read), strict=True)]


def _loaded_figure(samples: Sequence[Sample], row: Row, read: Reading) -> Figure:
    own, floor, direct = (_rounds(samples, name, MANY, read) for name in (row.name, row.floor, DIRECT))
    return figure(own, floor, direct)


def _rounds(samples: Sequence[Sample], row: str, connections: int, read: Reading) -> list[float]:
    """Return one value a round, in order."""
    chosen = [sample for sample in samples if (sample.row, sample.connections) == (row, connections)]
    return [read(sample) for sample in sorted(chosen, key=lambda sample: sample.round)]


def _ratio(rounds: Sequence[float], others: Sequence[float]) -> float | None:
    """Return the median ratio; rounds in which noise made the other nothing or less say nothing."""
    ratios = [one / other for one, other in zip(rounds, others, strict=False) if other > 0]
    return median(ratios) if ratios else None
