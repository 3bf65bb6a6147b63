"""What every store must do with messages: who watches hears all that is said from then on, and nothing else."""

import asyncio
from contextlib import AsyncExitStack

from parley_sidecar.stores.mailbox import MAX_UNREAD
from tests.sidecar.either_store import Either


async def test_what_is_published_inside_the_block_is_heard(either: Either) -> None:
    """From its first line on: the watch is there when the block begins."""
    store = either.store
    await store.publish(b"key", b"before")
    async with store.watch(b"key") as watch:
        await store.publish(b"key", b"first")
        await store.publish(b"key", b"second")
        heard = [await watch.next(5), await watch.next(5), await watch.next(0.01)]
    await store.publish(b"key", b"after")

    assert [b"first", b"second", None] == heard
    assert await watch.next(0.01) is None


async def test_a_message_is_for_its_own_key(either: Either) -> None:
    """Neither a tag's other names nor other tags hear it."""
    store = either.store
    keys = [b"tag", b"tag/a", b"tag/b", b"other/a"]
    async with AsyncExitStack() as stack:
        watches = [await stack.enter_async_context(store.watch(key)) for key in keys]
        await store.publish(b"tag/a", b"message")
        heard = [await watches[1].next(5), *[await watches[at].next(0.01) for at in (0, 2, 3)]]

    assert [b"message", None, None, None] == heard


async def test_all_who_watch_a_key_hear_it_however_they_come_and_go(either: Either) -> None:
    """Each has messages of its own; the last one to leave takes nothing from who comes next."""
    store = either.store
    async with store.watch(b"key") as long:
        async with store.watch(b"key") as short:
            await store.publish(b"key", b"both")
            together = [await long.next(5), await short.next(5)]
        await store.publish(b"key", b"one")
        alone = await long.next(5)
    async with store.watch(b"key") as next_one:
        await store.publish(b"key", b"later")
        later = await next_one.next(5)

    assert [b"both", b"both"] == together
    assert alone == b"one"
    assert later == b"later"


async def test_many_watches_come_and_go_at_once(either: Either) -> None:
    """Every one of them hears its own key's message."""
    store = either.store

    async def heard(number: int) -> bytes | None:
        key = b"key-%d" % (number % 7)
        async with store.watch(key) as watch:
            await store.publish(key, b"to all of " + key)
            return await watch.next(5)

    messages = await asyncio.gather(*(heard(number) for number in range(100)))

    assert [b"to all of key-%d" % (number % 7) for number in range(100)] == messages


async def test_a_watch_that_nobody_reads_keeps_the_newest(either: Either) -> None:
    """Its memory is bounded."""
    store = either.store
    async with store.watch(b"key") as idle, store.watch(b"key") as reader:
        for number in range(MAX_UNREAD + 2):
            await store.publish(b"key", b"%d" % number)
            await reader.next(5)
        heard = [await idle.next(0.01) for _ in range(MAX_UNREAD + 1)]

    assert [b"%d" % number for number in range(2, MAX_UNREAD + 2)] == heard[:-1]
    assert heard[-1] is None


async def test_who_watches_when_the_store_is_closed_looks_again(either: Either) -> None:
    """An empty message wakes it: nothing more will come."""
    async with either.store.watch(b"key") as watch:
        await either.store.aclose()

        assert await watch.next(5) == b""
