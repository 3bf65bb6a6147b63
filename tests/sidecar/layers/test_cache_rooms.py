"""Answers of a chat room: kept in its own part of the store, sealed, and nowhere else."""

import base64
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from parley_crds.stream import StoreSection
from parley_sidecar.model import CacheStatus, ConverseRequest, Partition
from parley_sidecar.stores.memory import MemoryStore
from parley_sidecar.stores.protocol import Store
from tests.conftest import eventually
from tests.sidecar.layers.cached import ANSWER, Counted, Held, Process, asking, process, together


def sealed(packed: bytes) -> bytes:
    """Make bytes that show nothing."""
    return b"sealed:" + packed[::-1]


def unsealed(value: bytes) -> bytes | None:
    """Return what was sealed."""
    return value.removeprefix(b"sealed:")[::-1] if value.startswith(b"sealed:") else None


def in_room(tag: bytes = b"room-1", epoch: bytes = b"e", text: str = "hello") -> ConverseRequest:
    """Return a request that belongs to a room."""
    return replace(asking(text), partition=Partition(tag, epoch, sealed, unsealed))


class Noting(MemoryStore):
    """A store that notes what is kept, and where."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[tuple[bytes, bytes | None]] = []

    async def finish(self, key: bytes, token: bytes, result: bytes | None = None, keep_s: float = 0.0) -> bool:
        """Take note."""
        self.kept.append((key, result))
        return await super().finish(key, token, result, keep_s)


@pytest.fixture
def store() -> Noting:
    """What the processes share."""
    return Noting()


@pytest.fixture
async def one(store: Noting) -> AsyncIterator[Process]:
    """A process with a shared store and a key for rooms."""
    async with process(store=store) as made:
        key = base64.b64encode(bytes(32)).decode()
        await made.stores.use(StoreSection(url="redis://given", context_key=key, version="2"))
        yield made


async def test_it_lies_under_the_rooms_tag_and_shows_nothing(one: Process, store: Noting) -> None:
    """So that it is erased with the room; the process's own memory has none of it."""
    inner = Counted()
    layer = one.layer(inner)
    first = await one.ask(layer, in_room())
    second = await one.ask(layer, in_room())
    ((key, result),) = store.kept
    was_there = await store.erase(b"room-1"), await store.get(key)
    third = await one.ask(layer, in_room())

    assert key.startswith(b"room-1/")
    assert result
    assert result.startswith(b"sealed:")
    assert CacheStatus(hit=False, stored=True) == first == third
    assert second
    assert (True, "memory", 599) == (second.hit, second.tier, second.ttl_s)
    assert (False, None) == was_there
    assert await one.stores.memory.get(key) is None
    assert 2 == inner.calls


async def test_rooms_share_nothing(one: Process) -> None:
    """Neither with other rooms, nor with the same one made anew, nor with requests outside of rooms."""
    inner = Counted()
    layer = one.layer(inner)
    for request in (in_room(), in_room(b"room-2"), in_room(epoch=b"new"), asking()):
        await one.ask(layer, request)

    assert 4 == inner.calls


async def test_what_another_key_sealed_is_a_miss(one: Process, store: Noting) -> None:
    """And is replaced."""
    inner = Counted()
    layer = one.layer(inner)
    await one.ask(layer, in_room())
    ((key, _),) = store.kept
    await store.set(key, b"of another key", 60)
    status = await one.ask(layer, in_room())
    again = await one.ask(layer, in_room())

    assert CacheStatus(hit=False, stored=True) == status
    assert again
    assert again.hit
    assert 2 == inner.calls


async def test_equal_requests_of_a_room_fly_together(one: Process) -> None:
    """As all do."""
    inner = Held()
    tasks = await together(one.layer(inner), in_room(), in_room())
    await eventually(lambda: inner.calls)
    inner.let_go.set()

    assert [ANSWER, ANSWER] == [await task for task in tasks]
    assert 1 == inner.calls


async def test_a_sidecar_alone_keeps_them_where_its_rooms_are() -> None:
    """In the process, apart from other answers."""
    inner = Counted()
    async with process() as made:
        made.stores.keep_rooms_here()
        layer = made.layer(inner)
        await made.ask(layer, in_room())
        status = await made.ask(layer, in_room())
        rooms: Store = made.stores.rooms().store
        await rooms.erase(b"room-1")
        anew = await made.ask(layer, in_room())

    assert status
    assert (True, "memory") == (status.hit, status.tier)
    assert CacheStatus(hit=False, stored=True) == anew
    assert 2 == inner.calls


async def test_where_there_is_no_place_for_rooms_nothing_is_kept() -> None:
    """The request is answered, and says that nothing was stored."""
    inner = Counted()
    async with process() as made:
        layer = made.layer(inner)
        statuses = [await made.ask(layer, in_room()) for _ in range(2)]

    assert [CacheStatus(hit=False)] * 2 == statuses
    assert 2 == inner.calls
