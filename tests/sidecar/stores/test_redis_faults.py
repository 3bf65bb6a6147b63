"""Redis that is gone, comes back, does not answer, refuses, or is replaced while it is used."""

import asyncio
import logging
import signal
from pathlib import Path

import pytest

from parley_crds.stream import StoreSection
from parley_sidecar.errors import StoreUnavailable
from parley_sidecar.stores import Stores
from parley_sidecar.stores.protocol import Keep, Place, RoomRecord, Taken
from parley_sidecar.stores.redis import RedisStore
from tests.conftest import free_port
from tests.sidecar.own_redis import own_redis
from tests.sidecar.redis_servers import own_tls_redis

PLACE = Place(limit_s=5)
"""Where nothing is silent, the machine may be slow."""


async def until_it_answers(store: RedisStore) -> None:
    """Poll until operations are tried again and succeed."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await store.ping()
            except StoreUnavailable:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_dead_or_frozen_server_fails_at_once_after_the_first_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: signal.Signals
) -> None:
    """The first operations may wait for their limit; the others do not, until the server answers again."""
    caplog.set_level(logging.INFO, "parley_sidecar")
    with own_redis(tmp_path) as server:
        store = RedisStore(server.url)
        await until_it_answers(store)
        await store.set(b"key", b"value", 60)
        caplog.clear()
        server.send(fault)
        first = await asyncio.gather(store.get(b"key"), store.get(b"key"), return_exceptions=True)

        closed = not store.is_up
        for operation in (store.get(b"key"), store.set(b"key", b"v", 1), store.ping()):
            with pytest.raises(StoreUnavailable):
                await operation

        if fault is signal.SIGKILL:
            server.start()
        else:
            server.send(signal.SIGCONT)
        await until_it_answers(store)
        await store.aclose()

    assert [StoreUnavailable, StoreUnavailable] == [type(error) for error in first]
    assert closed
    assert ["shared store does not answer", "shared store answers again"] == caplog.messages


async def test_a_server_is_asked_until_it_is_one(tmp_path: Path) -> None:
    """One failed probe is not the last one."""
    asked = 0

    def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writer.close()

    impostor = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = impostor.sockets[0].getsockname()[1]
    store = RedisStore(f"redis://127.0.0.1:{port}")
    async with impostor:
        with pytest.raises(StoreUnavailable):
            await store.ping()
        while asked < 3:
            await asyncio.sleep(0.05)
    with own_redis(tmp_path, port=port):
        await until_it_answers(store)

        assert store.is_up
        await store.aclose()


async def test_a_server_that_came_back_empty_is_used_as_it_is(tmp_path: Path) -> None:
    """What it held is gone; scripts reach it anew, and nothing of ours needs a restart."""
    with own_redis(tmp_path) as server:
        store = RedisStore(server.url, "", PLACE)
        await store.set(b"key", b"value", 60)
        await store.take(b"flight", b"before", 60)
        await store.open_room(b"room", b"meta", 60)
        server.send(signal.SIGKILL)
        with pytest.raises(StoreUnavailable):
            await store.ping()
        server.start()
        await until_it_answers(store)

        assert await store.get(b"key") is None
        assert Taken(holder=b"after") == await store.take(b"flight", b"after", 60)
        assert await store.read_room(b"room") is None
        assert RoomRecord(b"new") == await store.open_room(b"room", b"new", 60)
        await store.aclose()


async def test_a_watch_survives_a_restart(tmp_path: Path) -> None:
    """It is told that messages may have been lost, and hears those that are sent afterwards."""
    with own_redis(tmp_path) as server:
        store = RedisStore(server.url, "", PLACE)
        async with store.watch(b"key") as watch:
            server.send(signal.SIGKILL)
            lost = await watch.next(30)
            server.start()
            await until_it_answers(store)
            heard = [await watch.next(0.1)]
            while b"message" not in heard:
                await store.publish(b"key", b"message")
                heard.append(await watch.next(0.1))
        await store.aclose()

    assert b"" == lost
    assert {b"", b"message", None} >= set(heard)


async def test_a_full_server_refuses_writes_and_is_not_taken_for_gone(tmp_path: Path) -> None:
    """Reads go on, of rooms too, and no write is done by half."""
    with own_redis(tmp_path) as server:
        store = RedisStore(server.url, "", PLACE)
        await store.set(b"key", b"value", 60)
        await store.open_room(b"room", b"meta", 60)
        await store.take(b"room/turn", b"token", 60)
        server.fill()
        for write in (
            store.set(b"key", b"other", 60),
            store.take(b"flight", b"token", 60),
            store.open_room(b"other", b"meta", 60),
            store.append(b"room", b"token", 0, b"turn", Keep(60, 10)),
        ):
            with pytest.raises(StoreUnavailable, match="refused"):
                await write

        assert store.is_up
        assert b"value" == await store.get(b"key")
        assert RoomRecord(b"meta") == await store.read_room(b"room")
        await store.aclose()


async def test_a_right_that_is_missing_is_a_refusal(tmp_path: Path) -> None:
    """The server is there, and what is permitted goes on."""
    with own_redis(tmp_path) as server:
        server.say("acl", "setuser", "default", "-psetex")
        store = RedisStore(server.url, "", PLACE)
        with pytest.raises(StoreUnavailable, match="refused"):
            await store.set(b"key", b"value", 60)

        assert store.is_up
        assert await store.get(b"key") is None
        await store.aclose()


async def test_what_speaks_no_redis_counts_as_gone() -> None:
    """Whatever it answers."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as impostor:
        store = RedisStore(f"redis://127.0.0.1:{impostor.sockets[0].getsockname()[1]}", "", PLACE)
        with pytest.raises(StoreUnavailable):
            await store.ping()

        assert not store.is_up
        await store.aclose()


async def test_a_wrong_password_is_said_without_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The log names the kind of fault and no address."""
    port = free_port()
    with own_redis(tmp_path, "--port", str(port), "--requirepass", "right", port=port) as server:
        store = RedisStore(server.url.replace("//", "//:hush@"))
        with pytest.raises(StoreUnavailable) as caught:
            await store.ping()
        await store.aclose()

    assert "AuthenticationError" == vars(caplog.records[0])["fault"]
    assert "hush" not in caplog.text + repr(vars(caplog.records[0])) + str(caught.value)


async def test_tls_is_verified_by_the_given_authority(tmp_path: Path) -> None:
    """With its authority a rediss:// server is used; with another one, or the system's, it is not reached."""
    with own_tls_redis(tmp_path) as server:
        trusting = RedisStore(server.url, server.ca_pem)
        await until_it_answers(trusting)
        for pem in (server.other_ca_pem, ""):
            distrusting = RedisStore(server.url, pem, PLACE)
            with pytest.raises(StoreUnavailable):
                await distrusting.ping()
            assert not distrusting.is_up
            await distrusting.aclose()

        await trusting.aclose()


async def test_closing_ends_the_probe() -> None:
    """Nothing goes on asking a server that nobody uses."""
    store = RedisStore(f"redis://127.0.0.1:{free_port()}")
    with pytest.raises(StoreUnavailable):
        await store.ping()
    await store.aclose()

    await asyncio.sleep(0)
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def test_what_runs_on_a_replaced_store_ends_there(redis_url: str) -> None:
    """A new snapshot breaks no operation; the store before takes no more of them."""
    stores = Stores(count_fault=print)
    await stores.use(StoreSection(url=redis_url, version="1"))
    former = stores.shared
    assert former
    running = asyncio.create_task(former.set(b"key", b"value", 60))
    await asyncio.sleep(0)
    await stores.use(StoreSection(url=redis_url.replace("127.0.0.1", "localhost"), version="2"))
    await running

    assert stores.shared
    assert b"value" == await stores.shared.get(b"key")
    with pytest.raises(StoreUnavailable):
        await former.get(b"key")
    await stores.aclose()
