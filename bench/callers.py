"""The load generator's connections: what each asks, how it judges the answers, what it notes of their times."""

import asyncio
import time
from itertools import pairwise
from typing import Final, cast

import httptools

from bench.job import PLACE, Job

EVENT_END: Final = b"\n\n"
LAST_CHUNK: Final = b"0\r\n\r\n"


class Run:
    """One job under way: hands out its requests, collects latencies."""

    def __init__(self, job: Job, done: "asyncio.Future[str]") -> None:
        self._before, place, self._after = _request(job).partition(PLACE.encode())
        self._is_numbered = bool(place)
        self._distinct = job.distinct or 10 ** len(PLACE)
        self._next = job.first
        self._left = job.connections * job.each
        self._done = done
        self.expected = job.expected.encode()
        self.latencies_s: list[float] = []
        self.firsts_s: list[float] = []
        """Of a job whose answers are streams: until the first event of each."""
        self.gaps_s: list[float] = []
        """The same: between its events."""

    def next_request(self) -> bytes:
        """Return the bytes of the next request."""
        if not self._is_numbered:
            return self._before
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
        self._asked_s = 0.0
        self._transport: asyncio.Transport
        self.received = b""

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
        self.received = b""
        request = self._run.next_request()
        self._asked_s = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        self.received += data
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._run.end(f"the answer is not HTTP: {error}")

    def on_message_complete(self) -> None:
        """Judge the answer, and ask again."""
        latency_s = time.perf_counter() - self._asked_s
        if failure := self.failure():
            self._run.end(failure)
            return
        self.note(self._asked_s)
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

    def failure(self) -> str:
        """Return what is wrong with the answer, or nothing."""
        status = self._parser.get_status_code()
        if status // 100 != 2:
            return f"status {status}: {self.received[-300:]!r}"
        if self._run.expected not in self.received:
            return f"{self._run.expected!r} is not in the answer {self.received[:300]!r}"
        return ""

    def note(self, asked_s: float) -> None:
        """Note what else there is to an answer that is as expected."""


class StreamCaller(Caller):
    """One whose answers are streams of server-sent events."""

    def __init__(self, run: Run, job: Job, number: int) -> None:
        """Be the connection of this number, of all that a job has."""
        super().__init__(run, job, number)
        self._streams = run
        self._events = job.events
        self._ending = job.ending.encode()
        self._came_s: list[float] = []
        """When each event was whole."""

    def data_received(self, data: bytes) -> None:
        """Note the time of the events in it."""
        now_s = time.perf_counter()
        whole = (self.received + data).count(EVENT_END)
        self._came_s += [now_s] * (whole - len(self._came_s))
        super().data_received(data)

    def ask(self) -> None:
        """Send the next request."""
        self._came_s = []
        super().ask()

    def failure(self) -> str:
        """Return what is wrong with the answer: of a stream also that it has too few events, or another end."""
        if failure := super().failure():
            return failure
        if len(self._came_s) < self._events:
            return f"{len(self._came_s)} events instead of {self._events}: {self.received[-300:]!r}"
        last = self.received.removesuffix(LAST_CHUNK).rstrip().rpartition(EVENT_END)[2]
        return "" if self._ending in last else f"{self._ending!r} is not at the stream's end: {last[-300:]!r}"

    def note(self, asked_s: float) -> None:
        """Note the times of the events."""
        came_s = self._came_s[: self._events]
        self._streams.firsts_s.append(came_s[0] - asked_s)
        self._streams.gaps_s += [later - earlier for earlier, later in pairwise(came_s)]


def _request(job: Job) -> bytes:
    body = job.body.encode()
    head = f"{'POST' if body else 'GET'} {job.path} HTTP/1.1\r\nhost: 127.0.0.1:{job.port}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in job.headers.items())
    if job.events:
        head += "accept: text/event-stream\r\n"
    if body:
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return f"{head}\r\n".encode() + body
