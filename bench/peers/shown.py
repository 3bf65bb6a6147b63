"""A report as tables: what the command prints and what stands in docs/peers.md. Pure."""

from collections.abc import Sequence
from statistics import median

from bench.budgets import Budget
from bench.cells import with_floor
from bench.figures import MANY
from bench.peers.goals import first, goals
from bench.peers.kinds import Kind
from bench.peers.report import Reading, Report, added, compared, loaded, most_calls, peers_of, rounds, start_of
from bench.peers.servers import PARLEY
from bench.readings import cpu, p50, p99, rate
from bench.report import MIB
from bench.table import Table, as_markdown, as_text


def text(report: Report) -> str:
    """Return a report for a terminal."""
    return "\n".join([_circumstances(report), *map(as_text, tables(report))])


def markdown(report: Report) -> str:
    """Return a report for a page."""
    return "\n".join([_circumstances(report), *map(as_markdown, tables(report))])


def tables(report: Report) -> list[Table]:
    """Return a report's tables."""
    kinds = [_kind(report, kind) for kind in Kind if kind != Kind.FLIGHT and peers_of(report, kind)]
    return [*kinds, _flights(report), _processes(report), _unmeasured(report), _goals(report)]


def _kind(report: Report, kind: Kind) -> Table:
    heads = ["added p50 us", "added p99 us", "requests/s", "CPU us/request", "noise CPUs"]
    readings: tuple[Reading, ...] = (p50, p99)
    if kind == Kind.STREAM:
        heads[:2] = ["first event, added p50 us"]
        readings = (first,)
    rows = [
        [
            peer,
            *(_cell(added(report, kind, peer, read), added(report, kind, PARLEY, read)) for read in readings),
            *(_cell(loaded(report, kind, peer, read), loaded(report, kind, PARLEY, read)) for read in (rate, cpu)),
            _middle(rounds(report, kind, peer, MANY, lambda sample: sample.noise_cpus)),
        ]
        for peer in peers_of(report, kind)
    ]
    title = f"{kind} (latency at one connection, the rest at {MANY}; in brackets the ratio to {PARLEY})"
    return Table(_capital(title), ["peer", *heads], rows)


def _flights(report: Report) -> Table:
    rows = []
    for peer in report.versions:
        calls = most_calls(report, peer)
        if calls is not None:
            added_ms = [burst.added_ms for burst in report.bursts if burst.peer == peer]
            rows.append([peer, f"{calls}", f"{sorted(added_ms)[len(added_ms) // 2]:,.0f}"])
    return Table(_capital(Kind.FLIGHT), ["peer", "calls to the provider", "added p50 ms"], rows)


def _processes(report: Report) -> Table:
    heads = ["version", "ready, s", "first answer, s", "MiB idle", "MiB after the run", "MiB installed"]
    rows = [
        [
            peer,
            version,
            _number(start_of(report, peer, lambda start: start.ready_s), 2),
            _number(start_of(report, peer, lambda start: start.first_answer_s), 2),
            _number(start_of(report, peer, lambda start: start.idle_bytes / MIB), 0),
            f"{report.after_bytes[peer] / MIB:.0f}",
            f"{report.installed_bytes[peer] / MIB:.0f}",
        ]
        for peer, version in report.versions.items()
    ]
    return Table("Processes", ["peer", *heads], rows)


def _unmeasured(report: Report) -> Table:
    rows = [[peer, "everything", f"not available: {why}"] for peer, why in report.missing.items()]
    rows += [[peer, kind, why] for peer, failed in report.failures.items() for kind, why in failed.items()]
    return Table("Not measured", ["peer", "what", "why"], rows or [["-", "-", "-"]])


def _goals(report: Report) -> Table:
    rows = [
        [goal.quantity, _measured(goal), f"{_sign(goal)} {goal.must:g}", f"{_sign(goal)} {goal.reach:g}", goal.verdict]
        for goal in goals(report)
    ]
    return Table(f"Goals of {PARLEY}", ["quantity", "measured", "must", "reach", "verdict"], rows)


def _circumstances(report: Report) -> str:
    machine = report.machine
    where = "each server alone on one" if machine.cores.pinned else "the load beside the server"
    count = max((sample.round for sample in report.samples), default=-1) + 1
    lines = (
        f"{report.time}, commit {machine.commit}: {count} rounds in {report.seconds:.0f} s.",
        f"{machine.cpu}, cores used: {len({*machine.cores.server, *machine.cores.others})}, {where};",
        f"Linux {machine.kernel}, Python {machine.python}, load average before {machine.load_average:.1f}.",
    )
    return "\n".join(lines) + "\n"


def _cell(own: Sequence[float], others: Sequence[float]) -> str:
    found = compared(own, others)
    return "-" if found is None else with_floor(found)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _middle(values: Sequence[float]) -> str:
    return _number(median(values) if values else None, 1)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _sign(goal: Budget) -> str:
    return ">=" if goal.at_least else "<="


def _measured(goal: Budget) -> str:
    return "-" if goal.measured is None else f"{goal.measured:.2f} {goal.unit}".rstrip()
