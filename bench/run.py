"""One run: everything started, measured in rounds, stopped, and put into a report. `__main__` calls it."""

import os
import tempfile
import time
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.flights import flights
from bench.inside import inside
from bench.machine import Cores, cores, describe
from bench.processes import Starter
from bench.report import Raw, Report, flights_of, processes_of, rows_of
from bench.rounds import Plan, Rounds
from bench.servers import all_running, surroundings
from bench.starts import compile_first, memory, starts
from parley_sidecar.settings import CONTEXT_KEY_BYTES

CONTEXT_KEY: Final = "PARLEY_CONTEXT_KEY"


def measured(plan: Plan) -> Report:
    """Measure everything; raises BenchError when something does not start or a single request fails."""
    began_s, began = time.monotonic(), datetime.now(UTC)
    pinned = cores(os.sched_getaffinity(0))
    machine = describe(pinned)
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as directory:
        starter = Starter(Path(directory), bytecode(), {CONTEXT_KEY: b64encode(os.urandom(CONTEXT_KEY_BYTES)).decode()})
        raw = _raw(starter, pinned, plan)
    return Report(
        time=began.isoformat(timespec="seconds"),
        seconds=time.monotonic() - began_s,
        machine=machine,
        plan=plan,
        rows=rows_of(raw),
        flights=flights_of(raw),
        processes=processes_of(raw),
        raw=raw,
    )


def _raw(starter: Starter, pinned: Cores, plan: Plan) -> Raw:
    with surroundings(starter, pinned) as around, starter.load(pinned.others) as load:
        compile_first(around)
        with all_running(around) as servers:
            samples = list(Rounds(servers, load, plan, around=(load.pid, around.redis.pid)).samples())
            bursts = list(flights(servers, load, plan.bursts))
        hiding = inside(starter, pinned.server)
        started, remembered = list(starts(around, plan)), list(memory(around, plan, load))
    return Raw(samples=samples, flights=bursts, inside=hiding, starts=started, memory=remembered)


def bytecode() -> Path:
    """Return where compiled modules are kept: Python itself notices those that are out of date."""
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(caches).expanduser() / "parley/bytecode"
