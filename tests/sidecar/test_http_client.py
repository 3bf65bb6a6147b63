"""The HTTP client against a provider's stand-in; its parts, and what can go wrong with them, are in `http/`."""

import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest

from parley_sidecar.http_client import HttpClient
from tests.conftest import Standin
from tests.sidecar.http.peers import answering, serving

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


async def test_many_at_once_get_each_their_own(http: HttpClient, standin: Standin) -> None:
    """Three rounds of 64, which share 64 connections."""
    url = f"{standin.url}/v1/chat/completions"

    async def ask(number: int) -> bool:
        reply = await http.post(url, {}, BODY.replace(b"hi", b"<%d>" % number))
        return b"<%d>" % number in reply.body

    for _ in range(3):
        assert all(await asyncio.gather(*map(ask, range(64))))


async def test_no_compression_is_offered_and_none_undone(http: HttpClient, standin: Standin) -> None:
    """A few bytes cannot become gigabytes here."""
    bomb = gzip.compress(b"0" * 1_000_000)
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(bomb)
    await http.post(f"{standin.url}/v1/chat/completions", {}, BODY)

    assert "identity" == standin.last()["headers"]["accept-encoding"]
    async with serving(answering(head + bomb)) as peer:
        assert bomb == (await http.post(peer.url, {}, b"")).body


async def test_the_environments_proxies_are_not_asked(http: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A component says where its provider is, and nobody else does."""
    async with serving(answering(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")) as peer:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")

        assert b"ok" == (await http.post(peer.url, {}, b"")).body
