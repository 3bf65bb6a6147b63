"""A report as tables: what the command prints and what stands in docs/performance.md. Pure."""

from collections.abc import Sequence

from bench.budgets import Budget, budgets
from bench.cells import mib, times
from bench.flights import CALLERS
from bench.inside import Inside
from bench.report import FlightFigures, ProcessFigures, Report, noise_of, rounds_of
from bench.row_tables import crowded, direct, grpc, rows
from bench.rows import PASS_THROUGH
from bench.stream_tables import crowds, scrapes, streams
from bench.table import Table, as_markdown, as_text


def text(report: Report) -> str:
    """Return a report for a terminal."""
    return "\n".join([_circumstances(report), *map(as_text, tables(report))])


def markdown(report: Report) -> str:
    """Return a report for a page."""
    return "\n".join([_circumstances(report), *map(as_markdown, tables(report))])


def tables(report: Report) -> list[Table]:
    """Return the tables of what was measured."""
    all_of_them = [
        rows(report.rows),
        direct(report.rows),
        crowded(report.rows),
        streams(report.streams),
        crowds(report.crowds),
        grpc(report.grpc),
        _flights(report.flights),
        scrapes(report.scrapes),
        _inside(report.raw.inside, _pass_through_us(report)),
        _processes(report.processes),
        _budgets(list(budgets(report))),
    ]
    return [table for table in all_of_them if table.rows]


def _pass_through_us(report: Report) -> float | None:
    return next((row.cpu_us.value for row in report.rows if row.row == PASS_THROUGH), None)


def _flights(flights: Sequence[FlightFigures]) -> Table:
    rows = [
        [
            f"{CALLERS} to {one.sidecars} sidecar{'s' * (one.sidecars > 1)}",
            f"{one.calls}",
            f"{one.added_ms:.1f}",
            f"{one.cpu_us.value:,.0f}",
            times(one.cpu_us.to_floor),
        ]
        for one in flights
    ]
    heads = ["requests", "calls to the provider", "added p50 ms", "CPU us/request", "to hits in memory"]
    return Table("Equal requests that no cache knows, all at once", heads, rows)


def _inside(inside: Inside | None, whole_us: float | None) -> Table:
    rows = []
    if inside:
        rows = [
            [
                cost.name,
                f"{cost.p50_us:,.1f}",
                f"{cost.p95_us:,.1f}",
                times(cost.p50_us / whole_us if whole_us else None),
            ]
            for cost in inside.costs
        ]
        worst_us = f"{inside.hostile_ms * 1000:,.1f}"
        rows.append([f"worst hostile text of 20 KB ({inside.hostile})", worst_us, "-", "-"])
    heads = ["inside the process", "p50 us", "p95 us", "to the CPU of a pass-through"]
    return Table("Hiding personal data", heads, rows)


def _processes(own: ProcessFigures | None) -> Table:
    rows = []
    if own:
        rows = [
            ["start to ready, s", f"{own.ready_s.value:.2f}", times(own.ready_s.to_floor)],
            ["start to first answer, s", f"{own.first_answer_s.value:.2f}", times(own.first_answer_s.to_floor)],
            ["memory when ready, MiB", mib(own.idle_bytes), times(own.idle_bytes.to_floor)],
            ["memory after the first requests, MiB", mib(own.first_bytes), times(own.first_bytes.to_floor)],
            [f"memory after {own.requests:,} more, MiB", mib(own.after_bytes), times(own.after_bytes.to_floor)],
            ["of that grown, MiB", mib(own.grown_bytes), times(own.grown_bytes.to_floor)],
        ]
    return Table("The sidecar's process", ["quantity", "sidecar", "to the floor server"], rows)


def _budgets(judged: list[Budget]) -> Table:
    rows = [
        [budget.quantity, _measured(budget), f"{budget.must:g}", f"{budget.reach:g}", budget.verdict]
        for budget in judged
    ]
    return Table("Budgets", ["quantity", "measured", "must", "reach", "verdict"], rows)


def _circumstances(report: Report) -> str:
    machine, cores = report.machine, report.machine.cores
    where = "the server under test alone on one" if cores.pinned else "the load beside the server"
    versions = ", ".join(f"{name} {number}" for name, number in machine.versions.items())
    lines = (
        f"{report.time}, commit {machine.commit}: {rounds_of(report.raw)} rounds in {report.seconds:.0f} s.",
        f"{machine.cpu}, cores used: {len({*cores.server, *cores.others})}, {where}; Linux {machine.kernel}.",
        f"Python {machine.python}, {versions}.",
        f"Other things kept {noise_of(report.raw):.2f} CPUs busy; load average before {machine.load_average:.1f}.",
    )
    return "\n".join(lines) + "\n"


def _measured(budget: Budget) -> str:
    return "-" if budget.measured is None else f"{budget.measured:.2f} {budget.unit}"
