"""`python -m bench --flame DIRECTORY`: flame graphs of the sidecar at work, by py-spy."""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.figures import MANY
from bench.machine import cores
from bench.processes import BenchError, Starter
from bench.rounds import Plan, Rounds
from bench.rows import BY_NAME, PASS_THROUGH, REDIS_HIT, Row
from bench.run import started
from bench.servers import all_running

SAMPLES_PER_S: Final = 400
EACH: Final = 50
"""Requests on each connection between two looks at whether py-spy has ended."""
FILES: Final = {PASS_THROUGH: "pass-through.svg", REDIS_HIT: "redis-hit.svg"}
_TITLE: Final = re.compile(r'(<text id="title"[^>]*>)[^<]*(</text>)')
PY_SPY: Final = Path(sys.executable).parent / "py-spy"


def flames(plan: Plan, directory: Path, seconds: int) -> Iterator[Path]:
    """Write a graph of each row and return where it is; threads that wait are not in it.

    Raises:
        BenchError: when there is no py-spy, or it fails.
    """
    if not PY_SPY.exists():
        raise BenchError("py-spy is not installed: make setup")
    directory.mkdir(parents=True, exist_ok=True)
    rows = [BY_NAME[name] for name in FILES]
    pinned = cores(os.sched_getaffinity(0))
    with started(pinned) as (around, load), all_running(around, ["sidecar"]) as servers:
        rounds = Rounds(servers, load, plan, (load.pid, around.redis.pid), rows)
        rounds.fill()
        for row in rows:
            path = directory.resolve() / FILES[row.name]
            command = _command(servers[row.server].pid, path, seconds)
            _recorded(rounds, row, around.starter, command)
            path.write_text(_titled(path.read_text(), f"the sidecar: {row.name}, {MANY} connections"))
            yield path


def _recorded(rounds: Rounds, row: Row, starter: Starter, command: list[str]) -> None:
    """Keep the sidecar at work while py-spy looks on."""
    others = cores(os.sched_getaffinity(0)).others
    with starter.running("py-spy", command, 0, others) as spy:
        while spy.process.poll() is None:
            rounds.do(row, MANY, EACH, row.expected)
        if spy.process.returncode:
            raise BenchError(f"py-spy failed:\n{spy.log.read_text()[-2000:]}")


def _command(pid: int, path: Path, seconds: int) -> list[str]:
    command = [str(PY_SPY), "record", "--pid", str(pid), "--output", str(path), "--duration", str(seconds)]
    # Only who holds the interpreter: threads that wait inside a library look busy to py-spy.
    return [*command, "--rate", str(SAMPLES_PER_S), "--format", "flamegraph", "--function", "--gil"]


def _titled(graph: str, title: str) -> str:
    """Return a graph with its title instead of the command, which names places of this machine."""
    return _TITLE.sub(rf"\g<1>{title}\g<2>", graph, count=1)
