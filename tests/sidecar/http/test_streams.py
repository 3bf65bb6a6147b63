"""Answers that stream: the head before the body, pieces as they come, a reader that is slow or leaves."""

import asyncio

import pytest

from parley_sidecar.errors import ProviderGarbled, ProviderUnavailable
from parley_sidecar.http.connection import HIGH_WATER_BYTES
from parley_sidecar.http_client import HttpClient
from tests.conftest import eventually
from tests.sidecar.http.peers import CHUNKED, OK, Caller, answering, polite, serving

READ_BYTES = 256 * 1024
"""What either loop reads at once at most."""


async def test_an_exchange_shows_its_head_before_its_body(http: HttpClient) -> None:
    """Status, headers in any case and the wait are there at once; each piece is there when it comes."""
    more = asyncio.Queue[bytes]()

    async def talk(caller: Caller) -> None:
        await caller.asked()
        await caller.say(CHUNKED)
        while piece := await more.get():
            await caller.say(piece)
        await caller.gone()

    async with serving(talk) as peer, http.exchange(peer.url, {}, b"") as exchange:
        assert (200, "m", 3) == (exchange.status, exchange.headers["x-mark"], exchange.retry_after_s)
        chunks = exchange.chunks()
        for piece in (b"one", b"two"):
            more.put_nowait(b"3\r\n" + piece + b"\r\n")
            assert piece == await anext(chunks)
        more.put_nowait(b"0\r\n\r\n")
        with pytest.raises(StopAsyncIteration):
            await anext(chunks)
        more.put_nowait(b"")


async def test_a_body_can_be_read_whole(http: HttpClient) -> None:
    """Its connection is used again then, and what was read is gone."""
    async with serving(answering(CHUNKED + b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n", OK)) as peer:
        async with http.exchange(peer.url, {}, b"") as exchange:
            assert b"onetwo" == await exchange.read()
            assert b"" == await exchange.read()
        await http.post(peer.url, {}, b"")

        assert 1 == peer.connections


async def test_a_body_that_nobody_read_leaves_its_connection_to_others(http: HttpClient) -> None:
    """It came whole; and while it is read after all, the connection is another request's."""
    async with serving(polite) as peer, http.exchange(peer.url, {}, b"") as exchange:
        await eventually(lambda: any(http._pool._idle.values()))
        await http.post(peer.url, {}, b"")

        assert b"ok" == await exchange.read()
        assert 1 == peer.connections


async def test_an_exchange_that_is_cut_is_unavailable(http: HttpClient) -> None:
    """What came before is there; whoever asks on hears it again."""
    async with (
        serving(answering(CHUNKED + b"3\r\none\r\n3\r\ntw")) as peer,
        http.exchange(peer.url, {}, b"") as exchange,
    ):
        chunks = exchange.chunks()
        read = await anext(chunks)
        while not (b"onetw").startswith(read) or len(read) < 5:
            read += await anext(chunks)
        for _ in range(2):
            with pytest.raises(ProviderUnavailable, match="cut off"):
                await anext(chunks)


async def test_a_stream_has_a_limit(http: HttpClient) -> None:
    """It is read up to a limit; up to it, it is read."""
    async with serving(answering(*[CHUNKED + b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"] * 2)) as peer:
        async with http.exchange(peer.url, {}, b"") as short:
            with pytest.raises(ProviderGarbled, match="too long"):
                b"".join([chunk async for chunk in short.chunks(limit_bytes=5)])
        async with http.exchange(peer.url, {}, b"") as enough:
            assert b"onetwo" == b"".join([chunk async for chunk in enough.chunks(limit_bytes=6)])


async def staying(caller: Caller) -> None:
    """Say a part, and never the rest."""
    await caller.asked()
    await caller.say(CHUNKED + b"3\r\none\r\n")
    await caller.gone()


async def test_an_exchange_that_is_left_ends_its_connection(http: HttpClient) -> None:
    """The other side sees it go, and nothing is kept; what the block itself raises passes as it is."""
    async with serving(staying) as peer:
        with pytest.raises(ValueError, match="my own"):
            await _leave(http, peer.url)
        await eventually(lambda: peer.left == 1)

    assert not any(http._pool._idle.values())


async def _leave(http: HttpClient, url: str) -> None:
    async with http.exchange(url, {}, b"") as exchange:
        await anext(exchange.chunks())
        raise ValueError("my own")


async def test_a_reader_that_is_cancelled_ends_the_connection(http: HttpClient) -> None:
    """While it waits for more."""
    reading = asyncio.Event()

    async def read(url: str) -> None:
        async with http.exchange(url, {}, b"") as exchange:
            async for _ in exchange.chunks():
                reading.set()

    async with serving(staying) as peer:
        task = asyncio.create_task(read(peer.url))
        await reading.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await eventually(lambda: peer.left == 1)


@pytest.mark.parametrize(
    ("rest", "connections"), [([b"0\r\n", b"\r\n"], 1), ([b"0\r\n"], 2), ([b""], 2)], ids=["ends", "half", "silent"]
)
async def test_the_end_of_a_stream_is_waited_for_a_moment(
    http: HttpClient, rest: list[bytes], connections: int
) -> None:
    """A server that comes to its end keeps its connection; one that does not is left, a cut there is no fault."""

    async def talk(caller: Caller) -> None:
        if caller.number:
            return await polite(caller)
        await caller.asked()
        for piece in (CHUNKED + b"3\r\none\r\n", *rest):
            await caller.say(piece)
            await asyncio.sleep(0)
        return await polite(caller)

    async with serving(talk) as peer:
        async with http.exchange(peer.url, {}, b"") as exchange:
            assert b"one" == await anext(exchange.chunks())
            await exchange.finish()
            await exchange.finish()
        await http.post(peer.url, {}, b"")

        assert connections == peer.connections


async def test_a_cut_at_the_end_of_a_stream_is_no_fault(http: HttpClient) -> None:
    """Its last event was here."""
    async with serving(answering(CHUNKED + b"3\r\none\r\n")) as peer:
        async with http.exchange(peer.url, {}, b"") as exchange:
            assert b"one" == await anext(exchange.chunks())
            await exchange.finish()
        await eventually(lambda: peer.left == 1)


async def test_a_slow_reader_holds_up_the_server(http: HttpClient) -> None:
    """No more than the high-water mark and one read are held, and all of it comes through in the end."""
    piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    sent = 0

    async def talk(caller: Caller) -> None:
        nonlocal sent
        await caller.asked()
        await caller.say(CHUNKED)
        for _ in range(512):
            await caller.say(piece)
            sent += 65536
        await caller.say(b"0\r\n\r\n")
        await polite(caller)

    async with serving(talk) as peer:
        async with http.exchange(peer.url, {}, b"") as exchange:
            seen = -1
            while seen != sent:
                seen = sent
                for _ in range(50):
                    await asyncio.sleep(0.001)
            held_bytes = exchange._answer.held_bytes
            assert HIGH_WATER_BYTES < held_bytes <= HIGH_WATER_BYTES + READ_BYTES
            assert sent < 512 * 65536
            assert 512 * 65536 == sum([len(chunk) async for chunk in exchange.chunks()])
        await http.post(peer.url, {}, b"")

        assert 1 == peer.connections


async def test_a_stream_that_is_left_while_it_is_held_up_ends(http: HttpClient) -> None:
    """The server is not left writing for ever."""

    async def talk(caller: Caller) -> None:
        await caller.asked()
        await caller.say(CHUNKED)
        while True:
            await caller.say(b"10000\r\n" + b"x" * 65536 + b"\r\n")

    async with serving(talk) as peer:
        async with http.exchange(peer.url, {}, b"") as exchange:
            await eventually(lambda: exchange._answer.held_bytes > HIGH_WATER_BYTES)
        await eventually(lambda: peer.left == 1)
