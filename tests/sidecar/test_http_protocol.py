"""Responses over a real socket: whole ones in one piece, all others as uvicorn writes them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from parley_sidecar.serve import LOOPBACK, listening, serving
from tests.conftest import free_port

Headers = list[tuple[bytes, bytes]]
Says = Callable[[Send], Awaitable[None]]


def start(headers: Headers, status: int = 200) -> dict[str, Any]:
    """Return the message that begins a response."""
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(data: bytes = b"", *, more: bool = False) -> dict[str, Any]:
    """Return a message with some of its body."""
    return {"type": "http.response.body", "body": data, "more_body": more}


def saying(*messages: dict[str, Any]) -> Says:
    """Return an app's answer to everything."""

    async def say(send: Send) -> None:
        for message in messages:
            await send(message)

    return say


async def pieces(say: Says, request: bytes) -> list[bytes]:
    """Return what is read of the response, piece by piece, until the connection closes or nothing is left to come."""
    port = free_port()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        await say(send)

    async with serving(app, listening(port, LOOPBACK, "--http-port")):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        read: list[bytes] = []
        while (piece := await reader.read(65536)) != b"":
            read.append(piece)
            if b"connection: close" not in request.lower():
                break
        writer.close()
    return read


KEPT = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
CLOSED = KEPT[:-2] + b"Connection: close\r\n\r\n"
LENGTH: Headers = [(b"content-length", b"2")]


async def test_a_whole_response_comes_in_one_piece() -> None:
    """Head and body are one write, so that its reader reads once."""
    (read,) = await pieces(saying(start([(b"x-a", b"1"), *LENGTH]), body(b"ok")), KEPT)

    head, _, rest = read.partition(b"\r\n\r\n")
    assert b"HTTP/1.1 200 OK" == head.split(b"\r\n")[0]
    assert {b"x-a: 1", b"content-length: 2"} <= set(head.split(b"\r\n"))
    assert b"ok" == rest


@pytest.mark.parametrize(
    ("messages", "request_", "expected"),
    [
        pytest.param([start([]), body(b"ok")], CLOSED, b"2\r\nok\r\n0\r\n\r\n", id="no length"),
        pytest.param([start([(b"x-content-length", b"2")]), body(b"ok")], CLOSED, b"2\r\nok\r\n0\r\n\r\n", id="other"),
        pytest.param([start(LENGTH), body(b"o", more=True), body(b"k")], CLOSED, b"ok", id="in pieces"),
        pytest.param([start(LENGTH), body(b"ok")], CLOSED, b"ok", id="last on its connection"),
        pytest.param([start(LENGTH), body(b"ok")], CLOSED.replace(b"GET", b"HEAD"), b"", id="asked for the head"),
        pytest.param([start(LENGTH), body(b"ok")], KEPT.replace(b"GET", b"HEAD"), b"", id="the head, kept alive"),
        pytest.param([start([], 204), body()], CLOSED, b"", id="nothing"),
        pytest.param(
            [start([(b"connection", b"close"), *LENGTH]), body(b"ok")], KEPT, b"ok", id="the app closes"
        ),
        pytest.param(
            [start([(b"transfer-encoding", b"chunked"), *LENGTH]), body(b"ok")], CLOSED, b"2\r\nok\r\n0\r\n\r\n",
            id="chunked",
        ),
    ],
)  # fmt: skip
async def test_every_other_response_is_whole_too(
    messages: Sequence[dict[str, Any]], request_: bytes, expected: bytes
) -> None:
    """Whatever ends it: its length, chunks, the connection, or that it has no body."""
    read = b"".join(await pieces(saying(*messages), request_))

    head, _, rest = read.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 20")
    assert expected == rest


@pytest.mark.parametrize("value", [b"a\r\nx-b: 2", b"a\nx-b: 2", b"a\x00"])
async def test_a_header_that_would_be_two_is_not_sent(value: bytes) -> None:
    """It ends the connection instead: whoever made it meant no good."""
    read = b"".join(await pieces(saying(start([(b"x-a", value), *LENGTH]), body(b"ok")), KEPT))

    assert b"x-b" not in read
    assert not read.endswith(b"ok")


async def test_an_app_that_fails_after_its_head_is_an_error_of_ours() -> None:
    """Nothing of the head was sent yet, so that the caller is told."""

    async def fail(send: Send) -> None:
        await send(start(LENGTH))
        raise KeyError("x")

    read = b"".join(await pieces(fail, CLOSED))

    assert read.startswith(b"HTTP/1.1 500 ")


async def test_a_response_has_one_head() -> None:
    """A second one is a fault of the app, and never sent."""

    async def twice(send: Send) -> None:
        await send(start(LENGTH))
        await send(body(b"o", more=True))
        await send(start(LENGTH, 404))

    read = b"".join(await pieces(twice, CLOSED))

    assert b"404" not in read
    assert read.endswith(b"o")
