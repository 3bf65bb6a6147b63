"""Connections between requests: kept, closed, found closed, left."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from parley_sidecar.errors import ProviderUnavailable
from parley_sidecar.http.connecting import first_to_answer
from parley_sidecar.http.pool import Patience
from parley_sidecar.http_client import HttpClient
from tests.conftest import eventually, free_port
from tests.sidecar.http.peers import CHUNKED, OK, Caller, polite, serving

Ending = Callable[[Caller], None]


def closed(caller: Caller) -> None:
    """End a connection in good order."""
    caller.writer.close()


def reset(caller: Caller) -> None:
    """End a connection with a reset."""
    caller.writer.transport.abort()


async def test_requests_one_after_the_other_share_a_connection(http: HttpClient) -> None:
    """Ten of them do, whatever their paths, headers and bodies."""
    async with serving(polite) as peer:
        for number in range(10):
            await http.post(f"{peer.url}{number}", {"x-number": str(number)}, b"x" * number)

        assert (1, 10) == (peer.connections, len(peer.requests))


async def test_requests_at_once_have_one_each(http: HttpClient) -> None:
    """Nobody waits for a connection; of those that are idle then, the one used last goes first."""
    gate = asyncio.Event()
    served = []

    async def talk(caller: Caller) -> None:
        while True:
            await caller.asked()
            await gate.wait()
            served.append(caller.number)
            await caller.say(OK)

    async with serving(talk) as peer:
        asking = [asyncio.create_task(http.post(peer.url, {}, b"")) for _ in range(20)]
        await eventually(lambda: len(peer.requests) == 20)
        gate.set()
        await asyncio.gather(*asking)
        for _ in range(5):
            await http.post(peer.url, {}, b"")

        assert 20 == peer.connections
        assert 1 == len(set(served[20:]))


async def test_what_is_idle_for_long_is_closed() -> None:
    """What was used meanwhile is not; nothing is left of a place that nobody asks any more."""
    http = HttpClient(Patience(keep_alive_s=0.05))
    async with serving(polite) as busy, serving(polite) as quiet:
        await http.post(quiet.url, {}, b"")
        while not quiet.left:
            await http.post(busy.url, {}, b"")
            await asyncio.sleep(0.005)
        assert 1 == busy.connections
        await eventually(lambda: busy.left == 1 and not http._pool._idle)
    await http.aclose()


@pytest.mark.parametrize("end", [closed, reset])
async def test_what_is_closed_while_idle_is_not_used(http: HttpClient, end: Ending) -> None:
    """The next request gets a new connection, and is sent once."""
    callers = []

    async def talk(caller: Caller) -> None:
        callers.append(caller)
        await polite(caller)

    async with serving(talk) as peer:
        await http.post(peer.url, {}, b"first")
        end(callers[0])
        await eventually(lambda: not any(http._pool._idle.values()))
        await http.post(peer.url, {}, b"second")

        assert (2, 2) == (peer.connections, len(peer.requests))


async def test_what_nobody_asked_for_ends_an_idle_connection(http: HttpClient) -> None:
    """A server that says 408 before it closes does not answer the next request with it."""
    callers = []

    async def talk(caller: Caller) -> None:
        callers.append(caller)
        await polite(caller)

    async with serving(talk) as peer:
        await http.post(peer.url, {}, b"first")
        await callers[0].say(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
        await eventually(lambda: not any(http._pool._idle.values()))

        assert 200 == (await http.post(peer.url, {}, b"second")).status


def closing_on(*numbers: int, end: Ending, said: bytes = b"") -> Callable[[Caller], Awaitable[None]]:
    """Answer politely, but end the connection on the requests of these numbers, having said so much."""

    async def talk(caller: Caller) -> None:
        while True:
            await caller.asked()
            if len(caller.requests) in numbers:
                await caller.say(said)
                end(caller)
                return
            await caller.say(OK)

    return talk


@pytest.mark.parametrize("end", [closed, reset])
@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
async def test_a_request_that_met_a_closing_connection_is_sent_again(
    http: HttpClient, end: Ending, *, is_streamed: bool
) -> None:
    """Once, on a new connection: the server closed an idle one just then, without a byte of an answer."""
    async with serving(closing_on(2, end=end)) as peer:
        await http.post(peer.url, {}, b"first")
        if is_streamed:
            async with http.exchange(peer.url, {}, b"second") as exchange:
                assert b"ok" == await exchange.read()
        else:
            assert b"ok" == (await http.post(peer.url, {}, b"second")).body

        assert 2 == peer.connections
        assert [b"first", b"second", b"second"] == [request.partition(b"\r\n\r\n")[2] for request in peer.requests]


async def asked(http: HttpClient, url: str, *bodies: bytes) -> None:
    """Post one after the other."""
    for body in bodies:
        await http.post(url, {}, body)


@pytest.mark.parametrize("end", [closed, reset])
@pytest.mark.parametrize(
    ("numbers", "said", "patience", "requests"),
    [
        ((1,), b"", Patience(), 1),
        ((2,), b"H", Patience(), 2),
        ((2,), b"HTTP/1.1 100 Continue\r\n\r\n", Patience(), 2),
        ((2, 3), b"", Patience(), 3),
        ((2,), b"", Patience(stale_s=-1), 2),
    ],
    ids=["new", "began", "interim", "twice", "late"],
)
async def test_a_request_that_may_have_been_heard_is_not(
    numbers: tuple[int, ...], said: bytes, patience: Patience, requests: int, end: Ending
) -> None:
    """A new connection, a byte of an answer, a second time, a close that comes late: each is a fault as it is."""
    http = HttpClient(patience)
    async with serving(closing_on(*numbers, end=end, said=said)) as peer:
        with pytest.raises(ProviderUnavailable, match="broke the connection"):
            await asked(http, peer.url, b"first", b"second")

        assert requests == len(peer.requests)
    await http.aclose()


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 200 OK\r\n", CHUNKED + b"3\r\none\r\n"], ids=["nothing", "head", "body"]
)
async def test_a_request_that_is_given_up_ends_its_connection(http: HttpClient, said: bytes) -> None:
    """The answer to it is nobody's: the next request gets a connection of its own, and its own answer."""
    heard = asyncio.Event()

    async def talk(caller: Caller) -> None:
        if caller.number:
            return await polite(caller)
        await caller.asked()
        await caller.say(said)
        heard.set()
        await caller.gone()
        return None

    async with serving(talk) as peer:
        asking = asyncio.create_task(http.post(peer.url, {}, b"first"))
        await heard.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await eventually(lambda: peer.left == 1)

        assert b"ok" == (await http.post(peer.url, {}, b"second")).body
        assert 2 == peer.connections


async def test_closing_the_client_ends_what_is_under_way() -> None:
    """Idle or not; nothing is left open, and it can be used again."""
    http = HttpClient()
    waits = asyncio.Event()

    async def talk(caller: Caller) -> None:
        if b"wait" in await caller.asked():
            waits.set()
            await caller.gone()
        await caller.say(OK)
        await polite(caller)

    async with serving(talk) as peer:
        asking = [asyncio.create_task(http.post(peer.url, {}, body)) for body in (b"", b"wait")]
        await asking[0]
        await waits.wait()
        await http.aclose()
        with pytest.raises(ProviderUnavailable, match="broke the connection"):
            await asking[1]
        await eventually(lambda: peer.left == 2)

        assert b"ok" == (await http.post(peer.url, {}, b"")).body
        await http.aclose()
    await http.aclose()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"http://127.0.0.1:{free_port()}/", "could not be reached"),
        (f"http://[::1]:{free_port()}/", "could not be reached"),
        ("http://127.0.0.1:0/", "could not be reached"),
        ("http://no-such-host.invalid/", "host name could not be resolved"),
        ("not a url", "endpoint is not a URL"),
    ],
)
async def test_nobody_there_is_said_in_words_of_ours(http: HttpClient, url: str, words: str) -> None:
    """The caller learns which of the usual faults it is, and not the address, which may hold a key."""
    with pytest.raises(ProviderUnavailable) as caught:
        await http.post(url, {}, b"")
    with pytest.raises(ProviderUnavailable):
        async with http.exchange(url, {}, b""):
            raise AssertionError("there is nobody")

    assert f"the provider's {words}".replace("'s could", " could") == caught.value.message


async def test_an_address_of_the_new_kind_is_reached(http: HttpClient) -> None:
    """It stands in brackets, in the URL and in the Host header."""
    async with serving(polite, host="::1") as peer:
        await http.post(peer.url, {}, b"")

        assert f"Host: [::1]:{peer.port}\r\n".encode() in peer.requests[0]


async def test_a_name_is_looked_up(http: HttpClient) -> None:
    """It stands in the Host header as it was given."""
    async with serving(polite) as peer:
        await http.post(f"http://localhost:{peer.port}/", {}, b"")

        assert f"Host: localhost:{peer.port}\r\n".encode() in peer.requests[0]


async def test_the_first_address_to_answer_is_taken() -> None:
    """One that is silent does not hold up one that is not, nor does one that refuses."""
    refusing, silent = ("127.0.0.3", free_port()), socket.create_server(("127.0.0.2", 0), backlog=0)
    filling = [socket.socket() for _ in range(3)]
    for one in filling:
        one.setblocking(False)
        one.connect_ex(silent.getsockname())
    with silent:
        async with serving(polite) as peer:
            places = [refusing, silent.getsockname(), ("127.0.0.1", peer.port)]
            found = [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", place) for place in places]
            with await first_to_answer(found) as connected:
                assert ("127.0.0.1", peer.port) == connected.getpeername()
    for one in filling:
        one.close()


async def test_who_never_completes_a_connection_is_left() -> None:
    """A server that takes the connection and never proves who it is counts as not reached."""
    http = HttpClient(Patience(connect_s=0.05))

    async with serving(Caller.gone) as peer:
        with pytest.raises(ProviderUnavailable, match="the provider could not be reached"):
            await http.post(f"https://127.0.0.1:{peer.port}/", {}, b"")
        await eventually(lambda: peer.left == 1)
    await http.aclose()
