"""gRPC's load generator: the real process against real servers, and what it does with calls that fail."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import msgspec
import pytest

from bench.grpc_load import GrpcJob, first_block, next_block
from bench.job import PLACE
from bench.processes import BenchError, Load, Starter
from tests.conftest import free_port

PIECES = 30
LARGE = "x" * 300_000


class Server:
    """A server of four methods, in a thread with an event loop of its own."""

    def __init__(self) -> None:
        self.port = free_port()
        self.heard: list[bytes] = []
        self.metadata: list[dict[str, Any]] = []
        self._up = threading.Event()
        self._over = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._thread.start()
        self._up.wait()

    def close(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
        self._loop.close()

    async def _serve(self) -> None:
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Same": grpc.unary_unary_rpc_method_handler(self._same),
            "Large": grpc.unary_unary_rpc_method_handler(self._large),
            "Pieces": grpc.unary_stream_rpc_method_handler(self._pieces),
            "Fails": grpc.unary_unary_rpc_method_handler(self._fails),
        }
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("Test", handlers),))
        server.add_insecure_port(f"127.0.0.1:{self.port}")
        await server.start()
        self._up.set()
        await self._over.wait()
        await server.stop(None)

    async def _same(self, content: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        self.heard.append(content)
        self.metadata.append(dict(context.invocation_metadata() or ()))
        await context.send_initial_metadata((("told", "before"),))
        return content

    async def _large(self, _: bytes, __: object) -> bytes:
        return LARGE.encode() + b"end"

    async def _pieces(self, _: bytes, __: object) -> AsyncIterator[bytes]:
        for place in range(PIECES):
            yield b"piece %d" % place
        yield b"complete"

    async def _fails(self, _: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        await context.abort(grpc.StatusCode.INTERNAL, "hello went wrong")
        raise AssertionError


@pytest.fixture
def server() -> Iterator[Server]:
    """A running server."""
    running = Server()
    yield running
    running.close()


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """A running load generator, on any core."""
    with Starter(tmp_path, tmp_path).load(range(4096), "bench.grpc_load") as running:
        yield running


def job(server: Server, method: str = "Same", **more: object) -> GrpcJob:
    """Return a job of 24 calls, four at once."""
    message = f"hello {PLACE}".encode()
    asked = GrpcJob(port=server.port, path=f"/Test/{method}", message=message, connections=2, calls=2, each=6)
    return msgspec.structs.replace(asked, **more)


def test_a_job_is_done(server: Server, load: Load) -> None:
    """Every place for a call calls its number of times, each with a prompt of its own, and the figures are of those."""
    result = load.do(job(server, expected="hello "))

    assert (24, "") == (result.requests, result.failure)
    assert [f"hello {number:08d}".encode() for number in range(24)] == sorted(server.heard)
    assert 0 < result.p50_us <= result.p99_us <= result.duration_s * 1e6


def test_prompts_come_round_again(server: Server, load: Load) -> None:
    """The number goes on from the first, and begins anew after `distinct`."""
    load.do(job(server, connections=1, calls=1, each=3, first=7, distinct=4))

    assert [b"hello 00000003", b"hello 00000000", b"hello 00000001"] == server.heard


def test_metadata_is_sent_with_each_call(server: Server, load: Load) -> None:
    """In the first call of a connection and, by its place in the header table, in those that follow."""
    long = "v" * 300
    load.do(job(server, metadata={"dapr-api-token": "t-1", "x-long": long}))

    assert {("t-1", long, "parley-bench")} == {
        (given["dapr-api-token"], given["x-long"], given["user-agent"]) for given in server.metadata
    }


@pytest.mark.parametrize(
    ("method", "expected"), [("Same", "before"), ("Pieces", f"piece {PIECES - 1}"), ("Pieces", "complete")]
)
def test_an_answer_is_metadata_and_all_messages(server: Server, load: Load, method: str, expected: str) -> None:
    """What is expected may stand in either, and in the last message of many."""
    assert 24 == load.do(job(server, method, expected=expected)).requests


def test_answers_may_be_larger_than_a_window(server: Server, load: Load) -> None:
    """Each over HTTP/2's first window for a call, all together over that for a connection."""
    assert 24 == load.do(job(server, "Large", expected="xend")).requests


@pytest.mark.parametrize(
    ("method", "more", "complaint"),
    [
        ("Fails", {"expected": "hello"}, "'hello' is not in the answer"),
        ("Absent", {}, "'' is not in the answer"),
        ("Same", {"expected": "goodbye"}, "'goodbye' is not in the answer"),
        ("Same", {"message": b"x" * 20_000}, "the server need not take so large a message"),
        ("Same", {"message": b"x" * 16_000, "calls": 1_000}, "or so many at once"),
    ],
)
def test_a_failing_call_fails_the_job(
    server: Server, load: Load, method: str, more: dict[str, object], complaint: str
) -> None:
    """An error's words are no answer, even where they hold what is expected; there are no figures."""
    with pytest.raises(BenchError, match=complaint):
        load.do(job(server, method, **more))


def test_a_server_that_is_gone_fails_the_job(server: Server, load: Load) -> None:
    """And the generator takes the next job."""
    with pytest.raises(BenchError, match="ConnectionRefusedError"):
        load.do(job(server, port=free_port()))

    assert 24 == load.do(job(server)).requests


def test_header_blocks_are_those_of_the_standard() -> None:
    """Literals that the table keeps, then places counted from its newest entry. Source: RFC 7541 C.3, 5.1 and 6."""
    fields = [(b":path", b"/a"), (b"x", b"y" * 400)]

    assert b"\x83\x86\x40\x05:path\x02/a\x40\x01x\x7f\x91\x02" + b"y" * 400 == first_block(fields)
    assert b"\x83\x86\xbf\xbe" == next_block(2)
