"""`python -m bench.peers`: install the peers, measure all beside the sidecar, print tables. Progress goes to stderr."""

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Final

from bench.peers.run import Plan, measured
from bench.peers.servers import PARLEY, PEERS
from bench.peers.shown import markdown, text
from bench.processes import BenchError
from bench.table import with_figures

FULL: Final = Plan(rounds=5, job_s=0.4, starts=3, starts_s=15, bursts=3)
QUICK: Final = Plan(rounds=1, job_s=0.1, starts=1, starts_s=0, bursts=1)
BEGIN: Final = "<!-- figures: python -m bench.peers --markdown writes what follows -->"


def main() -> int:
    """Run the command; 1 if there are no figures. A peer that cannot be had is told and is no failure."""
    chosen = _parser().parse_args()
    signal.signal(signal.SIGTERM, _leave)
    wanted = [peer for peer in PEERS if peer.name in {PARLEY, *chosen.peers}]
    try:
        if chosen.markdown:
            _page_with(chosen.markdown, "")  # fails now rather than after the run
        report = measured(wanted, QUICK if chosen.quick else FULL)
        print(text(report))
        if chosen.markdown:
            chosen.markdown.write_text(_page_with(chosen.markdown, markdown(report)))
    except BenchError as error:
        print(f"bench.peers: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    names = [peer.name for peer in PEERS]
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("--peers", nargs="+", choices=names, default=names, help=f"which; {PARLEY} is always there")
    parser.add_argument("--quick", action="store_true", help="one short round: to see that it runs")
    parser.add_argument("--markdown", type=Path, metavar="PAGE", help="also write the tables between the page's marks")
    return parser


def _page_with(page: Path, figures: str) -> str:
    """Return a page with figures between its marks; raises BenchError when it has none."""
    try:
        return with_figures(page.read_text(), figures, BEGIN)
    except (OSError, ValueError) as error:
        raise BenchError(f"{page} cannot take the figures: {error}") from error


def _leave(number: int, _: FrameType | None) -> None:
    """End as on Ctrl+C, so that no process is left behind."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    raise SystemExit(main())
