"""The budgets that a run can judge by itself, and its verdicts. Pure; docs/performance.md says where they come from."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bench.flights import CALLERS
from bench.inside import RESTORE, RESTORE_PIECE, SPANS_CLEAN, SPANS_DENSE
from bench.report import MIB, Report
from bench.rows import PASS_THROUGH, REDIS_HIT

Verdict = Literal["reached", "met", "missed", "unknown"]


@dataclass(frozen=True, slots=True)
class Budget:
    """What a figure must not exceed, and what it should reach."""

    quantity: str
    unit: str
    measured: float | None
    must: float
    reach: float

    @property
    def verdict(self) -> Verdict:
        """Judge the figure."""
        if self.measured is None:
            return "unknown"
        if self.measured <= self.reach:
            return "reached"
        return "met" if self.measured <= self.must else "missed"


def budgets(report: Report) -> Iterator[Budget]:
    """Return the budgets with what was measured."""
    cpu = {row.row: row.cpu_us.to_floor for row in report.rows}
    sidecar = report.processes
    yield Budget("CPU of a pass-through request, to its floor", "x", cpu[PASS_THROUGH], 1.35, 1.2)
    yield Budget("CPU of a hit in Redis, to its floor", "x", cpu[REDIS_HIT], 1.2, 0.8)
    inside = report.raw.inside
    yield Budget(SPANS_CLEAN, "us", inside.cost(SPANS_CLEAN).p50_us, 500, 370)
    yield Budget(SPANS_DENSE, "us", inside.cost(SPANS_DENSE).p50_us, 800, 600)
    yield Budget("the same, p95", "us", inside.cost(SPANS_DENSE).p95_us, 1000, 650)
    yield Budget("worst hostile text of 20 KB", "ms", inside.hostile_ms, 50, 35)
    yield Budget("its growth over 5 KB", "x", inside.growth, 6, 4.5)
    yield Budget(RESTORE, "us", inside.cost(RESTORE).p50_us, 50, 11)
    yield Budget(RESTORE_PIECE, "us", inside.cost(RESTORE_PIECE).p50_us, 2, 0.2)
    yield Budget(f"calls for {CALLERS} equal requests at once", "", max(one.calls for one in report.flights), 1, 1)
    yield Budget("memory, once it has answered", "MiB", sidecar.first_bytes.value / MIB, 80, 65)
    yield Budget(f"memory grown by {sidecar.requests:,} requests", "MiB", sidecar.grown_bytes.value / MIB, 10, 3)
    yield Budget("start to first answer", "s", sidecar.first_answer_s.value, 1.0, 0.5)
