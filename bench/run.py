"""One run: everything started, measured in rounds, stopped, and put into a report. `__main__` calls it."""

import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bench.machine import Cores, cores, describe
from bench.processes import Starter
from bench.report import Raw, Report, processes_of, rows_of
from bench.rounds import Plan, Rounds
from bench.servers import all_running, surroundings
from bench.starts import compile_first, memory, starts


def measured(plan: Plan) -> Report:
    """Measure everything; raises BenchError when something does not start or a single request fails."""
    began_s, began = time.monotonic(), datetime.now(UTC)
    pinned = cores(os.sched_getaffinity(0))
    machine = describe(pinned)
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as directory:
        raw = _raw(Starter(Path(directory), _bytecode()), pinned, plan)
    return Report(
        time=began.isoformat(timespec="seconds"),
        seconds=time.monotonic() - began_s,
        machine=machine,
        plan=plan,
        rows=rows_of(raw),
        processes=processes_of(raw),
        raw=raw,
    )


def _raw(starter: Starter, pinned: Cores, plan: Plan) -> Raw:
    with surroundings(starter, pinned) as around, starter.load(pinned.others) as load:
        compile_first(around)
        with all_running(around) as servers:
            samples = list(Rounds(servers, load, plan, around=(load.pid, around.redis.pid)).samples())
        return Raw(samples=samples, starts=list(starts(around, plan)), memory=list(memory(around, plan, load)))


def _bytecode() -> Path:
    """Return where compiled modules are kept: Python itself notices those that are out of date."""
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(caches).expanduser() / "parley/bytecode"
