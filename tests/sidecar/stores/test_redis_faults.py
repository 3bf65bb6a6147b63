"""Redis that is gone, comes back, does not answer, refuses, or is replaced while it is used."""

import asyncio
import logging
import signal
from pathlib import Path

import pytest

from e2e.cluster.certificates import Authority
from parley_crds.stream import StoreSection
from parley_sidecar.errors import StoreUnavailable
from parley_sidecar.stores import Stores
from parley_sidecar.stores.redis import RedisStore
from tests.conftest import free_port
from tests.sidecar.own_redis import own_redis


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


async def test_a_server_that_refuses_is_not_taken_for_gone(tmp_path: Path) -> None:
    """A full one takes no writes and goes on answering reads."""
    with own_redis(tmp_path) as server:
        store = RedisStore(server.url)
        await until_it_answers(store)
        await store.set(b"key", b"value", 60)
        server.say("config", "set", "maxmemory", "1")
        with pytest.raises(StoreUnavailable, match="refused"):
            await store.set(b"key", b"other", 60)

        assert store.is_up
        assert b"value" == await store.get(b"key")
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
    """With its authority a rediss:// server is used; with another one it is not reached."""
    for name in ("ours", "other"):
        Authority(tmp_path / name).create()
    ours = tmp_path / "ours"
    Authority(ours).issue("redis", "/CN=redis", ["127.0.0.1"])
    port = free_port()
    certificates = ("--tls-cert-file", f"{ours}/redis.crt", "--tls-key-file", f"{ours}/redis.key")
    listening = ("--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no", "--tls-ca-cert-file")
    with own_redis(tmp_path, *certificates, *listening, f"{ours}/ca.crt", port=port):
        trusting = RedisStore(f"rediss://127.0.0.1:{port}", (ours / "ca.crt").read_text())
        await until_it_answers(trusting)
        distrusting = RedisStore(f"rediss://127.0.0.1:{port}", (tmp_path / "other/ca.crt").read_text())
        with pytest.raises(StoreUnavailable):
            await distrusting.ping()

        await trusting.aclose()
        await distrusting.aclose()


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
    await stores.use(StoreSection(url=redis_url, version="2"))
    await running

    assert stores.shared
    assert b"value" == await stores.shared.get(b"key")
    with pytest.raises(StoreUnavailable):
        await former.get(b"key")
    await stores.aclose()
