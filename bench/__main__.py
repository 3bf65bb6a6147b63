"""`python -m bench`: start everything, measure in rounds, print tables, write JSON. Progress goes to stderr."""

import argparse
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Final

import msgspec

from bench.machine import ROOT
from bench.processes import BenchError
from bench.report import Report
from bench.rounds import Plan
from bench.run import measured
from bench.shown import markdown, text
from bench.table import with_figures

FULL: Final = Plan(rounds=18, limit_s=120, one_each=400, many_each=125, starts=5, memory_requests=10_000, bursts=12)
QUICK: Final = Plan(rounds=3, limit_s=15, one_each=100, many_each=50, starts=2, memory_requests=10_000, bursts=3)
LONG_MEMORY_REQUESTS: Final = 100_000
RESULTS: Final = ROOT / "bench/results"


def main() -> int:
    """Run the command; 1 if there are no figures."""
    chosen = _parser().parse_args()
    signal.signal(signal.SIGTERM, _leave)
    try:
        if chosen.markdown:
            _page_with(chosen.markdown, "")  # fails now rather than after the run
        report = _read(chosen.report) if chosen.report else measured(_plan(chosen))
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if not chosen.report:
        _write(report, chosen.out or RESULTS / f"{report.time.replace(':', '')}.json")
    print(text(report))
    if chosen.markdown:
        chosen.markdown.write_text(_page_with(chosen.markdown, markdown(report)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, under a minute: to see that it runs")
    parser.add_argument("--long", action="store_true", help=f"memory over {LONG_MEMORY_REQUESTS} requests")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where the JSON goes (bench/results/TIME.json)")
    parser.add_argument("--markdown", type=Path, metavar="PAGE", help="also write the tables between the page's marks")
    parser.add_argument("--report", type=Path, metavar="FILE", help="measure nothing, show this JSON again")
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
