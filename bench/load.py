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
from collections.abc import Sequence
from functools import partial
from math import ceil
from typing import Final, cast

import httptools
import msgspec
import uvloop

from bench.job import PLACE, Job, Result

LIMIT_S: Final = 300.0
"""How long a job may take. One that hangs fails, and says so."""


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the value that `share` of all values do not exceed, by nearest rank; `ordered` is not empty."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


class Run:
    """One job under way: hands out its requests, collects latencies."""

    def __init__(self, job: Job, done: "asyncio.Future[str]") -> None:
        before, after = _request(job).split(PLACE.encode(), 1)
        self._before, self._after = before, after
        self._distinct = job.distinct or 10 ** len(PLACE)
        self._next = job.first
        self._left = job.connections * job.each
        self._done = done
        self.expected = job.expected.encode()
        self.latencies_s: list[float] = []

    def next_request(self) -> bytes:
        """Return the bytes of the next request."""
        number = self._next % self._distinct
        self._next += 1
        return b"%s%08d%s" % (self._before, number, self._after)

    def answered(self, latency_s: float) -> None:
        """Take an answer that was as expected."""
        self.latencies_s.append(latency_s)
        self._left -= 1
        if self._left == 0:
            self.end("")

    def end(self, failure: str) -> None:
        """End the job; the first failure is the one that counts."""
        if not self._done.done():
            self._done.set_result(failure)


class Caller(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self, run: Run, job: Job, number: int) -> None:
        """Be the connection of this number, of all that a job has."""
        self._run = run
        self._left = job.each
        self._every_s = job.connections / job.per_s if job.per_s else 0.0
        self._due_s = self._every_s * number / job.connections
        self._parser = httptools.HttpResponseParser(self)
        self._received = b""
        self._asked_s = 0.0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # what uvloop gives has its methods, not its class

    def begin(self, began_s: float) -> None:
        """Ask from now on, with the others by turns where there is a pace."""
        self._due_s += began_s
        self._ask_when_due()

    def ask(self) -> None:
        """Send the next request."""
        self._left -= 1
        self._received = b""
        request = self._run.next_request()
        self._asked_s = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        self._received += data
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._run.end(f"the answer is not HTTP: {error}")

    def on_message_complete(self) -> None:
        """Judge the answer, and ask again."""
        latency_s = time.perf_counter() - self._asked_s
        if failure := self._failure():
            self._run.end(failure)
            return
        self._run.answered(latency_s)
        if self._left:
            self._due_s += self._every_s
            self._ask_when_due()

    def _ask_when_due(self) -> None:
        early_s = self._due_s - time.perf_counter() if self._every_s else 0.0
        if early_s > 0:
            asyncio.get_running_loop().call_later(early_s, self.ask)
        else:
            self.ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the job if it is not over."""
        self._run.end(f"the connection was lost: {exc or 'closed by the server'}")

    def close(self) -> None:
        """Hang up."""
        self._transport.close()

    def _failure(self) -> str:
        status = self._parser.get_status_code()
        if status // 100 != 2:
            return f"status {status}: {self._received[-300:]!r}"
        if self._run.expected not in self._received:
            return f"{self._run.expected!r} is not in the answer {self._received[:300]!r}"
        return ""


async def run(job: Job) -> Result:
    """Do one job. Connections are opened before the clock starts."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[str] = loop.create_future()
    under_way = Run(job, done)
    callers = []
    try:
        ports = (job.port, *job.others)
        tls = ssl.create_default_context(cafile=job.authorities) if job.authorities else None
        for number in range(job.connections):
            port, made = ports[number % len(ports)], partial(Caller, under_way, job, number)
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
    return _result(under_way.latencies_s, time.perf_counter() - began_s, failure)


def _result(latencies_s: list[float], duration_s: float, failure: str) -> Result:
    latencies_us = sorted(latency_s * 1e6 for latency_s in latencies_s) or [0.0]
    return Result(
        requests=len(latencies_s),
        duration_s=duration_s,
        p50_us=quantile(latencies_us, 0.5),
        p99_us=quantile(latencies_us, 0.99),
        failure=failure,
    )


def _request(job: Job) -> bytes:
    body = job.body.encode()
    head = (
        f"POST {job.path} HTTP/1.1\r\nhost: 127.0.0.1:{job.port}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def main() -> None:
    """Do jobs until the input ends."""
    gc.disable()  # a collection in the middle of a job would be taken for the server's latency
    for line in sys.stdin.buffer:
        result = uvloop.run(run(msgspec.json.decode(line, type=Job)))
        sys.stdout.buffer.write(msgspec.json.encode(result) + b"\n")
        sys.stdout.buffer.flush()
        gc.collect()


if __name__ == "__main__":
    main()
