"""Simulated sidecars of the cluster's bench: their frames as a library reads and writes them, and their coming back."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import Frame as LibraryFrame
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol

from bench.cluster.frames import CLOSE, PING, TEXT, Frame, Splitter, frame
from bench.cluster.sharing import counted, rates
from bench.cluster.simulated import Place, Simulated
from bench.cluster.streams import Change, Said, Spread, spread, summed
from parley_crds import names
from tests.conftest import eventually, free_port
from tests.injector.world import Authority


def library() -> ServerProtocol:
    """Return the server's side of an open connection."""
    return ServerProtocol(state=State.OPEN)


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
@pytest.mark.parametrize("piece", [1, 1000, 1_000_000])
def test_what_a_server_sends_is_cut_into_frames(size: int, piece: int) -> None:
    """Whatever the length of a message, and in whatever pieces it comes."""
    server, splitter = library(), Splitter()
    server.send_text(b"a" * size)
    server.send_ping(b"p")
    server.send_close(1001, "later")
    sent = b"".join(server.data_to_send())
    pieces = (sent[begin : begin + piece] for begin in range(0, len(sent), piece))
    taken = [each for part in pieces for each in splitter.feed(part)]

    assert [Frame(TEXT, b"a" * size), Frame(PING, b"p"), Frame(CLOSE, b"\x03\xe9later")] == taken


def test_a_server_reads_what_is_sent() -> None:
    """Masked, as a client's frames must be."""
    server = library()
    server.receive_data(frame(TEXT, b'{"ack":"h"}') + frame(PING, b""))
    read = [(each.opcode, bytes(each.data)) for each in server.events_received() if isinstance(each, LibraryFrame)]

    assert [(TEXT, b'{"ack":"h"}'), (PING, b"")] == read
    with pytest.raises(ValueError, match="long"):
        frame(TEXT, b"a" * 126)


@dataclass(slots=True)
class Told:
    """What a server was told, and what it refuses."""

    refusals: int = 0
    """Attempts that are told to come after a second."""
    tokens: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    connections: list[ServerConnection] = field(default_factory=list)

    def at_first(self, connection: ServerConnection, request: Request) -> Response | None:
        """Let a sidecar in, or not."""
        assert names.STREAM_PATH == request.path
        self.tokens.append(request.headers["Authorization"])
        if not self.refusals:
            return None
        self.refusals -= 1
        refusal = connection.respond(503, "busy\n")
        refusal.headers["Retry-After"] = "1"
        return refusal

    async def stream(self, connection: ServerConnection) -> None:
        """Send a snapshot for each connection; take answers until it ends."""
        self.connections.append(connection)
        await connection.send(f'{{"hash":"h{len(self.connections)}","components":[]}}')
        async for answer in connection:
            self.answers.append(str(answer))


@asynccontextmanager
async def running(told: Told, directory: Path) -> AsyncIterator[Simulated]:
    """Run a server, and a simulated sidecar of it."""
    authority, port = Authority(), free_port()
    authority.issue(directory)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(directory / "tls.crt", directory / "tls.key")
    place = Place("127.0.0.1", port, ssl.create_default_context(cadata=authority.pem))
    async with serve(told.stream, "127.0.0.1", port, ssl=served, process_request=told.at_first):
        sidecar = Simulated(place, "token")
        task = asyncio.create_task(sidecar.run())
        yield sidecar
        task.cancel()
        await asyncio.wait([task])


async def test_a_snapshot_is_answered(tmp_path: Path) -> None:
    """With its token a sidecar is let in, says what it runs, and notes when it came."""
    told = Told()
    async with running(told, tmp_path) as sidecar:
        await eventually(lambda: told.answers)
        sidecar.ping()
        await (await told.connections[0].ping())

        assert ["Bearer token"] == told.tokens
        assert ['{"ack":"h1"}'] == told.answers
        assert (True, "h1") == (sidecar.is_connected, sidecar.hash)
        assert sidecar.connected_s == sidecar.arrived_s > 0


async def test_a_sidecar_comes_back(tmp_path: Path) -> None:
    """After the server has closed the stream it gets the snapshot of a new one."""
    told = Told()
    async with running(told, tmp_path) as sidecar:
        await eventually(lambda: told.answers)
        await told.connections[0].close(1001, "come back")
        await eventually(lambda: sidecar.hash == "h2")

        assert 0 == sidecar.refusals


async def test_who_is_refused_comes_later(tmp_path: Path) -> None:
    """An attempt that is told to wait counts, and is made again."""
    told = Told(refusals=1)
    async with running(told, tmp_path) as sidecar:
        await eventually(lambda: sidecar.is_connected)

        assert 1 == sidecar.refusals
        assert 2 == len(told.tokens)


def one(value: float) -> Spread:
    """Return the spread of one value."""
    return Spread(count=1, p50_s=value, p99_s=value, max_s=value)


def test_changes_are_summed_up() -> None:
    """Streams over all changes, and each stage over the changes."""
    changes = [
        Change(answered_s=0.1, told_s=0.2, arrived_s=[0.3, 0.5]),
        Change(answered_s=0.1, told_s=0.2, arrived_s=[1]),
    ]

    assert Said(
        arrived=Spread(count=3, p50_s=0.5, p99_s=1, max_s=1),
        stages={
            "answered": spread([0.1, 0.1]),
            "told": spread([0.2, 0.2]),
            "first": spread([0.3, 1]),
            "last": spread([0.5, 1]),
        },
    ) == summed(changes)
    assert one(2) == spread([2])


def test_commands_in_between_are_counted() -> None:
    """Without those of whoever looks; the most frequent first."""
    after = {"get": 7, "set": 12, "info": 3, "del": 1}

    assert {"set": 12, "get": 2} == counted({"get": 5, "info": 1, "del": 1}, after)
    assert ["set", "get"] == list(counted({"get": 5, "info": 1, "del": 1}, after))


def test_rates_of_redis_benchmark() -> None:
    """By the name of each test."""
    text = '"test","rps","avg_latency_ms"\n"SET","50000.00","0.5"\n"GET","60000.50","0.4"\n'

    assert {"SET": 50000.0, "GET": 60000.5} == rates(text)
