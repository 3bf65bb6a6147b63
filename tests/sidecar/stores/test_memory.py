"""What the store in the process has of its own: it is bounded, and time goes by a clock."""

import asyncio

import pytest

from parley_sidecar.errors import StoreUnavailable
from parley_sidecar.stores.memory import LEASES_AT_REST, MAX_BYTES, MAX_ENTRIES, MemoryStore
from parley_sidecar.stores.memory_rooms import MAX_ROOM_BYTES, ROOM_BYTES, Rooms
from parley_sidecar.stores.protocol import Keep, Numbered
from tests.sidecar.either_store import Clock


async def test_the_most_used_entries_stay_within_the_bounds() -> None:
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


async def test_a_value_larger_than_the_store_drives_nothing_out() -> None:
    """It is not kept, and what it would replace is gone."""
    store = MemoryStore()
    await store.set(b"small", b"value", 60)
    await store.set(b"key", b"old", 60)
    await store.set(b"key", bytes(MAX_BYTES), 60)

    assert await store.get(b"key") is None
    assert b"value" == await store.get(b"small")


async def test_a_value_ends_to_the_instant() -> None:
    """Not before its time, and not after."""
    clock = Clock()
    store = MemoryStore(clock)
    await store.set(b"key", b"value", 10)
    clock.now_s += 9.999
    before = await store.get(b"key")
    clock.now_s += 0.001

    assert before == b"value"
    assert await store.get(b"key") is None


async def test_leases_that_nobody_gave_back_do_not_pile_up() -> None:
    """Those whose time is over go when there are many; those that are held stay."""
    clock = Clock()
    store = MemoryStore(clock)
    await store.take(b"held", b"me", 1_000_000)
    for number in range(10 * LEASES_AT_REST):
        await store.take(b"%d" % number, b"lost", 1)
        clock.now_s += 0.01

    assert len(store._leases) <= LEASES_AT_REST + 1
    assert b"me" == (await store.take(b"held", b"you", 1)).holder


async def test_leases_that_are_all_held_stay() -> None:
    """However many there are."""
    store = MemoryStore(Clock())
    for number in range(3 * LEASES_AT_REST):
        await store.take(b"%d" % number, b"me", 60)

    assert all([await store.renew(b"%d" % number, b"me", 60) for number in range(3 * LEASES_AT_REST)])


async def test_rooms_are_refused_when_there_is_no_memory_left() -> None:
    """What is there stays as it is, and room is made by erasing, or when a room's time is over."""
    clock = Clock()
    store = MemoryStore(clock)
    keep = Keep(60, 1_000)
    for tag in (b"short", b"long"):
        await store.open_room(tag, b"meta", 60)
        await store.take(tag + b"/turn", b"me", 60)
        assert await store.append(tag, b"me", 0, bytes(MAX_ROOM_BYTES // 2 - 2_000), keep)
    with pytest.raises(StoreUnavailable, match="memory"):
        await store.append(b"long", b"me", 1, bytes(4_000), keep)
    with pytest.raises(StoreUnavailable, match="memory"):
        await store.number(b"long", [Numbered(b"name", b"EMAIL", bytes(4_000))], 60)
    with pytest.raises(StoreUnavailable, match="memory"):
        await store.open_room(b"new", bytes(4_000), 60)

    room = await store.read_room(b"long")
    assert room
    assert (1, 1, {}) == (room.revision, len(room.turns), dict(room.values))
    assert await store.read_room(b"new") is None
    await store.open_room(b"long", b"meta", 120)
    clock.now_s += 60
    assert bytes(4_000) == (await store.open_room(b"new", bytes(4_000), 60)).meta
    assert await store.read_room(b"short") is None


async def test_what_leaves_a_room_makes_way_for_others() -> None:
    """Turns that are not kept, rooms that are erased or over, and values that are there already cost nothing."""
    clock = Clock()
    store = MemoryStore(clock)
    turn, keep = bytes(MAX_ROOM_BYTES // 4), Keep(60, 1)
    await store.open_room(b"tag", b"meta", 60)
    await store.take(b"tag/turn", b"me", 60)
    appended = [await store.append(b"tag", b"me", revision, turn, keep) for revision in range(20)]
    big = Numbered(b"name", b"EMAIL", bytes(MAX_ROOM_BYTES // 4))
    for number in range(10):
        await store.open_room(b"%d" % number, b"meta", 1)
        numbered = [await store.number(b"%d" % number, [big], 1) for _ in range(10)]
        clock.now_s += number % 2
        await store.erase(b"%d" % number)

    assert all(appended)
    assert 10 == len(numbered)
    room = await store.read_room(b"tag")
    assert room
    assert (20, (turn,)) == (room.revision, room.turns)
    await store.erase(b"tag")
    assert store._rooms._bytes == 0


def test_empty_rooms_count_too() -> None:
    """Millions of them are no way around the bound."""
    rooms = Rooms(Clock())

    def fill() -> None:
        for number in range(MAX_ROOM_BYTES // ROOM_BYTES):
            rooms.open(b"%d" % number, b"", 60)

    with pytest.raises(StoreUnavailable, match="memory"):
        fill()


async def test_a_watch_that_was_cancelled_leaves_nothing() -> None:
    """Whoever waits may go at any time."""
    store = MemoryStore()

    async def wait() -> None:
        async with store.watch(b"key") as watch:
            await watch.next(60)

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])

    assert not store._watches
