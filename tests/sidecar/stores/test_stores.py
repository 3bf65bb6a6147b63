"""Which stores a process has: what a snapshot names, and where rooms may be kept."""

import base64

import pytest

from parley_crds.stream import StoreSection
from parley_sidecar.errors import StoreUnavailable
from parley_sidecar.stores import Stores

KEY, FORMER = bytes(range(32)), bytes(32)


async def test_a_snapshot_without_a_store_leaves_the_process_alone() -> None:
    """A laptop has one tier."""
    stores = Stores(count_fault=print)
    await stores.use(StoreSection())

    assert stores.shared is None
    await stores.aclose()


async def test_the_shared_store_follows_the_snapshots(redis_url: str) -> None:
    """The same place keeps the connection, another one replaces it, none takes it away."""
    stores = Stores(count_fault=print)
    await stores.use(StoreSection(url=redis_url, version="1"))
    first = stores.shared
    await stores.use(StoreSection(url=redis_url, version="1"))
    await stores.use(StoreSection(url=redis_url, version="the same place in other words"))
    kept = stores.shared
    await stores.use(StoreSection(url=redis_url.removesuffix("0") + "1", version="2"))
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
    with pytest.raises(ValueError, match="Redis URL") as caught:
        await stores.use(StoreSection(url="http://:password@redis", version="2"))

    assert "password" not in str(caught.value)
    assert stores.shared
    await stores.aclose()


async def test_rooms_lie_in_the_shared_store_under_its_keys(redis_url: str) -> None:
    """The key for new ones comes first; they are in no repr."""
    stores = Stores(count_fault=print)
    keys = [base64.b64encode(key).decode() for key in (KEY, FORMER)]
    await stores.use(StoreSection(url=redis_url, context_key=keys[0], former_context_key=keys[1], version="1"))
    place = stores.rooms()
    await stores.aclose()

    assert place.store is not stores.memory
    assert (KEY, FORMER) == place.keys
    assert repr(KEY) not in repr(place)


async def test_rooms_without_a_key_are_never_kept_in_redis_nor_in_the_process(redis_url: str) -> None:
    """Other pods would not find them, and nobody would know."""
    stores = Stores(count_fault=print)
    stores.keep_rooms_here()
    await stores.use(StoreSection(url=redis_url, version="1"))
    with pytest.raises(StoreUnavailable, match="context key"):
        stores.rooms()

    await stores.aclose()


async def test_rooms_without_a_shared_store_are_kept_only_by_who_is_alone() -> None:
    """A sidecar in a cluster is not; one on a laptop is, and forgets them at its end."""
    stores = Stores(count_fault=print)
    with pytest.raises(StoreUnavailable, match="shared store"):
        stores.rooms()
    stores.keep_rooms_here()
    place = stores.rooms()
    await place.store.open_room(b"tag", b"meta", 60)
    await stores.aclose()

    assert () == place.keys
    assert place.store is not stores.memory
    assert await place.store.read_room(b"tag") is None
