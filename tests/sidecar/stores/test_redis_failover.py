"""Redis of several servers that loses one of them, or moves what it holds, while it is used."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from parley_sidecar.errors import StoreUnavailable
from parley_sidecar.stores.protocol import Place
from parley_sidecar.stores.redis import RedisStore
from parley_sidecar.stores.redis_keys import Keys
from tests.conftest import free_port, until
from tests.sidecar.own_redis import OwnRedis, own_redis
from tests.sidecar.redis_servers import MASTER, OwnCluster, meet, own_cluster, own_node, watched_redis

PLACE = Place(namespace="shop", limit_s=1)
"""Short of the time in which a lost node is replaced, long enough for a slow machine."""
PATIENCE_S = 60
KEYS = [b"key-%d" % number for number in range(30)]


async def until_set(store: RedisStore, key: bytes) -> None:
    """Poll until a value can be kept under a key."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await store.set(key, b"value", 60)
            except StoreUnavailable:
                await asyncio.sleep(0.05)


def holders(cluster: OwnCluster) -> dict[bytes, OwnRedis]:
    """Return which node holds the value of each of our keys."""
    keys = Keys(PLACE.namespace)
    return {key: cluster.holder(keys.value(key)) for key in KEYS}


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
async def test_the_new_master_is_used_after_a_failover(tmp_path: Path, fault: signal.Signals) -> None:
    """Sentinel replaces a dead or frozen one; values, scripts and watches go on there, without a restart of ours."""
    with watched_redis(tmp_path) as servers:
        store = RedisStore(servers.url, "", PLACE)
        await until_set(store, b"key")
        async with store.watch(b"told") as watch:
            servers.master.send(fault)
            with pytest.raises(StoreUnavailable):
                await store.set(b"key", b"value", 60)
            await until_set(store, b"key")
            taken = await store.take(b"flight", b"token", 60)
            while await watch.next(0.1) != b"message":
                await store.publish(b"told", b"message")
        await store.aclose()

        assert b"token" == taken.holder
        assert "role:master" in servers.replica.say("info", "replication")


async def test_a_master_that_became_a_replica_is_left(tmp_path: Path) -> None:
    """A failover on purpose: the former master is there, keeps our connections, and refuses what we write."""
    with watched_redis(tmp_path) as servers:
        store = RedisStore(servers.url, "", PLACE)
        await until_set(store, b"before")
        until("a failover", lambda: "OK" in servers.sentinel.said("sentinel", "failover", MASTER))
        until("the failover", lambda: "role:master" in servers.replica.said("info", "replication"))
        servers.master.say("replicaof", "127.0.0.1", str(servers.replica.port))
        await until_set(store, b"after")
        await store.aclose()

        assert servers.replica.said("exists", "parley:shop:v:{after}").startswith("1")


async def test_sentinels_that_are_all_gone_stop_nobody_who_is_connected(tmp_path: Path) -> None:
    """They are needed to find a master, not to use it."""
    with watched_redis(tmp_path) as servers:
        store = RedisStore(servers.url, "", PLACE)
        await until_set(store, b"key")
        servers.sentinel.send(signal.SIGKILL)
        await store.set(b"key", b"other", 60)
        late = RedisStore(servers.url, "", PLACE)
        with pytest.raises(StoreUnavailable):
            await late.get(b"key")

        assert b"other" == await store.get(b"key")
        await store.aclose()
        await late.aclose()


async def test_a_frozen_sentinel_is_passed_over(tmp_path: Path) -> None:
    """It costs its time once, and comes last from then on."""
    with watched_redis(tmp_path) as servers, watched_redis(tmp_path / "other") as others:
        others.sentinel.send(signal.SIGSTOP)
        url = f"redis+sentinel://127.0.0.1:{others.sentinel.port},127.0.0.1:{servers.sentinel.port}/{MASTER}"
        store = RedisStore(url, "", PLACE)
        await until_set(store, b"key")

        assert b"value" == await store.get(b"key")
        await store.aclose()


@asynccontextmanager
async def moving_name(first: int) -> AsyncIterator[list[int]]:
    """Stand for a server by its port meanwhile, and for the last one in the list; yields that, our own port first."""
    ports = [first]
    connections = []

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while read := await reader.read(4096):
            writer.write(read)
        writer.close()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        away = await asyncio.open_connection("127.0.0.1", ports[-1])
        connections.append(asyncio.gather(copy(reader, away[1]), copy(away[0], writer)))
        await connections[-1]

    async with await asyncio.start_server(forward, "127.0.0.1", 0) as server:
        ports.insert(0, server.sockets[0].getsockname()[1])
        yield ports
        await asyncio.gather(*connections)  # what is connected through it is closed by now


async def test_a_name_that_stands_for_another_server_is_followed(tmp_path: Path) -> None:
    """As in a managed service: the server behind it became a replica, refuses writes, and keeps our connections."""
    with own_redis(tmp_path) as first, own_redis(tmp_path) as second:
        async with moving_name(first.port) as ports:
            store = RedisStore(f"redis://127.0.0.1:{ports[0]}", "", PLACE)
            await until_set(store, b"before")
            first.say("replicaof", "127.0.0.1", str(second.port))
            ports.append(second.port)
            with pytest.raises(StoreUnavailable, match="refused"):
                await store.set(b"after", b"value", 60)
            await store.set(b"after", b"value", 60)
            await store.aclose()

        assert second.said("exists", "parley:shop:v:{after}").startswith("1")


@pytest.fixture(scope="module")
def tolerant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnCluster]:
    """A cluster whose nodes serve their slots while others are gone."""
    with own_cluster(tmp_path_factory.mktemp("cluster"), "--cluster-require-full-coverage", "no") as cluster:
        yield cluster


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
async def test_the_other_slots_go_on_while_a_node_is_gone(tolerant: OwnCluster, fault: signal.Signals) -> None:
    """Operations on its own slots fail, at once after the first, until it is back."""
    store = RedisStore(tolerant.url, "", PLACE)
    await asyncio.gather(*(until_set(store, key) for key in KEYS))
    held_by = holders(tolerant)
    lost = held_by[KEYS[0]]
    lost.send(fault)
    for _ in range(3):
        for key, node in held_by.items():
            if node is lost:
                with pytest.raises(StoreUnavailable):
                    await store.get(key)
            else:
                await until_set(store, key)
    answers = await asyncio.gather(*(store.get(key) for key, node in held_by.items() if node is not lost))
    was_up = store.is_up
    if fault is signal.SIGKILL:
        lost.start()
    else:
        lost.send(signal.SIGCONT)
    await asyncio.gather(*(until_set(store, key) for key in KEYS))
    await store.aclose()

    assert {b"value"} == set(answers)
    assert not was_up


async def test_a_replica_that_was_promoted_serves_the_slots(tmp_path: Path) -> None:
    """Whichever way the primary was lost, and while nobody asks for it again."""
    with own_cluster(tmp_path, replicas=1) as cluster:
        store = RedisStore(cluster.url, "", PLACE)
        await asyncio.gather(*(until_set(store, key) for key in KEYS))
        moved = [key for key, node in holders(cluster).items() if node is cluster.nodes[0]]
        cluster.nodes[0].send(signal.SIGKILL)
        with pytest.raises(StoreUnavailable):
            await store.set(moved[0], b"value", 60)
        await asyncio.gather(*(until_set(store, key) for key in moved))
        held_by = {cluster.holder(Keys(PLACE.namespace).value(key)).port for key in moved}
        await store.aclose()

    assert {cluster.nodes[-1].port} == held_by


@contextmanager
def moving(key: bytes, source: OwnRedis, target: OwnRedis) -> Iterator[None]:
    """Have a key's slot on its way meanwhile, and moved afterwards."""
    slot = source.say("cluster", "keyslot", key.decode()).strip()
    names = [node.say("cluster", "myid").strip() for node in (source, target)]
    target.say("cluster", "setslot", slot, "importing", names[0])
    source.say("cluster", "setslot", slot, "migrating", names[1])
    yield
    for node in (target, source):
        node.say("cluster", "setslot", slot, "node", names[1])


async def test_a_slot_is_followed_while_and_after_it_moves(tolerant: OwnCluster) -> None:
    """First with ASK, for what is not there any more, then with MOVED; however many connections there are."""
    store = RedisStore(tolerant.url, "", PLACE)
    at = Keys(PLACE.namespace).value(b"moving")
    source = tolerant.holder(at)
    there, target = next((key, node) for key, node in holders(tolerant).items() if node is not source)
    await until_set(store, there)
    with moving(at, source, target):
        for connections in range(1, 5):
            await asyncio.gather(*(store.get(there) for _ in range(connections)))
            await store.set(b"moving", b"value", 60)
        asked = await asyncio.gather(*(store.get(b"moving") for _ in range(20)))
    redirected = await asyncio.gather(*(store.get(b"moving") for _ in range(20)))
    await store.aclose()

    assert [b"value"] * 40 == asked + redirected
    assert target is tolerant.holder(at)


async def test_a_slot_that_moves_to_a_node_of_which_nobody_knew_is_followed(tmp_path: Path) -> None:
    """It has no slots yet, so it is not on the map; the redirection names it."""
    with own_cluster(tmp_path) as cluster, own_node(tmp_path) as newcomer:
        store = RedisStore(cluster.url, "", PLACE)
        await asyncio.gather(*(until_set(store, key) for key in KEYS))
        at = Keys(PLACE.namespace).value(b"moving")
        source = cluster.holder(at)
        meet(newcomer, source)
        until("met", lambda: str(newcomer.port) in source.said("cluster", "nodes"))
        until("joined", lambda: "cluster_state:ok" in newcomer.said("cluster", "info"))
        with moving(at, source, newcomer):
            await until_set(store, b"moving")
            value = await store.get(b"moving")
        await store.aclose()

        assert (b"value", "1") == (value, newcomer.said("exists", at.decode()).strip())


async def test_a_cluster_that_refuses_as_a_whole_costs_no_time(tmp_path: Path) -> None:
    """Without full coverage its nodes refuse by default, and it counts as gone, not as there and refusing."""
    with own_cluster(tmp_path) as cluster:
        store = RedisStore(cluster.url, "", PLACE)
        await asyncio.gather(*(until_set(store, key) for key in KEYS))
        held = next(key for key, node in holders(cluster).items() if node is cluster.nodes[0])
        cluster.nodes[2].send(signal.SIGKILL)
        until("the cluster", lambda: "cluster_state:fail" in cluster.nodes[0].said("cluster", "info"))
        with pytest.raises(StoreUnavailable):
            await store.get(held)
        was_up = store.is_up
        cluster.nodes[2].start()
        await asyncio.gather(*(until_set(store, key) for key in KEYS))
        await store.aclose()

        assert not was_up


async def test_no_node_of_a_cluster_answers() -> None:
    """As with one server that is not there."""
    store = RedisStore(f"redis+cluster://127.0.0.1:{free_port()},127.0.0.1:{free_port()}", "", PLACE)
    with pytest.raises(StoreUnavailable):
        await store.get(b"key")

    assert not store.is_up
    await store.aclose()
