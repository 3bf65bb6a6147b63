"""The one connection that brings messages: made when it is needed, made anew when it is lost, given up at the end."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from parley_sidecar.errors import StoreUnavailable
from parley_sidecar.stores.mailbox import LOST, Mailbox
from parley_sidecar.stores.protocol import Place
from parley_sidecar.stores.redis import RedisStore
from parley_sidecar.stores.redis_clients import open_client
from parley_sidecar.stores.redis_watches import Watches
from tests.conftest import free_port
from tests.sidecar.own_redis import OwnRedis, own_redis

PLACE = Place("shop", limit_s=5)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRedis]:
    """A server of this module alone."""
    with own_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
async def store(running: OwnRedis) -> AsyncIterator[RedisStore]:
    """A store there."""
    made = RedisStore(running.url, place=PLACE)
    yield made
    await made.aclose()


def subscribers(server: OwnRedis) -> list[str]:
    """Return the lines of the connections that watch."""
    return server.say("client", "list", "type", "pubsub").splitlines()


async def until(server: OwnRedis, count: int, words: str = "") -> None:
    """Poll until so many connections watch, each with some words in its line."""
    async with asyncio.timeout(30):
        while [words in line for line in subscribers(server)] != [True] * count:
            await asyncio.sleep(0.02)


async def heard(watch: Mailbox, store: RedisStore, message: bytes) -> None:
    """Publish until it is heard."""
    async with asyncio.timeout(30):
        while await watch.next(0.05) != message:
            try:
                await store.publish(b"key", message)
            except StoreUnavailable:
                await asyncio.sleep(0.05)


async def test_all_watches_share_one_connection(running: OwnRedis, store: RedisStore) -> None:
    """It stays when nobody watches, without a subscription, and is closed with the store."""
    before = subscribers(running)
    async with store.watch(b"a"), store.watch(b"b"), store.watch(b"b"):
        await until(running, 1, " sub=2 ")
    await until(running, 0)
    ids = running.say("client", "list").count("cmd=unsubscribe")
    async with store.watch(b"c"):
        await until(running, 1, " sub=1 ")
    await store.aclose()
    await until(running, 0)

    assert not before
    assert ids == 1
    assert "cmd=unsubscribe" not in running.say("client", "list")


async def test_who_watches_looks_again_when_the_connection_is_lost(running: OwnRedis, store: RedisStore) -> None:
    """At the loss, and when it is made anew: what was said between the two nobody heard."""
    async with store.watch(b"key") as watch, store.watch(b"other") as other:
        running.say("client", "kill", "type", "pubsub")
        lost = [await watch.next(5), await watch.next(5), await other.next(5), await other.next(5)]
        await until(running, 1, " sub=2 ")
        await store.publish(b"key", b"message")

        assert [LOST] * 4 == lost
        assert b"message" == await watch.next(5)
    assert store.is_up


async def test_a_connection_that_nobody_needs_is_not_made_anew(running: OwnRedis, store: RedisStore) -> None:
    """The next watch makes one."""
    async with store.watch(b"key"):
        pass
    running.say("client", "kill", "type", "pubsub")
    while store._watches._task and not store._watches._task.done():
        await asyncio.sleep(0.01)
    async with store.watch(b"key") as watch:
        await heard(watch, store, b"message")


async def test_a_watch_that_gives_up_before_it_is_confirmed_leaves_nothing(
    running: OwnRedis, store: RedisStore
) -> None:
    """Neither a subscription nor confusion for the next one."""

    async def enter() -> None:
        async with store.watch(b"key"):
            pass

    for turns in range(12):
        task = asyncio.create_task(enter())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    async with store.watch(b"key") as watch:
        await store.publish(b"key", b"message")

        assert b"message" == await watch.next(5)
    await until(running, 0)
    assert not store._watches._channels


async def test_watches_outlive_a_restart_of_the_server(tmp_path: Path) -> None:
    """Without it a watch is refused at once; with it the old ones hear again."""
    with own_redis(tmp_path) as server:
        store = RedisStore(server.url, place=PLACE)
        async with store.watch(b"key") as watch:
            server.send(signal.SIGKILL)
            lost = await watch.next(5)
            with pytest.raises(StoreUnavailable):
                async with store.watch(b"key"):
                    pass
            server.start()
            await heard(watch, store, b"message")
            await until(server, 1, " sub=1 ")
        await store.aclose()

    assert lost == LOST


async def test_a_watch_without_a_server_is_refused() -> None:
    """It says so instead of waiting for what never comes."""
    store = RedisStore(f"redis://127.0.0.1:{free_port()}", place=PLACE)
    with pytest.raises(StoreUnavailable, match="unavailable"):
        async with store.watch(b"key"):
            pass

    assert not store.is_up
    await store.aclose()


async def test_a_user_who_may_not_subscribe_is_refused(running: OwnRedis) -> None:
    """The server is there: the way to it stays open."""
    running.say("acl", "setuser", "deaf", "on", ">secret", "~*", "resetchannels", "+@all")
    store = RedisStore(running.url.replace("//", "//deaf:secret@"), place=PLACE)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="refused"):
            async with store.watch(b"key"):
                pass

    assert store.is_up
    await store.aclose()


async def test_a_connection_is_asked_whether_it_still_is_one(running: OwnRedis) -> None:
    """A silent one that answers stays, whether it has subscriptions or none; a frozen one is given up."""
    clients = open_client(running.url, "", 0.5)
    watches = Watches(clients.subscriber, limit_s=0.5, quiet_s=0.02)
    box = Mailbox()
    watches.enter(b"channel", box)
    await watches.confirmed(5, b"channel")
    await until(running, 1, "cmd=ping")
    quiet = await box.next(0.1)
    running.send(signal.SIGSTOP)
    lost = await box.next(30)
    running.send(signal.SIGCONT)
    again = await box.next(30)
    watches.leave(b"channel", box)
    await until(running, 0)
    await watches.aclose()
    await clients.aclose()

    assert (None, LOST, LOST) == (quiet, lost, again)


async def test_the_connection_is_made_anew_with_growing_pauses(running: OwnRedis) -> None:
    """One that cannot be made is tried again, and by a new watch at once."""
    clients = open_client(running.url, "", 5)
    tried = 0

    def subscriber() -> PubSub:
        nonlocal tried
        tried += 1
        if tried in {2, 3}:
            raise RedisError("no node is known")
        return clients.subscriber()

    watches = Watches(subscriber, limit_s=5)
    box, other = Mailbox(), Mailbox()
    watches.enter(b"channel", box)
    await watches.confirmed(5, b"channel")
    watches.renew()
    lost = await box.next(5)
    while tried < 2:
        await asyncio.sleep(0.01)
    watches.enter(b"other", other)
    with pytest.raises(RedisError, match="no node"):
        await watches.confirmed(5, b"other")
    watches.leave(b"other", other)
    again = await box.next(30)
    await watches.aclose()
    await clients.aclose()

    assert (LOST, LOST, 4) == (lost, again, tried)
