"""The load generator for gRPC, a process of its own: takes jobs as lines of JSON, answers each with a line.

    python -m bench.grpc_load < JOBS      each line a `GrpcJob`, each answer a `Result`

A closed loop, as `load` is one: every place for a call asks again as soon as its call is answered. It speaks HTTP/2
itself, as much as gRPC servers on loopback need, for gRPC's own Python client costs more than the servers that are
measured. A call sends one message and gets one or many. Header blocks are not decoded: a call that fails brings no
message, so that an answer with a message, and with what is expected, is one of success.
"""

import asyncio
import time
from collections.abc import Iterable
from functools import partial
from typing import Final, cast

import msgspec

from bench.job import PLACE, Result
from bench.load import quantile, serve

LIMIT_S: Final = 300.0
"""How long a job may take. One that hangs fails, and says so."""
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
"""Frame types. Source: RFC 9113 6."""
ACK: Final = 1
END_STREAM: Final = 1
END_HEADERS: Final = 4
FRAME_HEAD_BYTES: Final = 9
WINDOW_BYTES: Final = 2**31 - 1
"""The largest window: all that a job can bring fits, so that none is ever widened."""
FRAME_BYTES: Final = 2**14
"""The longest frame that every server takes. Source: RFC 9113 6.5.2."""
FIRST_WINDOW_BYTES: Final = 2**16 - 1
"""What a connection has before anything is said. Source: RFC 9113 6.9.2."""
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
STATIC_ENTRIES: Final = 61
"""Of the header table; the connection's own follow. Source: RFC 7541 appendix A."""
POST_HTTP: Final = b"\x83\x86"
"""`:method: POST` and `:scheme: http`, which are in the static table."""


class GrpcJob(msgspec.Struct, frozen=True, kw_only=True):
    """What to call: `connections` with `calls` at once on each, and in all `each` for each of these places."""

    port: int
    path: str
    """The method: /SERVICE/NAME."""
    message: bytes
    """The request in protobuf's bytes, 16 KiB at most, with PLACE where its number goes; base64 in the job's line."""
    connections: int = 1
    calls: int = 1
    each: int = 1
    first: int = 0
    """The first request's number."""
    distinct: int = 0
    """Requests come round again after this many; 0: each is new."""
    metadata: dict[str, str] = {}
    """What is sent with each call besides what gRPC itself needs; names in lower case."""
    expected: str = ""
    """What every answer must hold, in its messages or, as plain text, in its metadata."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return a frame."""
    return b"%s%c%c%s%s" % (len(payload).to_bytes(3), kind, flags, stream.to_bytes(4), payload)


def headers(job: GrpcJob) -> list[tuple[bytes, bytes]]:
    """Return what a call's header block says, as gRPC's own clients say it."""
    said = {
        ":path": job.path,
        ":authority": f"127.0.0.1:{job.port}",
        "te": "trailers",
        "content-type": "application/grpc",
        "user-agent": "parley-bench",
        "grpc-accept-encoding": "identity, deflate, gzip",
        **job.metadata,
    }
    return [(name.encode(), value.encode()) for name, value in said.items()]


def first_block(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the block of a connection's first call: each field is put into its table. Source: RFC 7541 6.2.1."""
    return POST_HTTP + b"".join(b"\x40%s%s" % (_text(name), _text(value)) for name, value in fields)


def next_block(count: int) -> bytes:
    """Return the block of all others: the fields by their places in the table, the last one first. Source: 6.1."""
    return POST_HTTP + bytes(0x80 | (STATIC_ENTRIES + count - place) for place in range(count))


def _text(text: bytes) -> bytes:
    if len(text) < 127:
        return b"%c%s" % (len(text), text)
    length = len(text) - 127  # what does not fit into seven bits follows in groups of seven. Source: RFC 7541 5.1
    return b"\x7f%s%s" % (bytes([length & 127 | 128, length >> 7]) if length > 127 else bytes([length]), text)


class Run:
    """One job under way: hands out its requests, collects latencies."""

    def __init__(self, job: GrpcJob, done: "asyncio.Future[str]") -> None:
        prefixed = b"\x00%s%s" % (len(job.message).to_bytes(4), job.message)  # not compressed, and its length
        before, place, after = prefixed.partition(PLACE.encode())
        self._before, self._after, self._has_place = before, after, bool(place)
        self._distinct = job.distinct or 10 ** len(PLACE)
        self._next = job.first
        self._left = job.connections * job.calls * job.each
        self._done = done
        self.expected = job.expected.encode()
        self.latencies_s: list[float] = []

    def next_message(self) -> bytes:
        """Return the next request, with its prefix."""
        number = self._next % self._distinct
        self._next += 1
        return b"%s%08d%s" % (self._before, number, self._after) if self._has_place else self._before

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


class Call:
    """One call under way."""

    __slots__ = ("asked_s", "left", "messages", "received")

    def __init__(self, left: int) -> None:
        """Begin; `left` calls are to follow in its place."""
        self.left = left
        self.asked_s = time.perf_counter()
        self.messages = False
        self.received = b""


class Connection(asyncio.Protocol):
    """One connection, with the calls that are on it now by their streams' numbers."""

    def __init__(self, run: Run, job: GrpcJob) -> None:
        self._run = run
        self._job = job
        fields = headers(job)
        self._first, self._block = first_block(fields), next_block(len(fields))
        self._stream = 1
        self._calls: dict[int, Call] = {}
        self._window_bytes = FIRST_WINDOW_BYTES
        self._buffer = b""
        self._transport: asyncio.Transport
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the server has said what it takes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say what an HTTP/2 client says first."""
        self._transport = cast("asyncio.Transport", transport)  # what uvloop gives has its methods, not its class
        initial_window = b"\x00\x04" + WINDOW_BYTES.to_bytes(4)
        widened = (WINDOW_BYTES - FIRST_WINDOW_BYTES).to_bytes(4)
        self._transport.write(
            PREFACE + frame(SETTINGS, 0, 0, initial_window) + frame(WINDOW_UPDATE, 0, 0, widened),
        )

    def begin(self) -> None:
        """Make the calls that are to be under way at once."""
        for _ in range(self._job.calls):
            self.ask(self._job.each)

    def ask(self, left: int) -> None:
        """Make the next call; it is the first of `left`."""
        message = self._run.next_message()
        self._window_bytes -= len(message)
        if self._window_bytes < 0 or len(message) > FRAME_BYTES:
            self._run.end("the server need not take so large a message, or so many at once")
            return
        block = self._block if self._stream > 1 else self._first
        self._calls[self._stream] = Call(left - 1)
        self._transport.write(
            frame(HEADERS, END_HEADERS, self._stream, block) + frame(DATA, END_STREAM, self._stream, message)
        )
        self._stream += 2

    def data_received(self, data: bytes) -> None:
        """Take the frames that are whole."""
        buffer = self._buffer + data if self._buffer else data
        place, end = 0, len(buffer)
        while end - place >= FRAME_HEAD_BYTES:
            payload = place + FRAME_HEAD_BYTES
            after = payload + int.from_bytes(buffer[place : place + 3])
            if after > end:
                break
            stream = int.from_bytes(buffer[place + 5 : payload])
            self._take(buffer[place + 3], buffer[place + 4], stream, buffer[payload:after])
            place = after
        self._buffer = buffer[place:]

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind in {DATA, HEADERS}:
            self._take_piece(kind, flags, stream, payload)
        elif kind == WINDOW_UPDATE:
            self._window_bytes += int.from_bytes(payload) if stream == 0 else 0
        elif kind == SETTINGS and not flags & ACK:
            self._transport.write(frame(SETTINGS, ACK, 0))
            if not self.ready.done():
                self.ready.set_result(None)
        elif kind == PING and not flags & ACK:
            self._transport.write(frame(PING, ACK, 0, payload))
        elif kind == GOAWAY or (kind == RST_STREAM and stream in self._calls):
            self._run.end(f"the server ended a call: {payload!r}")

    def _take_piece(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        call = self._calls.get(stream)
        if call is None:
            return
        call.received += payload
        if kind == DATA:
            call.messages = True
        if flags & END_STREAM:
            del self._calls[stream]
            self._judge(call)

    def _judge(self, call: Call) -> None:
        """Take an answer that is complete, and ask again in its place."""
        latency_s = time.perf_counter() - call.asked_s
        if not call.messages or self._run.expected not in call.received:
            self._run.end(f"{self._run.expected!r} is not in the answer {call.received[-300:]!r}")
            return
        self._run.answered(latency_s)
        if call.left:
            self.ask(call.left)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the job if it is not over."""
        self._run.end(f"the connection was lost: {exc or 'closed by the server'}")

    def close(self) -> None:
        """Hang up."""
        self._transport.close()


async def run(job: GrpcJob) -> Result:
    """Do one job. Connections are opened before the clock starts."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[str] = loop.create_future()
    under_way = Run(job, done)
    connections: list[Connection] = []
    try:
        async with asyncio.timeout(LIMIT_S):
            for _ in range(job.connections):
                _, opened = await loop.create_connection(partial(Connection, under_way, job), "127.0.0.1", job.port)
                connections.append(opened)
                await opened.ready
            began_s = time.perf_counter()
            for connection in connections:
                connection.begin()
            failure = await done
    except (OSError, TimeoutError) as error:
        return Result(requests=0, duration_s=0, p50_us=0, p99_us=0, failure=f"{type(error).__name__}: {error}")
    finally:
        for connection in connections:
            connection.close()
    return result(under_way.latencies_s, time.perf_counter() - began_s, failure)


def result(latencies_s: list[float], duration_s: float, failure: str) -> Result:
    """Return what a job's latencies say."""
    latencies_us = sorted(latency_s * 1e6 for latency_s in latencies_s) or [0.0]
    return Result(
        requests=len(latencies_s),
        duration_s=duration_s,
        p50_us=quantile(latencies_us, 0.5),
        p99_us=quantile(latencies_us, 0.99),
        failure=failure,
    )


if __name__ == "__main__":
    serve(GrpcJob, run)
