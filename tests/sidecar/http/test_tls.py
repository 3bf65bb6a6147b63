"""TLS: who a server has to prove to be, and what counts as the end of an answer there."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from e2e.cluster.certificates import Authority
from parley_sidecar.errors import ProviderUnavailable
from parley_sidecar.http.connecting import system_trust
from parley_sidecar.http_client import HttpClient
from tests.sidecar.http.peers import OK, Caller, polite, serving


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority that signed a certificate for localhost."""
    made = Authority(tmp_path_factory.mktemp("tls") / "ca")
    made.create()
    made.issue("leaf", "/CN=provider", ["localhost"])
    return made.directory


@pytest.fixture
def server_side(ca: Path) -> ssl.SSLContext:
    """What a server needs to prove that it is localhost."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(ca / "leaf.crt", ca / "leaf.key")
    return context


@pytest.fixture
def _trusted(ca: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the system trust that authority."""
    monkeypatch.setenv("SSL_CERT_FILE", str(ca / "ca.crt"))
    system_trust.cache_clear()
    yield
    system_trust.cache_clear()


@pytest.mark.usefixtures("_trusted")
async def test_a_server_that_proves_its_name_is_asked(http: HttpClient, server_side: ssl.SSLContext) -> None:
    """It is told which name is meant, and HTTP/1.1 is agreed on; the connection is kept, whole or streamed."""
    names = []
    server_side.set_alpn_protocols(["h2", "http/1.1"])
    server_side.sni_callback = lambda _, name, __: names.append(name)
    agreed = []

    async def talk(caller: Caller) -> None:
        agreed.append(caller.writer.get_extra_info("ssl_object").selected_alpn_protocol())
        await polite(caller)

    async with serving(talk, tls=server_side) as peer:
        url = f"https://localhost:{peer.port}/"
        for _ in range(3):
            assert b"ok" == (await http.post(url, {}, b"x" * 100_000)).body
        async with http.exchange(url, {}, b"") as exchange:
            assert b"ok" == await exchange.read()
        await http.aclose()

    assert (["localhost"], ["http/1.1"]) == (names, agreed)
    assert 1 == peer.connections


async def _nothing_said(http: HttpClient, url: str, requests: list[bytes]) -> None:
    with pytest.raises(ProviderUnavailable) as caught:
        await http.post(url, {"Authorization": "Bearer sk-secret"}, b"")

    assert "the provider's certificate could not be verified" == caught.value.message
    assert [] == requests


@pytest.mark.usefixtures("_trusted")
async def test_a_server_that_proves_another_name_hears_nothing(http: HttpClient, server_side: ssl.SSLContext) -> None:
    """Its certificate is good, and somebody else's."""
    async with serving(polite, tls=server_side) as peer:
        await _nothing_said(http, f"https://127.0.0.1:{peer.port}/", peer.requests)


async def test_a_server_that_nobody_vouches_for_hears_nothing(http: HttpClient, server_side: ssl.SSLContext) -> None:
    """The system does not know the authority."""
    async with serving(polite, tls=server_side) as peer:
        await _nothing_said(http, f"https://localhost:{peer.port}/", peer.requests)


async def test_a_server_without_tls_hears_nothing(http: HttpClient) -> None:
    """Whatever it answers a handshake with."""

    async def talk(caller: Caller) -> None:
        await caller.reader.read(1)
        await caller.say(OK)

    async with serving(talk) as peer:
        await _nothing_said(http, f"https://localhost:{peer.port}/", peer.requests)


@pytest.fixture
async def halves(server_side: ssl.SSLContext) -> AsyncIterator[str]:
    """A server that says half of an answer without a length, and drops the connection without TLS's goodbye."""

    async def talk(caller: Caller) -> None:
        await caller.asked()
        await caller.say(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        caller.writer.transport.abort()

    async with serving(talk, tls=server_side) as peer:
        yield f"https://localhost:{peer.port}/"


@pytest.mark.asyncio(loop_factories=["uvloop"])
@pytest.mark.usefixtures("_trusted")
async def test_an_answer_that_somebody_cut_is_not_whole(http: HttpClient, halves: str) -> None:
    """Where there is no length, only TLS's own goodbye is the end; asyncio's own loop cannot tell. RFC 9112 9.8."""
    with pytest.raises(ProviderUnavailable, match="cut off"):
        await http.post(halves, {}, b"")


@pytest.mark.usefixtures("_trusted")
async def test_an_answer_that_ends_with_a_goodbye_is_whole(http: HttpClient, server_side: ssl.SSLContext) -> None:
    """The server closes in good order."""

    async def talk(caller: Caller) -> None:
        await caller.asked()
        await caller.say(b"HTTP/1.1 200 OK\r\n\r\nwhole")

    async with serving(talk, tls=server_side) as peer:
        reply = await asyncio.wait_for(http.post(f"https://localhost:{peer.port}/", {}, b""), 60)

    assert b"whole" == reply.body


@pytest.mark.usefixtures("_trusted")
async def test_a_closing_connection_is_met_over_tls_too(http: HttpClient, server_side: ssl.SSLContext) -> None:
    """The request is sent again there as well."""

    async def talk(caller: Caller) -> None:
        await caller.asked()
        await caller.say(OK)
        if caller.number:
            await polite(caller)
        await caller.asked()

    async with serving(talk, tls=server_side) as peer:
        for _ in range(2):
            assert b"ok" == (await http.post(f"https://localhost:{peer.port}/", {}, b"")).body

        assert (2, 3) == (peer.connections, len(peer.requests))
