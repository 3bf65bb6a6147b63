"""The operator's WebSocket: text until it closes, refusals, and every way in which it cannot be had."""

import asyncio
import logging
import subprocess
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from hashlib import sha1

import pytest
from websockets.asyncio.server import ServerConnection, serve

from parley_sidecar.errors import ParleyError, ProviderGarbled, ProviderUnavailable
from parley_sidecar.http.websocket import WebSocket
from parley_sidecar.http_client import HttpClient, RefusedError
from tests.conftest import eventually, free_port
from tests.sidecar.http.peers import Caller, answering, serving

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""Source: RFC 6455 1.3."""


def opening(
    http: HttpClient, port: int, *, heartbeat_s: float = 60, max_bytes: int = 100, scheme: str = "ws"
) -> AbstractAsyncContextManager[WebSocket]:
    """Open one to a port of this machine."""
    url = f"{scheme}://127.0.0.1:{port}/stream"
    return http.websocket(url, token="sk-token", ca_pem="", heartbeat_s=heartbeat_s, max_bytes=max_bytes)


@asynccontextmanager
async def opened(http: HttpClient, operator: Callable[[ServerConnection], Awaitable[None]]) -> AsyncIterator[WebSocket]:
    """Open one to an operator of a few lines."""
    async with (
        serve(operator, "127.0.0.1", 0) as server,
        opening(http, next(iter(server.sockets)).getsockname()[1], scheme="http") as socket,
    ):
        yield socket


async def taken(caller: Caller) -> bytes:
    """Take a WebSocket by hand, and return its request."""
    request = await caller.asked()
    key = request.lower().split(b"sec-websocket-key: ")[1]
    start = len(request) - len(key)
    digest = b64encode(sha1(request[start:].partition(b"\r\n")[0] + GUID).digest())
    head = b"HTTP/1.1 101 Up\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: "
    await caller.say(head + digest + b"\r\n\r\n")
    return request


async def test_a_websocket_carries_text_until_it_closes(http: HttpClient, caplog: pytest.LogCaptureFixture) -> None:
    """What is not text is passed over; what is said after its end is an error of ours; no log has the token."""
    caplog.set_level(logging.DEBUG)
    heard: list[object] = []

    async def operator(connection: ServerConnection) -> None:
        assert connection.request
        heard.extend([connection.request.headers["Authorization"], connection.request.path])
        heard.append(connection.request.headers.get("Sec-WebSocket-Extensions"))
        heard.append(await connection.recv())
        await connection.send(b"bytes")
        await connection.send("text")

    async with opened(http, operator) as socket:
        await socket.send("hello")
        received = [text async for text in socket.messages()]
        with pytest.raises(ProviderUnavailable, match="the connection was lost"):
            await socket.send("too late")

    assert ["Bearer sk-token", "/stream", None, "hello"] == heard
    assert ["text"] == received
    assert not [
        record for record in caplog.records if "sk-token" in record.getMessage() and "server" not in record.name
    ]


async def test_leaving_closes_it(http: HttpClient) -> None:
    """The other side hears that the sidecar goes, and not by its own end."""
    codes: list[int | None] = []

    async def operator(connection: ServerConnection) -> None:
        await connection.wait_closed()
        codes.append(connection.close_code)

    async with opened(http, operator):
        assert [] == codes

    assert [1000] == codes


@pytest.mark.parametrize(
    ("answer", "status", "asked_s"),
    [
        (b"HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 2\r\n\r\nno", 503, 7),
        (b"HTTP/1.1 401 Who\r\nx: \xff\r\nretry-after: 1\r\nretry-after: 2\r\ncontent-length: 0\r\n\r\n", 401, 1),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, None),
    ],
)
async def test_a_refusal_says_its_status(http: HttpClient, answer: bytes, status: int, asked_s: float | None) -> None:
    """And how long to wait."""
    async with serving(answering(answer)) as peer:
        with pytest.raises(RefusedError) as caught:
            await opening(http, peer.port).__aenter__()

    assert (status, asked_s) == (caught.value.status, caught.value.retry_after_s)


async def test_a_token_follows_no_redirect(http: HttpClient) -> None:
    """Nobody else hears it, on this host or another."""
    async with serving(Caller.gone) as other:
        moved = b"HTTP/1.1 307 Moved\r\nlocation: %b/stream\r\ncontent-length: 0\r\n\r\n"
        async with serving(answering(moved % other.url.replace("http", "ws").encode())) as peer:
            with pytest.raises(RefusedError, match="status 307"):
                await opening(http, peer.port).__aenter__()

        assert (1, 0) == (len(peer.requests), other.connections)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (b"", ProviderUnavailable, "the operator broke the connection"),
        (b"HTTP/1.1 101 Up\r\nup", ProviderUnavailable, "the operator broke the connection"),
        (b"sk-secret\r\n\r\n", ProviderGarbled, "the operator's answer is not HTTP, or too long"),
        (b"HTTP/1.1 101 Up\r\n\r\n", ProviderGarbled, "the operator's answer is not HTTP, or too long"),
        (b"HTTP/1.1 101 Up\r\nx: " + b"y" * 100_000, ProviderGarbled, "the operator's answer is not HTTP, or too long"),
    ],
    ids=["closed", "cut", "not-http", "no-websocket", "endless"],
)
async def test_what_opens_no_websocket_becomes_our_error(
    http: HttpClient, answer: bytes, kind: type[ParleyError], words: str
) -> None:
    """Told apart as with a provider, and nothing of it is repeated."""
    async with serving(answering(answer)) as peer:
        with pytest.raises(kind) as caught:
            await opening(http, peer.port).__aenter__()

    assert words == caught.value.message


@pytest.mark.parametrize(
    ("url", "ca_pem", "words"),
    [
        (f"ws://127.0.0.1:{free_port()}", "", "the operator could not be reached"),
        ("wss://no-such-host.invalid", "", "the operator's host name could not be resolved"),
        ("no url", "", "the operator's endpoint is not a URL"),
        ("wss://127.0.0.1", "no PEM", "the operator's trust anchors are no certificates"),
    ],
)
async def test_nobody_there_is_said_of_the_operator(http: HttpClient, url: str, ca_pem: str, words: str) -> None:
    """Whoever reads the log learns who could not be reached, and why."""
    with pytest.raises(ProviderUnavailable) as caught:
        await http.websocket(url, token="t", ca_pem=ca_pem, heartbeat_s=60, max_bytes=9).__aenter__()

    assert words == caught.value.message


async def test_a_message_over_the_limit_ends_it(http: HttpClient) -> None:
    """What came before is taken."""

    async def operator(connection: ServerConnection) -> None:
        await connection.send("x" * 100)
        await connection.send("x" * 101)
        await connection.wait_closed()

    async with opened(http, operator) as socket:
        assert ["x" * 100] == [text async for text in socket.messages()]


async def test_who_answers_no_heartbeat_is_gone(http: HttpClient) -> None:
    """A connection that is silently dead does not last."""

    async def talk(caller: Caller) -> None:
        await taken(caller)
        await caller.gone()

    async with serving(talk) as peer:
        async with opening(http, peer.port, heartbeat_s=0.05) as socket:
            assert [] == [text async for text in socket.messages()]
        await eventually(lambda: peer.left == 1)


async def test_an_opening_that_is_given_up_leaves_nothing(http: HttpClient) -> None:
    """The one who opens has his own patience."""
    async with serving(Caller.gone) as peer:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await opening(http, peer.port).__aenter__()
        await eventually(lambda: peer.left == 1)


def test_only_a_stream_loads_the_package() -> None:
    """A laptop's sidecar does without, and nobody loads aiohttp any more."""
    code = (
        "import sys; from parley_sidecar import http_client; from parley_sidecar.sources import stream; "
        "print({'websockets', 'aiohttp', 'idna', 'yarl'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "set()\n" == done.stdout
