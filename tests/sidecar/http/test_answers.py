"""Answers as servers send them: every shape of a body, every fault on the way, over real sockets and both loops."""

import asyncio
from socket import IPPROTO_TCP, TCP_NODELAY

import pytest

from parley_sidecar.errors import ParleyError, ProviderGarbled, ProviderUnavailable
from parley_sidecar.http_client import HttpClient
from tests.conftest import eventually
from tests.sidecar.http.peers import CHUNKED, OK, Caller, Talk, answering, polite, serving

KEEP = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("bytewise", [False, True], ids=["at-once", "byte-by-byte"])
@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (OK, 200, b"ok"),
        (KEEP + b"Content-Length: 0\r\n\r\n", 200, b""),
        (CHUNKED + b"3\r\none\r\n3;x=y\r\ntwo\r\n0\r\n\r\n", 200, b"onetwo"),
        (CHUNKED + b"3\r\none\r\n0\r\nX-Mark: trailer\r\n\r\n", 200, b"one"),
        (b"HTTP/1.1 404 Not Found\r\nX-Mark: m\r\ncontent-length: 2\r\n\r\nno", 404, b"no"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", 304, b""),
        (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", 302, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"ok"),
        (b"HTTP/1.1 103 Early Hints\r\nX-Mark: early\r\n\r\nHTTP/1.1 102 P\r\n\r\n" + OK, 200, b"ok"),
        (KEEP + b"x-mark: m\r\n\r\nwhole", 200, b"whole"),
        (KEEP + b"connection: close\r\ncontent-length: 5\r\n\r\nwhole", 200, b"whole"),
        (b"HTTP/1.0 200 OK\r\n\r\nwhole", 200, b"whole"),
        (OK + OK, 200, b"ok"),
        (OK + b"garbage", 200, b"ok"),
    ],
    ids=[
        "length", "empty", "chunked", "trailer", "fault", "no-content", "not-modified", "redirect", "continue", "hints",
        "until-closed", "close", "http-1.0", "two-answers", "garbage-after",
    ],
)  # fmt: skip
async def test_a_body_is_read_in_each_shape(
    http: HttpClient, answer: bytes, status: int, body: bytes, *, bytewise: bool
) -> None:
    """However it is cut on its way, the same comes out; what comes after it is nobody's."""

    async def talk(caller: Caller) -> None:
        await caller.asked()
        for piece in [answer[i : i + 1] for i in range(len(answer))] if bytewise else [answer]:
            await caller.say(piece)
            await asyncio.sleep(0)

    async with serving(talk) as peer:
        reply = await http.post(peer.url, {}, b"{}")

    assert (status, body) == (reply.status, reply.body)
    assert reply.headers.get("x-mark") in {None, "m"}


@pytest.mark.parametrize("is_whole", [True, False], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (b"", ProviderUnavailable, "the provider broke the connection"),
        (KEEP[:-4], ProviderUnavailable, "the provider broke the connection"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", ProviderUnavailable, "the provider broke the connection"),
        (KEEP + b"content-length: 100\r\n\r\nsk-secret", ProviderUnavailable, "the provider's answer was cut off"),
        (CHUNKED + b"9\r\nsk-sec", ProviderUnavailable, "the provider's answer was cut off"),
        (CHUNKED + b"3\r\none\r\n", ProviderUnavailable, "the provider's answer was cut off"),
        (b"sk-secret is not HTTP\r\n\r\n", ProviderGarbled, ""),
        (b"HTTP/1.1 099 Low\r\n\r\n", ProviderGarbled, ""),
        (b"HTTP/1.1 2xx OK\r\n\r\n", ProviderGarbled, ""),
        (b"HTTP/2 200\r\n\r\n", ProviderGarbled, ""),
        (KEEP + b"content-length: 2\r\ncontent-length: 3\r\n\r\nok", ProviderGarbled, ""),
        (KEEP + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", ProviderGarbled, ""),
        (KEEP + b"content-length: -2\r\n\r\nok", ProviderGarbled, ""),
        (KEEP + b"x y: z\r\n\r\n", ProviderGarbled, ""),
        (CHUNKED + b"sk-secret\r\n", ProviderGarbled, ""),
        (CHUNKED + b"FFFFFFFFFFFFFFFFF\r\n", ProviderGarbled, ""),
        (b"HTTP/1.1 101 Up\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", ProviderGarbled, ""),
        (KEEP + b"x: " + b"y" * 700_000, ProviderGarbled, ""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000, ProviderGarbled, ""),
        (CHUNKED + b"0\r\n" + b"x: y\r\n" * 100_000, ProviderGarbled, ""),
    ],
    ids=[
        "nothing", "half-a-head", "interim-only", "cut", "cut-in-chunk", "cut-between-chunks", "no-http", "low-status",
        "no-status", "http-2", "two-lengths", "length-and-chunks", "negative", "bad-header", "bad-chunk", "huge-chunk",
        "upgrade", "endless-header", "endless-interims", "endless-trailers",
    ],
)  # fmt: skip
async def test_a_broken_answer_becomes_our_error(
    http: HttpClient, answer: bytes, kind: type[ParleyError], words: str, *, is_whole: bool
) -> None:
    """What the other side does wrong is told apart in words of ours, and its own are never repeated."""
    async with serving(answering(answer)) as peer:
        with pytest.raises(kind) as caught:
            await (whole(http, peer.url) if is_whole else streamed(http, peer.url))
        await eventually(lambda: peer.left == 1)

    assert type(caught.value) is kind
    assert (words or "the provider's answer is not HTTP, or too long") == caught.value.message
    assert "sk-secret" not in str(caught.value)


async def whole(http: HttpClient, url: str) -> bytes:
    """Post for the whole answer."""
    return (await http.post(url, {}, b"{}")).body


async def streamed(http: HttpClient, url: str) -> bytes:
    """Post, and read the answer in pieces."""
    async with http.exchange(url, {}, b"{}") as exchange:
        return b"".join([chunk async for chunk in exchange.chunks()])


@pytest.mark.parametrize("length", [b"content-length: 99999999\r\n\r\n", b"connection: close\r\n\r\n"])
async def test_an_answer_has_a_limit(http: HttpClient, length: bytes) -> None:
    """16 MiB, whether its head says how long it will be or not."""
    async with serving(answering(KEEP + length + b"x" * 17_000_000)) as peer:
        with pytest.raises(ProviderGarbled, match="too long"):
            await http.post(peer.url, {}, b"")
        async with http.exchange(peer.url, {}, b"") as exchange:
            with pytest.raises(ProviderGarbled, match="too long"):
                await exchange.read()


async def test_an_answer_of_many_pieces_is_put_together(http: HttpClient) -> None:
    """A megabyte both ways."""
    body = bytes(range(256)) * 4096

    async def mirror(caller: Caller) -> None:
        request = await caller.asked()
        sent = request.partition(b"\r\n\r\n")[2]
        await caller.say(KEEP + b"content-length: %d\r\n\r\n" % len(sent) + sent)

    async with serving(mirror) as peer:
        assert body == (await http.post(peer.url, {}, body)).body


def kept_after(answer: bytes) -> Talk:
    """Answer with this first, and politely from then on."""

    async def talk(caller: Caller) -> None:
        await caller.asked()
        await caller.say(answer)
        await polite(caller)

    return talk


@pytest.mark.parametrize(
    ("answer", "connections"),
    [
        (OK, 1),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 1),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", 1),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 1),
        (CHUNKED + b"3\r\none\r\n0\r\nX: y\r\n\r\n", 1),
        (b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok", 1),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", 2),
        (KEEP + b"Connection: Close\r\ncontent-length: 2\r\n\r\nok", 2),
        (OK + b"more", 2),
        (OK + OK, 2),
    ],
    ids=["length", "204", "304", "100", "chunked", "1.0-kept", "1.0", "close", "more", "two"],
)
async def test_a_connection_is_kept_where_it_can_be(http: HttpClient, answer: bytes, connections: int) -> None:
    """Where the server wants to close, or said more than it was asked for, the next request gets another one."""
    async with serving(kept_after(answer)) as peer:
        for _ in range(3):
            await http.post(peer.url, {}, b"{}")

        assert connections == min(peer.connections, 2)
        assert 3 == len(peer.requests)


async def test_no_packet_waits_for_another(http: HttpClient) -> None:
    """Nagle's algorithm is off."""
    async with serving(polite) as peer:
        await http.post(peer.url, {}, b"{}")

        ((connection,),) = http._pool._idle.values()
        socket = connection._transport.get_extra_info("socket")
        assert 1 == socket.getsockopt(IPPROTO_TCP, TCP_NODELAY)


async def test_an_early_answer_ends_the_connection(http: HttpClient) -> None:
    """A server that answers before it has the whole request may not read on: the rest would stand before the next."""
    done = asyncio.Event()

    async def talk(caller: Caller) -> None:
        await caller.reader.readuntil(b"\r\n\r\n")
        await caller.say(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
        await done.wait()

    async with serving(talk) as peer:
        replies = [await http.post(peer.url, {}, b"x" * 32_000_000) for _ in range(2)]
        done.set()

        assert [413, 413] == [reply.status for reply in replies]
        assert 2 == peer.connections
