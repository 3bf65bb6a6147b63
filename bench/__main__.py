"""`python -m bench`: start everything, measure in rounds, print tables, write JSON. Progress goes to stderr."""

import argparse
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Final

import msgspec

from bench.check import checked, lines
from bench.flame import flames
from bench.grpc_rows import GRPC_ROWS
from bench.machine import ROOT
from bench.processes import BenchError
from bench.report import Report
from bench.rounds import Plan
from bench.rows import ROWS
from bench.run import measured, measured_rows
from bench.shown import markdown, text
from bench.stream_rows import STREAM_ROWS
from bench.table import with_figures

FULL: Final = Plan(
    rounds=18,
    limit_s=120,
    one_each=400,
    many_each=125,
    starts=5,
    memory_requests=10_000,
    bursts=12,
    crowd_each=32,
    stream_rounds=4,
    stream_one_each=20,
    stream_many_each=4,
    crowds=3,
    scrapes=3,
    scrape_each=800,
    grpc_rounds=4,
    grpc_each=60,
)
QUICK: Final = Plan(
    rounds=2,
    limit_s=15,
    one_each=100,
    many_each=50,
    starts=2,
    memory_requests=5_000,
    bursts=2,
    crowd_each=16,
    stream_rounds=1,
    stream_one_each=6,
    stream_many_each=2,
    crowds=1,
    scrapes=1,
    scrape_each=300,
    grpc_rounds=1,
    grpc_each=20,
)
LONG_MEMORY_REQUESTS: Final = 100_000
FLAME_S: Final = 10
RESULTS: Final = ROOT / "bench/results"


def main() -> int:
    """Run the command; 1 if there are no figures, or the check finds a limit exceeded."""
    chosen = _parser().parse_args()
    signal.signal(signal.SIGTERM, _leave)
    try:
        if chosen.check:
            return _check()
        if chosen.flame:
            return _flame(chosen.flame)
        return _report(chosen)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1


def _report(chosen: argparse.Namespace) -> int:
    if chosen.markdown:
        _page_with(chosen.markdown, "")  # fails now rather than after the run
    report = _read(chosen.report) if chosen.report else _measured(chosen)
    if not chosen.report:
        _write(report, chosen.out or RESULTS / f"{report.time.replace(':', '')}.json")
    print(text(report))
    if chosen.markdown:
        chosen.markdown.write_text(_page_with(chosen.markdown, markdown(report)))
    return 0


def _measured(chosen: argparse.Namespace) -> Report:
    if not chosen.rows:
        return measured(_plan(chosen))
    known = [row.name for row in (*ROWS, *STREAM_ROWS, *GRPC_ROWS)]
    if unknown := sorted({*chosen.rows} - {*known}):
        raise BenchError(f"there is no row {', '.join(map(repr, unknown))}, only {', '.join(map(repr, known))}")
    return measured_rows(_plan(chosen), chosen.rows)


def _check() -> int:
    judgements = checked()
    print("\n".join(lines(judgements)))
    return 0 if all(one.is_kept for one in judgements) else 1


def _flame(directory: Path) -> int:
    for path in flames(FULL, directory, FLAME_S):
        print(f"written to {path}", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, a minute and a half: to see that it runs")
    parser.add_argument("--long", action="store_true", help=f"memory over {LONG_MEMORY_REQUESTS} requests")
    parser.add_argument("--rows", nargs="+", metavar="NAME", help="only these rows, and what they are compared with")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where the JSON goes (bench/results/TIME.json)")
    parser.add_argument("--markdown", type=Path, metavar="PAGE", help="also write the tables between the page's marks")
    parser.add_argument("--report", type=Path, metavar="FILE", help="measure nothing, show this JSON again")
    parser.add_argument("--check", action="store_true", help="half a minute: fail where a cost exceeds a wide limit")
    parser.add_argument("--flame", type=Path, metavar="DIRECTORY", help="write flame graphs of the sidecar at work")
    return parser


def _plan(chosen: argparse.Namespace) -> Plan:
    plan = QUICK if chosen.quick else FULL
    return replace(plan, memory_requests=LONG_MEMORY_REQUESTS) if chosen.long else plan


def _write(report: Report, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    print(f"written to {path}", file=sys.stderr)


def _read(path: Path) -> Report:
    """Read a report; raises BenchError when it is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Report)
    except (OSError, msgspec.MsgspecError) as error:
        raise BenchError(f"{path} is no report of the bench: {error}") from error


def _page_with(page: Path, figures: str) -> str:
    """Return a page with figures between its marks; raises BenchError when it has none."""
    try:
        return with_figures(page.read_text(), figures)
    except (OSError, ValueError) as error:
        raise BenchError(f"{page} cannot take the figures: {error}") from error


def _leave(number: int, _: FrameType | None) -> None:
    """End as on Ctrl+C, so that no process is left behind."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    raise SystemExit(main())
