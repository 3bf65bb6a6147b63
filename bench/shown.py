"""A report as tables: what the command prints and what stands in docs/performance.md. Pure."""

from collections.abc import Callable

from bench.budgets import Budget, budgets
from bench.figures import MANY, Figure, RowFigures
from bench.flights import CALLERS
from bench.report import MIB, Report, noise_of
from bench.rows import PASS_THROUGH
from bench.table import Table, as_markdown, as_text


def text(report: Report) -> str:
    """Return a report for a terminal."""
    return "\n".join([_circumstances(report), *map(as_text, tables(report))])


def markdown(report: Report) -> str:
    """Return a report for a page."""
    return "\n".join([_circumstances(report), *map(as_markdown, tables(report))])


def tables(report: Report) -> list[Table]:
    """Return a report's tables."""
    return [_rows(report), _direct(report), _flights(report), _inside(report), _processes(report), _budgets(report)]


def _rows(report: Report) -> Table:
    heads = [
        "row",
        "added p50 us",
        "added p99 us",
        "requests/s",
        "p99 us, c=16",
        "CPU us/request",
        "noise CPUs",
        "compared with",
    ]
    rows = [
        [
            row.row,
            *map(_with_floor, (row.added_p50_us, row.added_p99_us, row.per_s, row.p99_us, row.cpu_us)),
            f"{row.noise_cpus:.1f}",
            row.floor or "-",
        ]
        for row in report.rows
    ]
    return Table(
        f"Rows (latency at one connection, the rest at {MANY}; in brackets the ratio to the row in the last column)",
        heads,
        rows,
    )


def _direct(report: Report) -> Table:
    quantities: tuple[Callable[[RowFigures], Figure], ...] = (
        lambda row: row.added_p50_us,
        lambda row: row.added_p99_us,
        lambda row: row.per_s,
        lambda row: row.cpu_us,
    )
    rows = [[row.row, *(_times(read(row).to_direct) for read in quantities)] for row in report.rows]
    return Table("The same as ratios to asking the stand-in directly", ["row", "p50", "p99", "requests/s", "CPU"], rows)


def _flights(report: Report) -> Table:
    rows = [
        [
            f"{CALLERS} to {one.sidecars} sidecar{'s' * (one.sidecars > 1)}",
            f"{one.calls}",
            f"{one.added_ms:.1f}",
            f"{one.cpu_us.value:,.0f}",
            _times(one.cpu_us.to_floor),
        ]
        for one in report.flights
    ]
    heads = ["requests", "calls to the provider", "added p50 ms", "CPU us/request", "to hits in memory"]
    return Table("Equal requests that no cache knows, all at once", heads, rows)


def _inside(report: Report) -> Table:
    inside = report.raw.inside
    whole_us = next(row.cpu_us.value for row in report.rows if row.row == PASS_THROUGH)
    rows = [
        [cost.name, f"{cost.p50_us:,.1f}", f"{cost.p95_us:,.1f}", f"{cost.p50_us / whole_us:.2f}x"]
        for cost in inside.costs
    ]
    worst_us = f"{inside.hostile_ms * 1000:,.1f}"
    rows.append([f"worst hostile text of 20 KB ({inside.hostile})", worst_us, "-", "-"])
    heads = ["inside the process", "p50 us", "p95 us", "to the CPU of a pass-through"]
    return Table("Hiding personal data", heads, rows)


def _processes(report: Report) -> Table:
    own = report.processes
    rows = [
        ["start to ready, s", f"{own.ready_s.value:.2f}", _times(own.ready_s.to_floor)],
        ["start to first answer, s", f"{own.first_answer_s.value:.2f}", _times(own.first_answer_s.to_floor)],
        ["memory when ready, MiB", _mib(own.idle_bytes), _times(own.idle_bytes.to_floor)],
        ["memory after the first requests, MiB", _mib(own.first_bytes), _times(own.first_bytes.to_floor)],
        [f"memory after {own.requests:,} more, MiB", _mib(own.after_bytes), _times(own.after_bytes.to_floor)],
        ["of that grown, MiB", _mib(own.grown_bytes), _times(own.grown_bytes.to_floor)],
    ]
    return Table("The sidecar's process", ["quantity", "sidecar", "to the floor server"], rows)


def _budgets(report: Report) -> Table:
    rows = [
        [budget.quantity, _measured(budget), f"{budget.must:g}", f"{budget.reach:g}", budget.verdict]
        for budget in budgets(report)
    ]
    return Table("Budgets", ["quantity", "measured", "must", "reach", "verdict"], rows)


def _circumstances(report: Report) -> str:
    machine, cores = report.machine, report.machine.cores
    where = "the server under test alone on one" if cores.pinned else "the load beside the server"
    versions = ", ".join(f"{name} {number}" for name, number in machine.versions.items())
    rounds = max(sample.round for sample in report.raw.samples) + 1
    lines = (
        f"{report.time}, commit {machine.commit}: {rounds} rounds in {report.seconds:.0f} s.",
        f"{machine.cpu}, cores used: {len({*cores.server, *cores.others})}, {where}; Linux {machine.kernel}.",
        f"Python {machine.python}, {versions}.",
        f"Other things kept {noise_of(report.raw):.2f} CPUs busy; load average before {machine.load_average:.1f}.",
    )
    return "\n".join(lines) + "\n"


def _with_floor(figure: Figure) -> str:
    value = f"{figure.value:,.0f}"
    return value if figure.to_floor is None else f"{value} ({figure.to_floor:.2f}x)"


def _times(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}x"


def _mib(figure: Figure) -> str:
    return f"{figure.value / MIB:.1f}"


def _measured(budget: Budget) -> str:
    return "-" if budget.measured is None else f"{budget.measured:.2f} {budget.unit}"
