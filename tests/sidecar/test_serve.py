"""Sockets and servers: where they listen, what they do not say, and how they end."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from parley_sidecar.command_error import CommandError
from parley_sidecar.serve import EVERYWHERE, LOOPBACK, Server, listening, serving
from tests.conftest import free_port


class App:
    """Answers at once on /, and on /slow when it may."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.asked = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever its body."""
        del receive
        self.asked += 1
        if scope["path"] == "/slow":
            await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def served(app: App) -> AsyncIterator[tuple[Server, int]]:
    """Serve an app on loopback meanwhile."""
    port = free_port()
    async with serving(app, listening(port, LOOPBACK, "--http-port")) as server:
        yield server, port


async def exchange(host: str, port: int, request: bytes) -> bytes:
    """Send bytes on a connection of its own and read until it closes."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(request)
    try:
        return await reader.read()
    finally:
        writer.close()


CLOSING = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


async def test_loopback_means_both_families() -> None:
    """IPv4 and, where there is one, IPv6; no other address answers."""
    async with served(App()) as (_, port):
        first = await exchange("127.0.0.1", port, CLOSING)
        second = await exchange("::1", port, CLOSING) if has_ipv6() else first
        with pytest.raises(OSError, match=r"refused|failed"):
            await exchange("127.0.0.2", port, CLOSING)

    assert first.endswith(b"ok")
    assert second.endswith(b"ok")


def has_ipv6() -> bool:
    """Say whether this machine has an IPv6 loopback."""
    return "00000000000000000000000000000001" in Path("/proc/net/if_inet6").read_text()


def test_everywhere_means_every_address() -> None:
    """Also those that are not loopback."""
    port = free_port()
    listeners = listening(port, EVERYWHERE, "--metrics-port")
    with socket.create_connection(("127.0.0.2", port), 5) as connection:
        assert ("127.0.0.2", port) == connection.getpeername()
    for listener in listeners:
        listener.close()


def test_small_answers_are_not_held_back() -> None:
    """Nagle's algorithm is off, on IPv6 too."""
    listeners = listening(free_port(), LOOPBACK, "--http-port")
    options = [listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for listener in listeners]
    for listener in listeners:
        listener.close()

    assert [1] * len(listeners) == options


@pytest.mark.parametrize("address", LOOPBACK)
def test_a_taken_port_is_told_in_one_sentence(address: str) -> None:
    """With the way to choose another, and whichever family it is taken in; nothing stays open."""
    port = free_port()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    if family == socket.AF_INET6 and not has_ipv6():
        address, family = "127.0.0.1", socket.AF_INET
    sentence = f"^port {port} is taken by another program; choose another with --http-port$"
    with closing(socket.create_server((address, port), family=family)), pytest.raises(CommandError, match=sentence):
        listening(port, LOOPBACK, "--http-port")
    for listener in listening(port, LOOPBACK, "--http-port"):
        listener.close()


def test_an_address_that_is_not_there_is_told() -> None:
    """Only IPv6 may be absent."""
    with pytest.raises(CommandError, match="cannot be used: Cannot assign requested address; choose another"):
        listening(free_port(), ("192.0.2.1",), "--http-port")

    assert [] == listening(free_port(), ("2001:db8::1",), "--http-port")


async def test_the_server_does_not_introduce_itself() -> None:
    """No Server header; a Date, as RFC 9110 wants it."""
    async with served(App()) as (_, port):
        head = (await exchange("127.0.0.1", port, CLOSING)).lower()

    assert b"\r\ndate: " in head
    assert b"server:" not in head


async def test_a_websocket_is_not_opened() -> None:
    """The request is answered as any other."""
    upgrade = CLOSING.replace(b"Connection: close", b"Connection: upgrade, close\r\nUpgrade: websocket")
    async with served(App()) as (_, port):
        reply = await exchange("127.0.0.1", port, upgrade)

    assert reply.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("name", [b"x-large: ", b""])
async def test_a_head_that_does_not_end_is_refused(name: bytes) -> None:
    """Neither one endless header nor an endless request line fills the memory."""
    app = App()
    begin = b"GET / HTTP/1.1\r\nHost: localhost\r\n" + name if name else b"GET /"
    async with served(app) as (_, port):
        reply = await exchange("127.0.0.1", port, begin + b"a" * 40_000)

    assert reply.startswith(b"HTTP/1.1 431 ")
    assert 0 == app.asked


async def test_a_large_head_is_refused_and_a_large_body_is_not() -> None:
    """What counts is the head, also where head and body arrive together."""
    app = App()
    large = b"x-large: " + b"a" * 40_000 + b"\r\n"
    async with served(app) as (_, port):
        refused = await exchange("127.0.0.1", port, CLOSING.replace(b"\r\n\r\n", b"\r\n" + large + b"\r\n"))
        body = b"content-length: 40000\r\n\r\n" + b"a" * 40_000
        taken = await exchange("127.0.0.1", port, CLOSING.replace(b"\r\n\r\n", b"\r\n" + body))

    assert refused.startswith(b"HTTP/1.1 431 ")
    assert taken.startswith(b"HTTP/1.1 200 ")
    assert 1 == app.asked


async def test_what_is_not_http_is_refused() -> None:
    """With 400, and the connection closed."""
    async with served(App()) as (_, port):
        reply = await exchange("127.0.0.1", port, b"hello\r\n\r\n")

    assert reply.startswith(b"HTTP/1.1 400 ")


async def test_many_requests_share_a_connection() -> None:
    """Keep-alive works, and heads are measured each for itself."""
    app = App()
    padding = b"x-large: " + b"a" * 20_000 + b"\r\n\r\n"
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\n" + padding
    async with served(app) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(4):
            writer.write(request)
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        writer.close()

    assert 4 == app.asked


async def test_the_end_waits_for_running_requests() -> None:
    """Unless there is a hurry."""
    app = App()
    async with served(app) as (_, port):
        asked = asyncio.create_task(exchange("127.0.0.1", port, CLOSING.replace(b" / ", b" /slow ")))
        await until_asked(app)
        asyncio.get_running_loop().call_later(0.3, app.may_answer.set)

    assert (await asked).endswith(b"ok")


async def test_a_hurry_waits_for_nobody() -> None:
    """The server ends, and its request with it."""
    app = App()
    async with served(app) as (server, port):
        asked = asyncio.create_task(exchange("127.0.0.1", port, CLOSING.replace(b" / ", b" /slow ")))
        await until_asked(app)
        server.force_exit = True

    assert not asked.done()
    app.may_answer.set()
    await asked


async def until_asked(app: App) -> None:
    """Poll until the app has a request."""
    async with asyncio.timeout(30):
        while not app.asked:
            await asyncio.sleep(0.01)
