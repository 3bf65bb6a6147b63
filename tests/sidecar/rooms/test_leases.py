"""Whose turn it is, over two processes that share a store; on a clock that jumps."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from parley_sidecar.errors import RoomBusy
from parley_sidecar.rooms.leases import POLL_S, Lease, Leases
from parley_sidecar.stores import Stores
from parley_sidecar.stores.memory import MemoryStore
from parley_sidecar.stores.protocol import LEASE_S, Keep, Store
from tests.sidecar.layers.jumping import elapsed_s, jumping

TAG = b"room"


@asynccontextmanager
async def processes() -> AsyncIterator[tuple[Store, Leases, Leases]]:
    """Two processes, and the store that both see."""
    clock = asyncio.get_running_loop().time
    one, two = Stores(print), Stores(print)
    store = MemoryStore(clock)
    await store.open_room(TAG, b"meta", 3600)
    try:
        yield store, Leases(one), Leases(two)
    finally:
        await one.aclose()
        await two.aclose()


async def appends(store: Store, lease: Lease, revision: int) -> bool:
    """Say whether the store takes a turn from who has this lease."""
    return await store.append(TAG, lease.token, revision, b"turn", Keep(3600, 10))


@jumping
async def test_a_lease_lasts_as_long_as_its_turn() -> None:
    """It is renewed, however long the provider takes."""
    async with processes() as (store, one, two):
        lease = await one.wait(store, TAG, 5, 600)
        with pytest.raises(RoomBusy):
            await two.wait(store, TAG, 100, 600)

        assert 100.0 == elapsed_s()
        assert await appends(store, lease, 0)
        lease.release()


@jumping
async def test_the_next_turn_begins_when_the_one_before_ends() -> None:
    """In another process too: it is told, and does not wait for its next look."""
    async with processes() as (store, one, two):
        first = await one.wait(store, TAG, 5, 600)
        waiting = asyncio.create_task(two.wait(store, TAG, 5, 600))
        await asyncio.sleep(1.01)
        first.release()
        second = await waiting

        assert 1.01 == elapsed_s()
        assert not await appends(store, first, 0)
        assert await appends(store, second, 0)
        second.release()


@jumping
async def test_a_process_that_died_is_waited_for_no_longer_than_its_lease() -> None:
    """Nobody tells of its end; the others look."""
    async with processes() as (store, _, two):
        await store.take(TAG + b"/turn", b"dead", LEASE_S)
        lease = await two.wait(store, TAG, 60, 600)
        lease.release()

        assert LEASE_S <= elapsed_s() <= LEASE_S + POLL_S


@jumping
async def test_a_turn_that_is_never_given_back_ends_when_its_time_is_over() -> None:
    """So that a reader who stalls does not keep the room for ever; what it wants to store then is refused."""
    async with processes() as (store, one, two):
        forgotten = await one.wait(store, TAG, 5, 30)
        lease = await two.wait(store, TAG, 60, 600)

        assert 30 <= elapsed_s() <= 31
        assert not await appends(store, forgotten, 0)
        lease.release()


@jumping
async def test_turns_of_one_process_do_not_look_at_the_store_while_they_wait() -> None:
    """They stand in line, whatever their number, and the last one is served."""
    async with processes() as (store, one, _):
        served: list[int] = []

        async def have_a_turn(number: int) -> None:
            lease = await one.wait(store, TAG, 60, 600)
            served.append(number)
            await asyncio.sleep(1)
            lease.release()

        await asyncio.gather(*map(have_a_turn, range(20)))

        assert list(range(20)) == served
        assert 20.0 == elapsed_s()
