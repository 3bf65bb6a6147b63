"""One run: everything started, measured in rounds, stopped, and put into a report. `__main__` calls it."""

import os
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from bench.crowds import crowds
from bench.flights import flights
from bench.grpc_rows import GRPC_ROWS, grpc_rows
from bench.inside import inside
from bench.machine import Cores, cores, describe
from bench.processes import Load, Starter
from bench.report import Raw, Report, crowds_of, flights_of, grpc_of, processes_of, rows_of, scrapes_of, streams_of
from bench.rounds import Plan, Rounds, of_streams
from bench.rows import DIRECT, ROWS, with_floors
from bench.scrapes import scrapes
from bench.servers import Surroundings, all_running, surroundings
from bench.starts import compile_first, memory, starts
from bench.stream_rows import DIRECT_STREAM, STREAM_ROWS
from parley_sidecar.settings import CONTEXT_KEY_BYTES

CONTEXT_KEY: Final = "PARLEY_CONTEXT_KEY"


def measured(plan: Plan) -> Report:
    """Measure everything; raises BenchError when something does not start or a single request fails."""
    return _reported(plan, partial(_everything, plan))


def measured_rows(plan: Plan, names: Collection[str]) -> Report:
    """Measure rows of these names, what they are compared with, and nothing else; raises BenchError as `measured`.

    A row of gRPC brings all of them.
    """
    return _reported(plan, partial(_chosen, plan, names))


def _reported(plan: Plan, measure: Callable[[Surroundings, Load], Raw]) -> Report:
    """Return the report of what `measure` finds out with a stand-in, a Redis and a load generator that run."""
    began_s, began = time.monotonic(), datetime.now(UTC)
    pinned = cores(os.sched_getaffinity(0))
    machine = describe(pinned)
    with started(pinned) as (around, load):
        raw = measure(around, load)
    return Report(
        time=began.isoformat(timespec="seconds"),
        seconds=time.monotonic() - began_s,
        machine=machine,
        plan=plan,
        rows=rows_of(raw),
        streams=streams_of(raw),
        crowds=crowds_of(raw),
        flights=flights_of(raw),
        scrapes=scrapes_of(raw),
        grpc=grpc_of(raw),
        processes=processes_of(raw),
        raw=raw,
    )


@contextmanager
def started(pinned: Cores) -> Iterator[tuple[Surroundings, Load]]:
    """Run a stand-in, a Redis and a load generator meanwhile."""
    variables = {CONTEXT_KEY: b64encode(os.urandom(CONTEXT_KEY_BYTES)).decode()}
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as directory:
        starter = Starter(Path(directory), bytecode(), variables)
        with surroundings(starter, pinned) as around, starter.load(pinned.others) as load:
            yield around, load


def _everything(plan: Plan, around: Surroundings, load: Load) -> Raw:
    compile_first(around)
    with all_running(around) as servers:
        ours = (load.pid, around.redis.pid)
        samples = list(Rounds(servers, load, plan, ours).samples())
        streams = list(Rounds(servers, load, of_streams(plan), ours, STREAM_ROWS).samples())
        many_streams = list(crowds(servers, load, plan.crowds))
        bursts = list(flights(servers, load, plan.bursts))
    return Raw(
        samples=samples,
        streams=streams,
        crowds=many_streams,
        flights=bursts,
        scrapes=list(scrapes(around, load, plan)),
        grpc=list(grpc_rows(around, plan)),
        inside=inside(around.starter, around.cores.server),
        starts=list(starts(around, plan)),
        memory=list(memory(around, plan, load)),
    )


def _chosen(plan: Plan, names: Collection[str], around: Surroundings, load: Load) -> Raw:
    rows, streams = with_floors(ROWS, names, DIRECT), with_floors(STREAM_ROWS, names, DIRECT_STREAM)
    with all_running(around, {row.server for row in (*rows, *streams)}) as servers:
        ours = (load.pid, around.redis.pid)
        return Raw(
            samples=list(Rounds(servers, load, plan, ours, rows).samples()) if rows else (),
            streams=list(Rounds(servers, load, of_streams(plan), ours, streams).samples()) if streams else (),
            grpc=list(grpc_rows(around, plan)) if {*names} & {row.name for row in GRPC_ROWS} else (),
        )


def bytecode() -> Path:
    """Return where compiled modules are kept: Python itself notices those that are out of date."""
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(caches).expanduser() / "parley/bytecode"
