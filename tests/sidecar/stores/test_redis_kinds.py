"""The store over every kind of Redis that a user may have: what the layers rely on holds on each.

What each operation does in detail is in test_conformance.py.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from parley_sidecar.errors import StoreUnavailable
from parley_sidecar.stores.protocol import Keep, Numbered, Place, Taken
from parley_sidecar.stores.redis import RedisStore
from tests.sidecar.own_redis import OwnRedis, own_redis
from tests.sidecar.redis_servers import (
    PASSWORD,
    STEADY_MS,
    own_cluster,
    own_tls_cluster,
    own_tls_redis,
    own_valkey,
    rights,
    watched_redis,
    watched_tls_redis,
)

PLACE = Place(namespace="shop", limit_s=5)


@dataclass(frozen=True, slots=True)
class Known:
    """What a user knows of a Redis, and the servers it consists of."""

    url: str
    servers: Sequence[OwnRedis] = ()
    ca_pem: str = ""


@contextmanager
def server(directory: Path) -> Iterator[Known]:
    """One redis-server."""
    with own_redis(directory) as running:
        yield Known(running.url, [running])


@contextmanager
def valkey(directory: Path) -> Iterator[Known]:
    """One valkey-server."""
    with own_valkey(directory) as running:
        yield Known(running.url, [running])


@contextmanager
def tls(directory: Path) -> Iterator[Known]:
    """One that speaks TLS."""
    with own_tls_redis(directory) as running:
        yield Known(running.url, ca_pem=running.ca_pem)


@contextmanager
def tls_cluster(directory: Path) -> Iterator[Known]:
    """Three nodes that speak TLS."""
    with own_tls_cluster(directory) as running:
        yield Known(running.url, ca_pem=running.ca_pem)


@contextmanager
def tls_sentinel(directory: Path) -> Iterator[Known]:
    """A Sentinel and a master that speak TLS."""
    with watched_tls_redis(directory) as running:
        yield Known(running.url, ca_pem=running.ca_pem)


@contextmanager
def user(directory: Path) -> Iterator[Known]:
    """One where we are a user with the rights that the docs give."""
    with own_redis(directory) as running:
        running.say("acl", "setuser", *rights("shop"))
        yield Known(running.url.replace("//", f"//parley-shop:{quote(PASSWORD, safe='')}@"))


@contextmanager
def cluster(directory: Path) -> Iterator[Known]:
    """Three nodes, where we are such a user."""
    with own_cluster(directory) as running:
        for node in running.nodes:
            node.say("acl", "setuser", *rights("shop"), "+cluster|slots")
        yield Known(running.url.replace("//", f"//parley-shop:{quote(PASSWORD, safe='')}@"), running.nodes)


@contextmanager
def sentinel(directory: Path) -> Iterator[Known]:
    """A master and its replica; of the Sentinels in the URL one is gone."""
    with watched_redis(directory, STEADY_MS) as running:
        yield Known(running.url, [running.master])


KINDS: list[Callable[[Path], AbstractContextManager[Known]]] = [
    server,
    valkey,
    tls,
    user,
    cluster,
    sentinel,
    tls_cluster,
    tls_sentinel,
]


@pytest.fixture(scope="module", params=KINDS, ids=[kind.__name__ for kind in KINDS])
def known(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Known]:
    """Each kind in turn, started once."""
    with request.param(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
async def store(known: Known) -> AsyncIterator[RedisStore]:
    """A store of its own for each test."""
    made = RedisStore(known.url, known.ca_pem, PLACE)
    yield made
    await made.aclose()


async def test_values_lie_on_whatever_node(store: RedisStore) -> None:
    """Many at once; in a cluster they are spread over all nodes."""
    keys = [b"value-%d" % number for number in range(100)]
    await asyncio.gather(*(store.set(key, key, 60) for key in keys))

    assert keys == await asyncio.gather(*(store.get(key) for key in keys))


async def test_a_flight_is_taken_once_and_tells_those_who_wait(store: RedisStore) -> None:
    """The lease, its end and the message about it."""
    first = await store.take(b"flight", b"leader", 60)
    async with store.watch(b"flight") as watch:
        second = await store.take(b"flight", b"follower", 60)
        finished = await store.finish(b"flight", b"leader", b"answer")
        told = await watch.next(5)

    assert (Taken(holder=b"leader"), Taken(holder=b"leader")) == (first, second)
    assert (True, True) == (finished, told is not None)
    assert Taken(value=b"answer") == await store.take(b"flight", b"follower", 60, awaited=b"leader")


async def test_what_is_published_reaches_every_process(known: Known, store: RedisStore) -> None:
    """In a cluster, whichever nodes the two are connected to."""
    other = RedisStore(known.url, known.ca_pem, PLACE)
    async with store.watch(b"told") as here, other.watch(b"told") as there:
        await store.publish(b"told", b"message")
        received = [await here.next(5), await there.next(5)]
    await other.aclose()

    assert [b"message"] * 2 == received


async def test_a_room_is_kept_and_erased_with_all_that_is_derived_from_it(store: RedisStore) -> None:
    """Its turns, its vault, and the values under names of its tag."""
    opened = await store.open_room(b"room", b"meta", 60)
    await store.take(b"room/turn", b"token", 60)
    appended = await store.append(b"room", b"token", opened.revision, b"turn", Keep(60, 10))
    numbered = await store.number(b"room", [Numbered(b"name", b"PERSON", b"sealed")], 60)
    await store.set(b"room/answer", b"derived", 60)
    kept = await store.read_room(b"room")
    erased = await store.erase(b"room")

    assert (True, [b"1:sealed"], True) == (appended, numbered, erased)
    assert kept
    assert (1, (b"turn",), {b"name": b"1:sealed"}) == (kept.revision, kept.turns, kept.values)
    assert (None, None) == (await store.read_room(b"room"), await store.get(b"room/answer"))


@pytest.mark.parametrize("known", [server, cluster, sentinel], indirect=True)
async def test_connections_that_were_idle_for_too_long_are_made_anew(known: Known, store: RedisStore) -> None:
    """A server, or what stands before it, closes them; no operation fails for that."""
    keys = [b"idle-%d" % number for number in range(100)]
    await asyncio.gather(*(store.set(key, b"value", 60) for key in keys))
    for each in known.servers:
        each.say("client", "kill", "type", "normal")
    await asyncio.sleep(0)
    values = await asyncio.gather(*(store.get(key) for key in keys))

    assert {b"value"} == set(values)
    assert store.is_up


@pytest.mark.parametrize("known", [user, cluster], indirect=True)
async def test_a_user_of_one_namespace_reaches_no_other(known: Known) -> None:
    """Neither its values nor its rooms, and it can put nothing there."""
    bank = RedisStore(known.url, known.ca_pem, Place(namespace="bank", limit_s=5))
    for operation in (
        bank.get(b"key"),
        bank.set(b"key", b"value", 60),
        bank.read_room(b"room"),
        bank.open_room(b"room", b"meta", 60),
        bank.publish(b"key", b"message"),
    ):
        with pytest.raises(StoreUnavailable, match="refused"):
            await operation

    assert bank.is_up
    await bank.aclose()


@pytest.mark.parametrize("known", [user], indirect=True)
async def test_a_user_of_one_namespace_hears_no_other(known: Known) -> None:
    """Nor may it look for keys, or change the server."""
    client: Any = Redis.from_url(known.url)  # redis-py does not type execute_command
    for words in ("SUBSCRIBE parley:bank:c:{key}", "SCAN 0", "FLUSHALL", "CONFIG GET *", "ACL LIST"):
        with pytest.raises(NoPermissionError):
            await client.execute_command(*words.split())

    await client.aclose()
