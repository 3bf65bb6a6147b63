"""What every store must do with values: one suite over the one in the process and the one in Redis."""

import asyncio
from functools import partial

from tests.sidecar.either_store import Either


async def test_what_was_set_is_got(either: Either) -> None:
    """Any bytes, for any bytes."""
    await either.store.set(b"\x00key\xff", b"\xffvalue\x00", 60)

    assert b"\xffvalue\x00" == await either.store.get(b"\x00key\xff")


async def test_what_was_not_set_is_none(either: Either) -> None:
    """A miss is no error."""
    assert await either.store.get(b"nothing") is None


async def test_a_value_may_be_empty(either: Either) -> None:
    """Nothing to say is not the same as nothing there."""
    await either.store.set(b"key", b"", 60)

    assert await either.store.get(b"key") == b""
    assert b"" == await either.store.agree(b"key", b"other", 60)


async def test_a_value_is_replaced_with_its_lifetime(either: Either) -> None:
    """The last one written counts."""
    store = either.store
    await store.set(b"key", b"old", 3600)
    await store.set(b"key", b"new", 0.2)

    assert b"new" == await store.get(b"key")
    await either.until(lambda: gone(either, b"key"))


async def test_a_value_is_gone_when_its_time_is_over(either: Either) -> None:
    """Each has a time of its own, and the shortest is no error."""
    store = either.store
    for key, ttl_s in ((b"short", 0.05), (b"tag/short", 0.05), (b"shortest", 0.0), (b"long", 60)):
        await store.set(key, b"value", ttl_s)
    for key in (b"short", b"tag/short", b"shortest"):
        await either.until(partial(gone, either, key))

    assert b"value" == await store.get(b"long")


async def test_a_tag_and_its_names_are_keys_of_their_own(either: Either) -> None:
    """What shares a tag shares no value."""
    store = either.store
    await store.set(b"tag", b"1", 60)
    await store.set(b"tag/a", b"2", 60)
    await store.set(b"tag/b", b"3", 60)

    assert [b"1", b"2", b"3"] == [await store.get(key) for key in (b"tag", b"tag/a", b"tag/b")]


async def test_many_operations_at_once_all_succeed(either: Either) -> None:
    """More than there are connections: they take turns, and each gets its own answer."""
    store = either.store
    keys = [b"key-%d" % number for number in range(200)]
    await asyncio.gather(*(store.set(key, b"value of " + key, 60) for key in keys))

    assert [b"value of " + key for key in keys] == await asyncio.gather(*(store.get(key) for key in keys))
    assert [None] * 100 == await asyncio.gather(*(store.get(b"no-%d" % number) for number in range(100)))


async def test_a_store_that_is_there_answers(either: Either) -> None:
    """A ping says nothing when all is well."""
    await either.store.ping()

    assert either.store.tier in {"memory", "redis"}


async def test_the_first_who_proposes_a_value_is_agreed_with(either: Either) -> None:
    """All who propose one get the same, also when they do it at once."""
    proposals = [b"%d" % number for number in range(20)]
    agreed = await asyncio.gather(*(either.store.agree(b"key", proposal, 60) for proposal in proposals))

    assert 1 == len(set(agreed))
    assert agreed[0] in proposals
    assert agreed[0] == await either.store.get(b"key")


async def test_agreeing_renews_the_lifetime(either: Either) -> None:
    """A value that somebody agrees with again and again does not end; left alone it does."""
    store = either.store
    await store.agree(b"tag/key", b"first", 0.3)
    await store.agree(b"tag/key", b"second", 3600)
    await store.set(b"clock", b"", 0.5)
    await either.until(lambda: gone(either, b"clock"))
    kept = await store.get(b"tag/key")
    await store.agree(b"tag/key", b"third", 0.05)

    assert kept == b"first"
    await either.until(lambda: gone(either, b"tag/key"))


async def gone(either: Either, key: bytes) -> bool:
    """Say whether a value is not there any more."""
    return await either.store.get(key) is None
