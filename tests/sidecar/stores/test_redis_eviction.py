"""What a store tells of itself: whether it answers, and whether it may throw chat rooms away."""

import asyncio
import base64
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from parley_crds.stream import StoreSection
from parley_sidecar.metrics import Metrics
from parley_sidecar.stores import Stores
from parley_sidecar.stores.protocol import Place, StoreFact
from parley_sidecar.stores.redis_clients import open_client
from parley_sidecar.stores.redis_eviction import may_evict_rooms
from tests.conftest import free_port
from tests.sidecar.own_redis import OwnRedis, own_redis
from tests.sidecar.redis_servers import own_cluster

KEY = base64.b64encode(bytes(32)).decode()
WARNING = "shared store may evict chat rooms"


class Told:
    """What was told, the newest last."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.facts: list[tuple[StoreFact, float]] = []

    def __call__(self, fact: StoreFact, value: float) -> None:
        """Remember."""
        self.facts.append((fact, value))

    async def until(self, fact: StoreFact, value: float, times: int = 1) -> None:
        """Poll until something was told so many times."""
        async with asyncio.timeout(30):
            while self.facts.count((fact, value)) < times:
                await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRedis]:
    """A server of this module alone."""
    with own_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@asynccontextmanager
async def told_by(url: str, key: str = KEY) -> AsyncIterator[Told]:
    """Use a store meanwhile."""
    told = Told()
    stores = Stores(count_fault=print, place=Place("shop", 5, told))
    await stores.use(StoreSection(url=url, context_key=key, version="1"))
    try:
        yield told
    finally:
        await stores.aclose()


@pytest.mark.parametrize(
    ("policy", "may_evict"),
    [("noeviction", 0), ("volatile-ttl", 0), ("allkeys-lru", 1), ("volatile-lru", 1), ("volatile-random", 1)],
)
async def test_a_policy_that_may_evict_rooms_is_told(
    running: OwnRedis, caplog: pytest.LogCaptureFixture, policy: str, may_evict: float
) -> None:
    """Once at each connect, in the log and to the metrics."""
    running.say("config", "set", "maxmemory-policy", policy)
    async with told_by(running.url) as told:
        await told.until("may_evict_rooms", may_evict)
    warnings = [vars(record)["policy"] for record in caplog.records if record.message == WARNING]

    assert [("up", 1), ("may_evict_rooms", may_evict), ("up", 0)] == told.facts
    assert [policy] * int(may_evict) == warnings


async def test_a_store_that_keeps_no_rooms_is_not_asked(running: OwnRedis, caplog: pytest.LogCaptureFixture) -> None:
    """Without a key there are none; a cache may be evicted."""
    running.say("config", "set", "maxmemory-policy", "allkeys-lru")
    async with told_by(running.url, "") as told:
        await told.until("up", 1)

    assert [("up", 1), ("up", 0)] == told.facts
    assert WARNING not in caplog.messages


async def test_a_server_that_does_not_tell_leaves_it_unknown(running: OwnRedis) -> None:
    """A user need not have the right to ask."""
    running.say("acl", "setuser", "guest", "on", ">secret", "~*", "&*", "+@all", "-info")
    clients = open_client(running.url.replace("//", "//guest:secret@"), "", 5)
    may_evict = await may_evict_rooms(clients, 5)
    await clients.aclose()

    assert may_evict is None


async def test_one_node_of_a_cluster_is_enough(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A room may lie on it."""
    with own_cluster(tmp_path) as cluster:
        cluster.nodes[1].say("config", "set", "maxmemory-policy", "volatile-lfu")
        async with told_by(cluster.url) as told:
            await told.until("may_evict_rooms", 1)

    assert WARNING in caplog.messages


async def test_it_is_told_when_a_server_goes_and_comes_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It may be another one then, so it is asked for its policy again."""
    port = free_port()
    flags = ("--port", str(port), "--maxmemory-policy", "allkeys-lru")
    with own_redis(tmp_path, *flags, port=port) as server:
        async with told_by(server.url) as told:
            await told.until("may_evict_rooms", 1)
            server.send(signal.SIGKILL)
            async with asyncio.timeout(30), told_by(server.url) as another:
                await another.until("up", 0)
                server.start()
                await another.until("may_evict_rooms", 1)

    assert [("up", 0), ("up", 1), ("may_evict_rooms", 1), ("up", 0)] == another.facts[-4:]
    assert 2 == caplog.messages.count(WARNING)


async def test_the_metrics_show_what_was_told() -> None:
    """Nothing before there is a store."""
    metrics = Metrics("app", "default")
    before = [dict(family.children) for family in (metrics.store_up, metrics.store_may_evict_rooms)]
    metrics.show_store("up", 1)
    metrics.show_store("may_evict_rooms", 0)

    assert [{}, {}] == before
    assert (1, 0) == (metrics.store_up.child().value, metrics.store_may_evict_rooms.child().value)
