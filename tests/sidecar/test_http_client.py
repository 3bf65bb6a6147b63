"""The HTTP client: bodies, bounds, and every foreign exception turned into ours without its text."""

import asyncio
import gzip
import inspect
import subprocess
import sys
from collections.abc import AsyncIterator
from socket import IPPROTO_TCP, TCP_NODELAY

import aiohttp
import pytest
from websockets.asyncio.server import ServerConnection, serve

from parley_sidecar.errors import ParleyError, ProviderGarbled, ProviderUnavailable
from parley_sidecar.http_client import HttpClient, HttpReply, _when_used, asked_wait_s, mapped, wait_s
from tests.conftest import Standin, free_port

BODY = b'{"model": "m", "messages": [{"role": "user", "content": "hi"}]}'


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    """A client that is closed after the test."""
    client = HttpClient()
    yield client
    await client.aclose()


async def test_an_answer_of_any_status_is_returned_whole(http: HttpClient, standin: Standin) -> None:
    """Status, headers in any case, and body; a provider's 4xx is not an exception here."""
    ok = await http.post(f"{standin.url}/v1/chat/completions", {"x-mark": "1"}, BODY)
    missing = await http.post(f"{standin.url}/nowhere", {}, BODY)

    assert (200, 404) == (ok.status, missing.status)
    assert "application/json" == ok.headers["Content-Type"]
    assert b"stand-in: hi" in ok.body
    assert "1" == standin.last()["headers"]["x-mark"]


async def test_no_compression_is_offered_and_none_undone(http: HttpClient, standin: Standin) -> None:
    """A few bytes cannot become gigabytes here."""
    bomb = gzip.compress(b"0" * 1_000_000)
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(bomb)
    server, url = await serve_once(head + bomb)
    await http.post(f"{standin.url}/v1/chat/completions", {}, BODY)

    assert "identity" == standin.last()["headers"]["accept-encoding"]
    async with server:
        assert bomb == (await http.post(url, {}, b"")).body


async def test_connections_are_kept_alive(http: HttpClient, standin: Standin) -> None:
    """Ten requests in a row leave one connection in the pool, and none of them waited for a full packet."""
    for _ in range(10):
        await http.post(f"{standin.url}/v1/chat/completions", {}, BODY)

    connector = http._opened().connector
    assert connector
    ((connection, _),) = [idle for pool in connector._conns.values() for idle in pool]
    assert connection.transport
    socket = connection.transport.get_extra_info("socket")
    assert 1 == socket.getsockopt(IPPROTO_TCP, TCP_NODELAY)


async def serve_once(answer: bytes) -> tuple[asyncio.Server, str]:
    """Serve the same bytes to everybody, then close."""

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(reply, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"", ProviderUnavailable),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", ProviderUnavailable),
        (b"not HTTP at all\r\n\r\n", ProviderGarbled),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n" + b"x" * 17_000_000, ProviderGarbled),
    ],
    ids=["closed", "cut", "not-http", "too-long"],
)
async def test_a_broken_answer_becomes_our_error(http: HttpClient, answer: bytes, expected: type[ParleyError]) -> None:
    """What the other side does wrong is told apart, and never repeated."""
    server, url = await serve_once(answer)

    async with server:
        with pytest.raises(expected) as caught:
            await http.post(url, {}, b"")
    assert type(caught.value) is expected


async def test_an_answer_without_a_length_is_read_to_its_end(http: HttpClient) -> None:
    """Where the other side closes, the answer is whole."""
    server, url = await serve_once(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nwhole")

    async with server:
        assert b"whole" == (await http.post(url, {}, b"")).body


CHUNKED = b"HTTP/1.1 200 OK\r\nX-Mark: m\r\nRetry-After: 3\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"


async def test_an_exchange_shows_its_head_before_its_body(http: HttpClient) -> None:
    """Status, headers in any case and the wait are there at once; the body is read whole or in pieces."""
    server, url = await serve_once(CHUNKED + b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")

    async with server, http.exchange(url, {}, b"") as whole, http.exchange(url, {}, b"") as pieces:
        assert (200, "m", 3) == (whole.status, whole.headers["x-mark"], whole.retry_after_s)
        assert b"onetwo" == await whole.read()
        assert b"onetwo" == b"".join([chunk async for chunk in pieces.chunks()])


async def test_an_exchange_that_is_cut_is_unavailable(http: HttpClient) -> None:
    """Whether it is read whole or in pieces; what came before is there."""
    server, url = await serve_once(CHUNKED + b"3\r\none\r\n3\r\ntw")
    read = []

    async with server:
        async with http.exchange(url, {}, b"") as whole:
            with pytest.raises(ProviderUnavailable, match="cut off"):
                await whole.read()
        async with http.exchange(url, {}, b"") as pieces:
            chunks = pieces.chunks()
            read.append(await anext(chunks))
            with pytest.raises(ProviderUnavailable, match="cut off"):
                await anext(chunks)
    assert b"one" in read[0]


async def test_an_endless_stream_is_garbled(http: HttpClient) -> None:
    """It is read up to a limit; up to it, it is read."""
    server, url = await serve_once(CHUNKED + b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")

    async with server:
        async with http.exchange(url, {}, b"") as short:
            with pytest.raises(ProviderGarbled, match="too long"):
                b"".join([chunk async for chunk in short.chunks(limit_bytes=5)])
        async with http.exchange(url, {}, b"") as enough:
            assert b"onetwo" == b"".join([chunk async for chunk in enough.chunks(limit_bytes=6)])


async def test_an_exchange_that_is_left_ends_its_connection(http: HttpClient) -> None:
    """The other side sees it go, and nothing is kept; what the block itself raises passes as it is."""
    gone = asyncio.Event()

    async def stay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED + b"3\r\none\r\n")
        await reader.read()
        gone.set()
        writer.close()

    async with await asyncio.start_server(stay, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        with pytest.raises(ValueError, match="my own"):
            await _leave(http, url)
        await asyncio.wait_for(gone.wait(), 60)

    connector = http._opened().connector
    assert connector
    assert {} == dict(connector._conns)


async def _leave(http: HttpClient, url: str) -> None:
    async with http.exchange(url, {}, b"") as exchange:
        await anext(exchange.chunks())
        raise ValueError("my own")


async def test_the_end_of_a_stream_is_not_waited_for_long(http: HttpClient) -> None:
    """A server that has said all and keeps the connection is left after a moment, a cut there is no fault."""
    server, url = await serve_once(CHUNKED + b"3\r\none\r\n")

    async def stay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED + b"3\r\none\r\n")
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(stay, "127.0.0.1", 0)
    for address in (url, f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}/"):
        async with http.exchange(address, {}, b"") as exchange:
            assert b"one" == await anext(exchange.chunks())
            await exchange.finish()
    for running in (server, silent):
        running.close()


async def test_nobody_there_opens_no_exchange(http: HttpClient) -> None:
    """The same words as for a whole answer."""
    with pytest.raises(ProviderUnavailable, match="could not be reached"):
        async with http.exchange(f"http://127.0.0.1:{free_port()}/", {}, b""):
            raise AssertionError("there is nobody")


async def test_a_redirect_is_an_answer_not_a_way(http: HttpClient) -> None:
    """A key never follows a redirect to another host."""
    server, url = await serve_once(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n")

    async with server:
        reply = await http.post(url, {}, b"")
    assert 302 == reply.status


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"http://127.0.0.1:{free_port()}/", "could not be reached"),
        ("http://no-such-host.invalid/", "could not be resolved"),
        ("not a url", "not a URL"),
    ],
)
async def test_nobody_there_is_said_in_words_of_ours(http: HttpClient, url: str, words: str) -> None:
    """The caller learns which of the usual faults it is, and not the address, which may hold a key."""
    with pytest.raises(ProviderUnavailable, match=words) as caught:
        await http.post(url, {}, b"")

    assert url not in caught.value.message


def foreign() -> list[type[aiohttp.ClientError]]:
    """List every client exception that aiohttp exports."""
    exported = (value for _, value in inspect.getmembers(aiohttp, inspect.isclass))
    return [value for value in exported if issubclass(value, aiohttp.ClientError)]


def test_every_client_exception_of_aiohttp_is_known() -> None:
    """A new one in a new version must be looked at before it is mapped by its base class."""
    assert {
        "ClientConnectionError", "ClientConnectionResetError", "ClientConnectorCertificateError",
        "ClientConnectorDNSError", "ClientConnectorError", "ClientConnectorSSLError", "ClientError",
        "ClientHttpProxyError", "ClientOSError", "ClientPayloadError", "ClientProxyConnectionError",
        "ClientResponseError", "ClientSSLError", "ConnectionTimeoutError", "ContentTypeError", "InvalidURL",
        "InvalidUrlClientError", "InvalidUrlRedirectClientError", "NonHttpUrlClientError",
        "NonHttpUrlRedirectClientError", "RedirectClientError", "ServerConnectionError", "ServerDisconnectedError",
        "ServerFingerprintMismatch", "ServerTimeoutError", "SocketTimeoutError", "TooManyRedirects",
        "UploadAbortedError",
        "WSMessageTypeError", "WSServerHandshakeError",
    } >= {kind.__name__ for kind in foreign()}  # fmt: skip


def test_no_text_of_a_foreign_exception_is_passed_on() -> None:
    """Whatever it is, its words stay behind."""
    for error in (OSError("sk-secret"), ValueError("sk-secret"), aiohttp.ClientPayloadError("sk-secret")):
        assert "sk-secret" not in mapped(error).message


def test_the_operator_is_not_called_a_provider() -> None:
    """Whoever reads the log learns who could not be reached."""
    assert "the operator's answer was cut off" == mapped(aiohttp.ClientPayloadError(), "the operator").message
    assert "the operator broke the connection" == mapped(aiohttp.ServerDisconnectedError(), "the operator").message


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("3", 3),
        ("0", 0),
        ("999999999", 3600),
        ("Wed, 21 Oct 2015 07:28:10 GMT", 10),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0),
        ("Wed, 21 Oct 2099 07:28:00 GMT", 3600),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("\u0663", None),
    ],
)
def test_retry_after_is_read_within_an_hour(header: str, expected: float | None) -> None:
    """Seconds and dates are; what is neither is left out, and nobody is made to wait for ever."""
    assert expected == wait_s(header, now_s=1445412480)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "20.5", "Retry-After": "9"}, 0.0205),
        ({"retry-after-ms": "999999999999"}, 3600),
        ({"retry-after-ms": "soon", "Retry-After": "9"}, 9),
        ({"retry-after-ms": "-1"}, None),
        ({"retry-after-ms": "nan"}, None),
        ({}, None),
    ],
)
def test_milliseconds_go_before_seconds(headers: dict[str, str], expected: float | None) -> None:
    """OpenAI and Azure say them; what cannot be read is as if it were not there."""
    assert expected == asked_wait_s(headers, now_s=0)


def test_an_answer_without_retry_after_asks_for_no_wait() -> None:
    """None is not 0."""
    assert HttpReply(429, {}, b"").retry_after_s is None
    assert 5 == HttpReply(429, {"Retry-After": "5"}, b"").retry_after_s


def test_aiohttp_is_loaded_when_it_is_used() -> None:
    """A sidecar that has asked nobody yet has not loaded it; once loaded it is the one that everybody has."""
    code = (
        "import sys; from parley_sidecar import http_client; before = 'aiohttp.client' in sys.modules; "
        "http_client.aiohttp.ClientError; print(before, 'aiohttp.client' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "False True\n" == done.stdout
    assert aiohttp is _when_used("aiohttp")
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        _when_used("no_such_module")


async def test_a_websocket_carries_text_until_it_closes(http: HttpClient) -> None:
    """What is not text is passed over; what is said after its end is an error of ours."""
    heard: list[object] = []

    async def operator(connection: ServerConnection) -> None:
        heard.append(connection.request and connection.request.headers["Authorization"])
        heard.append(await connection.recv())
        await connection.send(b"bytes")
        await connection.send("text")

    async with serve(operator, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        opening = http.websocket(f"ws://127.0.0.1:{port}", token="t-1", ca_pem="", heartbeat_s=60, max_bytes=100)
        async with opening as socket:
            await socket.send("hello")
            received = [text async for text in socket.messages()]
            with pytest.raises(ProviderUnavailable, match="the connection was lost"):
                await socket.send("too late")

    assert ["Bearer t-1", "hello"] == heard
    assert ["text"] == received
