"""What every store must do with leases: who holds one makes the answer, and who lost it changes nothing."""

import asyncio

import pytest

from parley_sidecar.stores.protocol import RESULT_S, Store, Taken
from tests.sidecar.either_store import Either

KEYS = pytest.mark.parametrize("key", [b"key", b"tag/key"])


@KEYS
async def test_a_free_lease_is_taken_and_a_held_one_is_told(either: Either, key: bytes) -> None:
    """The second one learns whom to wait for, the first one may ask again."""
    store = either.store

    assert Taken(holder=b"me") == await store.take(key, b"me", 60)
    assert Taken(holder=b"me") == await store.take(key, b"you", 60)
    assert Taken(holder=b"me") == await store.take(key, b"me", 60)


async def test_of_many_who_take_a_lease_at_once_one_gets_it(either: Either) -> None:
    """It is one step: there is no moment between looking and taking."""
    tokens = [b"%d" % number for number in range(50)]
    taken = await asyncio.gather(*(either.store.take(b"tag/key", token, 60) for token in tokens))

    assert 1 == len({each.holder for each in taken})
    assert taken[0].holder in tokens


@KEYS
async def test_where_there_is_a_value_no_lease_is_taken(either: Either, key: bytes) -> None:
    """The answer itself is better."""
    store = either.store
    await store.set(key, b"value", 0.1)
    found = await store.take(key, b"me", 60)
    await either.until(lambda: gone(store, key))

    assert Taken(b"value") == found
    assert Taken(holder=b"you") == await store.take(key, b"you", 60)


@KEYS
async def test_a_lease_ends_unless_it_is_renewed(either: Either, key: bytes) -> None:
    """Whoever waits takes it over, and its former holder can do nothing with it any more."""
    store = either.store
    await store.take(key, b"me", 0.1)
    renewed = await store.renew(key, b"me", 0.3)
    await either.until(lambda: is_taken(store, key, b"you"))

    assert renewed
    assert not await store.renew(key, b"me", 60)
    assert not await store.finish(key, b"me", b"late", 60)
    assert Taken(holder=b"you") == await store.take(key, b"third", 60)


async def test_a_renewed_lease_outlives_its_first_time(either: Either) -> None:
    """It counts from the renewal."""
    store = either.store
    await store.take(b"key", b"me", 0.2)
    await store.renew(b"key", b"me", 3600)
    await store.set(b"clock", b"", 0.4)
    await either.until(lambda: gone(store, b"clock"))

    assert Taken(holder=b"me") == await store.take(b"key", b"you", 60)


@KEYS
async def test_another_token_can_neither_renew_nor_finish(either: Either, key: bytes) -> None:
    """Nothing is done: no value, no end of the lease, no message."""
    store = either.store
    await store.take(key, b"me", 60)
    async with store.watch(key) as watch:
        renewed = await store.renew(key, b"you", 60)
        finished = await store.finish(key, b"you", b"value", 60)
        message = await watch.next(0.05)

    assert (False, False, None) == (renewed, finished, message)
    assert Taken(holder=b"me") == await store.take(key, b"you", 60)
    assert await store.get(key) is None


async def test_nobody_finishes_or_renews_a_lease_that_is_not_there(either: Either) -> None:
    """Neither does an empty token."""
    for token in (b"me", b""):
        assert not await either.store.renew(b"key", token, 60)
        assert not await either.store.finish(b"key", token, b"value", 60)


@KEYS
async def test_a_result_that_is_kept_is_the_value_for_all(either: Either, key: bytes) -> None:
    """It is stored, the lease is free, and who watches is told whose flight has ended."""
    store = either.store
    await store.take(key, b"me", 60)
    async with store.watch(key) as watch:
        finished = await store.finish(key, b"me", b"value", 0.3)
        message = await watch.next(5)

    assert finished
    assert message == b"me"
    assert b"value" == await store.get(key)
    await either.until(lambda: gone(store, key))
    assert Taken(holder=b"you") == await store.take(key, b"you", 60)


@KEYS
async def test_a_result_that_is_not_kept_is_for_those_who_await_it(either: Either, key: bytes) -> None:
    """Others find a free lease; a holder's own token tells the flights of one key apart."""
    store = either.store
    await store.take(key, b"me", 60)
    await store.finish(key, b"me", b"for those who wait")

    assert Taken(b"for those who wait") == await store.take(key, b"follower", 60, b"me")
    assert Taken(b"for those who wait") == await store.take(key, b"another", 60, awaited=b"me", limit_s=5)
    assert await store.get(key) is None
    assert Taken(holder=b"new") == await store.take(key, b"new", 60, awaited=b"other")
    assert Taken(holder=b"new") == await store.take(key, b"newer", 60)


async def test_an_empty_result_is_a_result(either: Either) -> None:
    """It ends the wait."""
    await either.store.take(b"key", b"me", 60)
    await either.store.finish(b"key", b"me", b"")

    assert Taken(b"") == await either.store.take(b"key", b"you", 60, b"me")


async def test_a_flight_without_a_result_leaves_nothing(either: Either) -> None:
    """A follower takes over."""
    store = either.store
    await store.take(b"key", b"me", 60)
    async with store.watch(b"key") as watch:
        await store.finish(b"key", b"me")

        assert b"me" == await watch.next(5)
    assert Taken(holder=b"you") == await store.take(b"key", b"you", 60, b"me")


async def test_a_result_is_remembered_for_a_while_only(either: Either) -> None:
    """Long enough for who waits to come and get it."""
    store = either.store
    await store.take(b"key", b"me", 60)
    await store.finish(b"key", b"me", b"result")
    if either.clock:
        either.clock.now_s += RESULT_S + 0.01

        assert Taken(holder=b"you") == await store.take(b"key", b"you", 60, b"me")
    else:
        assert Taken(b"result") == await store.take(b"key", b"you", 60, b"me")


async def gone(store: Store, key: bytes) -> bool:
    """Say whether a value is not there any more."""
    return await store.get(key) is None


async def is_taken(store: Store, key: bytes, token: bytes) -> bool:
    """Try to take a lease, and say whether it was free."""
    return token == (await store.take(key, token, 60)).holder
