"""What every store must do: one suite over the one in the process and the one in Redis."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from parley_crds.stream import StoreSection
from parley_sidecar.stores import Store, Stores, connect_redis
from parley_sidecar.stores.memory import MAX_BYTES, MAX_ENTRIES, MemoryStore


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """Each store in turn, empty."""
    if request.param == "memory":
        made: Store | None = MemoryStore()
    else:
        made = connect_redis(StoreSection(url=request.getfixturevalue("redis_url")))
    assert made
    yield made
    await made.aclose()


async def until_gone(store: Store, key: bytes) -> None:
    """Poll until a key is no longer there."""
    while await store.get(key):
        await asyncio.sleep(0.01)


async def test_what_was_set_is_got(store: Store) -> None:
    """Any bytes, for any bytes."""
    await store.set(b"\x00key\xff", b"\xffvalue\x00", 60)

    assert b"\xffvalue\x00" == await store.get(b"\x00key\xff")


async def test_what_was_not_set_is_none(store: Store) -> None:
    """A miss is no error."""
    assert await store.get(b"nothing") is None


async def test_a_value_is_replaced_with_its_lifetime(store: Store) -> None:
    """The last one written counts."""
    await store.set(b"key", b"old", 3600)
    await store.set(b"key", b"new", 0.05)
    await until_gone(store, b"key")

    assert await store.get(b"key") is None


async def test_a_value_is_gone_when_its_time_is_over(store: Store) -> None:
    """Each has a time of its own."""
    await store.set(b"short", b"value", 0.05)
    await store.set(b"long", b"value", 60)
    await until_gone(store, b"short")

    assert b"value" == await store.get(b"long")


async def test_many_operations_at_once_all_succeed(store: Store) -> None:
    """More than there are connections: they take turns, and none is a fault."""
    await store.set(b"key", b"value", 60)

    assert [b"value"] * 100 == await asyncio.gather(*(store.get(b"key") for _ in range(100)))


async def test_a_store_that_is_there_answers(store: Store) -> None:
    """A ping says nothing when all is well."""
    await store.ping()

    assert store.tier in {"memory", "redis"}


async def test_memory_keeps_the_most_used_entries_within_its_bounds() -> None:
    """Neither many small answers nor few large ones grow without end."""
    store = MemoryStore()
    for number in range(MAX_ENTRIES + 10):
        await store.set(b"%d" % number, b"v", 60)
        await store.get(b"0")

    assert await store.get(b"0")
    assert await store.get(b"1") is None

    for number in range(9):
        await store.set(b"large-%d" % number, b"v" * (MAX_BYTES // 8), 60)
    assert await store.get(b"0") is None
    assert await store.get(b"large-8")


async def test_a_snapshot_without_a_store_leaves_the_process_alone() -> None:
    """A laptop has one tier."""
    stores = Stores(count_fault=print)
    await stores.use(StoreSection())

    assert stores.shared is None
    await stores.aclose()


async def test_the_shared_store_follows_the_snapshots(redis_url: str) -> None:
    """The same section keeps the connection, another one replaces it, none takes it away."""
    stores = Stores(count_fault=print)
    await stores.use(StoreSection(url=redis_url, version="1"))
    first = stores.shared
    await stores.use(StoreSection(url=redis_url, version="1"))
    kept = stores.shared
    await stores.use(StoreSection(url=redis_url, version="2"))
    second = stores.shared
    await stores.use(StoreSection(version="3"))

    assert first
    assert first is kept
    assert second
    assert second is not first
    assert stores.shared is None


async def test_a_bad_url_is_refused_without_its_password(redis_url: str) -> None:
    """The store before stays in use."""
    stores = Stores(count_fault=print)
    await stores.use(StoreSection(url=redis_url, version="1"))
    with pytest.raises(ValueError, match="scheme") as caught:
        await stores.use(StoreSection(url="http://:password@redis", version="2"))

    assert "password" not in str(caught.value)
    assert stores.shared
    await stores.aclose()
