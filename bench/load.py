"""The load generator, a process of its own: takes jobs as lines of JSON on its input, answers each with a line.

`processes` starts it as `python -m bench.load`, once per run, so that it is warm and stays on its core. A closed loop:
every connection asks again as soon as it is answered. The first answer that is not as expected ends the job: no figure
comes from requests that fail.
"""

import asyncio
import gc
import ssl
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from math import ceil
from typing import Any, Final, TypeVar

import msgspec
import uvloop

from bench.callers import Caller, Run, StreamCaller
from bench.job import Job, Result, StreamTimes

J = TypeVar("J")

LIMIT_S: Final = 300.0
"""How long a job may take. One that hangs fails, and says so."""


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the value that `share` of all values do not exceed, by nearest rank; `ordered` is not empty."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


async def run(job: Job) -> Result:
    """Do one job. Connections are opened before the clock starts."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[str] = loop.create_future()
    under_way = Run(job, done)
    callers: list[Caller] = []
    kind = StreamCaller if job.events else Caller
    try:
        ports = (job.port, *job.others)
        tls = ssl.create_default_context(cafile=job.authorities) if job.authorities else None
        for number in range(job.connections):
            port, made = ports[number % len(ports)], partial(kind, under_way, job, number)
            _, caller = await loop.create_connection(made, "127.0.0.1", port, ssl=tls)
            callers.append(caller)
        began_s = time.perf_counter()
        for caller in callers:
            caller.begin(began_s)
        failure = await asyncio.wait_for(done, LIMIT_S)
    except (OSError, TimeoutError) as error:
        return Result(requests=0, duration_s=0, p50_us=0, p99_us=0, failure=f"{type(error).__name__}: {error}")
    finally:
        for caller in callers:
            caller.close()
    return _result(under_way, time.perf_counter() - began_s, failure)


def _result(over: Run, duration_s: float, failure: str) -> Result:
    latencies_us = _ordered_us(over.latencies_s)
    return Result(
        requests=len(over.latencies_s),
        duration_s=duration_s,
        p50_us=quantile(latencies_us, 0.5),
        p99_us=quantile(latencies_us, 0.99),
        max_us=latencies_us[-1],
        stream=_stream_times(over) if over.firsts_s else None,
        failure=failure,
    )


def _stream_times(over: Run) -> StreamTimes:
    firsts_us, gaps_us = _ordered_us(over.firsts_s), _ordered_us(over.gaps_s)
    return StreamTimes(
        first_p50_us=quantile(firsts_us, 0.5),
        first_p99_us=quantile(firsts_us, 0.99),
        gap_p50_us=quantile(gaps_us, 0.5),
        gap_p99_us=quantile(gaps_us, 0.99),
    )


def _ordered_us(times_s: Sequence[float]) -> list[float]:
    return sorted(time_s * 1e6 for time_s in times_s) or [0.0]


def serve(kind: type[J], do: Callable[[J], Coroutine[Any, Any, Result]]) -> None:
    """Do jobs of a kind until the input ends."""
    gc.disable()  # a collection in the middle of a job would be taken for the server's latency
    for line in sys.stdin.buffer:
        result = uvloop.run(do(msgspec.json.decode(line, type=kind)))
        sys.stdout.buffer.write(msgspec.json.encode(result) + b"\n")
        sys.stdout.buffer.flush()
        gc.collect()


if __name__ == "__main__":
    serve(Job, run)
