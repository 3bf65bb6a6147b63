"""The budgets that a run can judge by itself, and its verdicts. Pure; docs/performance.md says where they come from."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bench.figures import MANY, Compared, figure
from bench.flights import CALLERS
from bench.inside import RESTORE, RESTORE_PIECE, SPANS_CLEAN, SPANS_DENSE, Inside
from bench.readings import cpu
from bench.report import MIB, Report
from bench.rows import BARE_AIOHTTP, BY_NAME, PASS_THROUGH, REDIS_HIT
from bench.stream_rows import EVENTS, STREAM

Verdict = Literal["reached", "met", "missed", "unknown"]


@dataclass(frozen=True, slots=True)
class Budget:
    """What a figure must not exceed, or be less than, and what it should reach."""

    quantity: str
    unit: str
    measured: float | None
    must: float
    reach: float
    at_least: bool = False
    """Whether more is better."""

    @property
    def verdict(self) -> Verdict:
        """Judge the figure."""
        if self.measured is None:
            return "unknown"
        sign = -1 if self.at_least else 1
        if sign * self.measured <= sign * self.reach:
            return "reached"
        return "met" if sign * self.measured <= sign * self.must else "missed"


def budgets(report: Report) -> Iterator[Budget]:
    """Return the budgets that can be judged by what was measured."""
    yield from _rows(report)
    yield from _streams(report)
    if report.raw.inside:
        yield from _hiding(report.raw.inside)
    if report.flights:
        calls = max(one.calls for one in report.flights)
        yield Budget(f"calls for {CALLERS} equal requests at once", "", calls, 1, 1)
    if sidecar := report.processes:
        yield Budget("memory, once it has answered", "MiB", sidecar.first_bytes.value / MIB, 80, 65)
        grown_bytes = sidecar.grown_bytes.value
        yield Budget(f"memory grown by {sidecar.requests:,} requests", "MiB", grown_bytes / MIB, 10, 3)
        yield Budget("start to first answer", "s", sidecar.first_answer_s.value, 1.0, 0.5)


def _rows(report: Report) -> Iterator[Budget]:
    ratios = {row.row: row.cpu_us.to_floor for row in report.rows}
    if PASS_THROUGH in ratios:
        compared = Compared(report.raw.samples, BY_NAME)
        own, library = (compared.rounds(name, MANY, cpu) for name in (PASS_THROUGH, BARE_AIOHTTP))
        if library:
            yield Budget(
                "CPU of a pass-through request, to a route with aiohttp", "x", figure(own, library).to_floor, 1.35, 1.2
            )
        yield Budget("the same, to a route with our own HTTP client", "x", ratios[PASS_THROUGH], 1.35, 1.2)
    if REDIS_HIT in ratios:
        yield Budget("CPU of a hit in Redis, to its floor", "x", ratios[REDIS_HIT], 1.2, 0.8)


def _streams(report: Report) -> Iterator[Budget]:
    for row in report.streams:
        if row.row == STREAM:
            added_ms = row.added_first_p50_us.value / 1000
            yield Budget("added until a stream's first event, p50", "ms", added_ms, 0.7, 0.4)
            yield Budget(f"CPU of a stream of {EVENTS} events", "ms", row.cpu_us.value / 1000, 6, 3)


def _hiding(inside: Inside) -> Iterator[Budget]:
    yield Budget(SPANS_CLEAN, "us", inside.cost(SPANS_CLEAN).p50_us, 500, 370)
    yield Budget(SPANS_DENSE, "us", inside.cost(SPANS_DENSE).p50_us, 800, 600)
    yield Budget("the same, p95", "us", inside.cost(SPANS_DENSE).p95_us, 1000, 650)
    yield Budget("worst hostile text of 20 KB", "ms", inside.hostile_ms, 50, 35)
    yield Budget("its growth over 5 KB", "x", inside.growth, 6, 4.5)
    yield Budget(RESTORE, "us", inside.cost(RESTORE).p50_us, 50, 11)
    yield Budget(RESTORE_PIECE, "us", inside.cost(RESTORE_PIECE).p50_us, 2, 0.2)
