"""A report as tables: what the command prints and what stands in docs/performance-cluster.md. Pure."""

from typing import Final

from bench.cluster.figures import Figure, Report, RunReport
from bench.table import Table, as_markdown, as_text

BEGIN: Final = "<!-- figures: python -m bench.cluster --markdown writes what follows -->"
HEADS: Final = ("quantity", "measured", "must", "reach", "verdict")


def text(report: Report) -> str:
    """Return a report for a terminal."""
    return "\n".join([_circumstances(report), *(as_text(_table(run)) for run in report.runs)])


def markdown(report: Report) -> str:
    """Return a report for a page."""
    return "\n".join([_circumstances(report), *(as_markdown(_table(run)) for run in report.runs)])


def _table(run: RunReport) -> Table:
    title = f"{run.name}: {run.meaning} ({run.seconds:.0f} s, {run.busy_cpus:.1f} CPUs busy)"
    failed = [[f"failed: {run.failure}", "-", "-", "-", "missed"]] if run.failure else []
    return Table(title, HEADS, [*map(_row, run.figures), *failed])


def _row(figure: Figure) -> list[str]:
    measured = f"{_number(figure.value)} {figure.unit}".rstrip()
    return [figure.quantity, measured, _budget(figure, figure.must), _budget(figure, figure.reach), figure.verdict]


def _budget(figure: Figure, number: float | None) -> str:
    if number is None:
        return "-"
    return f"{'>=' if figure.more_is_better else '<='} {number:,g}"


def _number(value: float) -> str:
    if value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"


def _circumstances(report: Report) -> str:
    machine = report.machine
    cores = len({*machine.cores.server, *machine.cores.others})
    lines = (
        f"{report.time}, commit {machine.commit}: `{report.command}`.",
        f"{machine.cpu}, cores used: {cores}, by cluster, load and all; Linux {machine.kernel}.",
        f"Python {machine.python}. Load average before {machine.load_average:.1f}.",
    )
    return "\n".join(lines) + "\n"
