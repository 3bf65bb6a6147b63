"""Where things lie in Redis: under which key, for how long, and what is left in the end. docs/store.md says it."""

import itertools
import uuid
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from parley_sidecar.errors import StoreUnavailable
from parley_sidecar.stores.protocol import RESULT_S, Keep, Numbered, Place
from parley_sidecar.stores.redis import RedisStore


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[RedisStore]:
    """A store in a namespace."""
    made = RedisStore(redis_url, place=Place("shop", limit_s=5))
    yield made
    await made.aclose()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator["Redis"]:
    """A client that sees all of it."""
    client = Redis.from_url(redis_url)
    yield client
    await client.aclose()


async def fill(store: RedisStore) -> None:
    """Keep one of everything, for a minute each."""
    for key in (b"key", b"tag/key"):
        await store.set(key, b"value", 60)
        await store.agree(key + b"-agreed", b"value", 60)
        await store.take(key + b"-held", b"token", 60)
        await store.take(key + b"-told", b"token", 60)
        await store.finish(key + b"-told", b"token", b"result")
        await store.take(key + b"-kept", b"token", 60)
        await store.finish(key + b"-kept", b"token", b"result", 60)
    await store.open_room(b"tag", b"meta", 60)
    await store.take(b"tag/turn", b"token", 60)
    await store.append(b"tag", b"token", 0, b"turn", Keep(60, 10))
    await store.number(b"tag", [Numbered(b"name", b"EMAIL", b"sealed")], 60)


async def test_every_key_names_its_namespace_and_ends(store: RedisStore, redis: "Redis") -> None:
    """A user of Redis can be limited to a namespace, and nothing is left for ever."""
    await fill(store)
    lifetimes = {key: await redis.pttl(key) for key in await redis.keys()}
    short = {key for key, left_ms in lifetimes.items() if left_ms <= RESULT_S * 1000}

    expected = {
        b"parley:shop:v:{key}", b"parley:shop:v:{key-agreed}", b"parley:shop:v:{key-kept}",
        b"parley:shop:l:{key-held}", b"parley:shop:r:{key-told}#token",
        b"parley:shop:v:{tag}/key", b"parley:shop:v:{tag}/key-agreed", b"parley:shop:v:{tag}/key-kept",
        b"parley:shop:l:{tag}/key-held", b"parley:shop:r:{tag}/key-told#token",
        b"parley:shop:l:{tag}/turn", b"parley:shop:m:{tag}", b"parley:shop:i:{tag}",
    }  # fmt: skip
    assert expected == set(lifetimes)
    assert all(0 < left_ms <= 60_000 for left_ms in lifetimes.values())
    assert {b"parley:shop:r:{key-told}#token", b"parley:shop:r:{tag}/key-told#token"} == short


async def test_erasing_leaves_no_key_of_the_tag(store: RedisStore, redis: "Redis") -> None:
    """Not even the list of them."""
    await fill(store)
    await store.erase(b"tag")

    assert not [key for key in await redis.keys() if b"{tag}" in key]
    assert await redis.exists("parley:shop:v:{key}")


async def test_namespaces_share_nothing(store: RedisStore, redis_url: str) -> None:
    """Neither values, leases and rooms nor messages."""
    other = RedisStore(redis_url, place=Place("other", limit_s=5))
    await fill(store)
    async with other.watch(b"key") as watch:
        await store.publish(b"key", b"message")
        heard = await watch.next(0.05)

    assert heard is None
    assert await other.get(b"key") is None
    assert b"mine" == (await other.take(b"tag/turn", b"mine", 60)).holder
    assert await other.read_room(b"tag") is None
    assert not await other.erase(b"tag")
    assert await store.get(b"tag/key")
    await other.aclose()


async def test_the_list_of_names_forgets_what_has_ended(store: RedisStore, redis: "Redis") -> None:
    """A room that is used for months does not collect them."""
    for number in range(20):
        await store.set(b"tag/%d" % number, b"value", 0.001)
    for number in itertools.count():
        await store.set(b"tag/last-%d" % number, b"value", 60)
        if await redis.zcard("parley:shop:i:{tag}") == number + 1:
            break

    assert not await redis.zrange(
        "parley:shop:i:{tag}", b"[parley:shop:v:{tag}/0", b"[parley:shop:v:{tag}/9", bylex=True
    )


async def test_a_server_that_forgot_the_scripts_is_told_them_again(store: RedisStore, redis: "Redis") -> None:
    """After a restart, or on a new master, nobody notices."""
    await fill(store)
    await redis.script_flush()
    await store.erase(b"tag")
    await redis.script_flush()
    await fill(store)

    assert b"value" == await store.get(b"tag/key")


async def test_a_full_server_refuses_rooms_and_leases_whole(store: RedisStore, redis: "Redis") -> None:
    """No operation is done by half; what is there can be read, renewed, finished and erased."""
    await fill(store)
    await redis.config_set("maxmemory", 1)
    try:
        new = [Numbered(b"new", b"EMAIL", b"sealed")]
        for refused in (
            store.append(b"tag", b"token", 1, b"turn", Keep(60, 10)),
            store.number(b"tag", new, 60),
            store.open_room(b"other", b"meta", 60),
            store.take(b"tag/free", b"token", 60),
            store.set(b"tag/key", b"new", 60),
            store.agree(b"tag/new", b"new", 60),
        ):
            with pytest.raises(StoreUnavailable, match="refused"):
                await refused
        room = await store.open_room(b"tag", b"meta", 60)
        renewed = await store.renew(b"tag/key-held", b"token", 60)
        finished = await store.finish(b"tag/key-held", b"token", b"result", 60)
    finally:
        await redis.config_set("maxmemory", 0)

    assert store.is_up
    assert (1, (b"turn",), {b"name"}) == (room.revision, room.turns, set(room.values))
    assert (True, True, b"value") == (renewed, finished, await store.get(b"tag/key"))
    assert b"result" == await store.get(b"tag/key-held")
    assert await store.erase(b"tag")


async def test_a_drawn_in_limit_is_kept(redis_url: str) -> None:
    """What a request has left may be next to nothing; that the server did not answer in it says nothing about it."""
    store = RedisStore(redis_url, place=Place(uuid.uuid4().hex, limit_s=5))
    for late in (store.get(b"key", limit_s=0), store.take(b"key", b"token", 60, limit_s=0)):
        with pytest.raises(StoreUnavailable):
            await late

    assert store.is_up
    assert await store.get(b"key", limit_s=60) is None
    await store.aclose()
