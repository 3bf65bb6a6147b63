"""The work queue: de-duplicated, debounced, one key at a time, again until it succeeds."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from parley_operator.workqueue import RETRY_MOST_S, Key, WorkQueue, retry_after_s

A, B = ("shop", "a"), ("shop", "b")


@asynccontextmanager
async def running(work: Callable[[Key], Awaitable[None]], workers: int = 8) -> AsyncIterator[WorkQueue]:
    """Run a queue inside the block."""
    queue = WorkQueue(work, jitter=lambda: 1.0, workers=workers)
    task = asyncio.create_task(queue.run())
    async with asyncio.timeout(30):
        yield queue
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_changes_that_come_together_are_worked_on_once() -> None:
    """A burst of events for a key is one reconcile."""
    worked: list[Key] = []

    async def work(key: Key) -> None:
        worked.append(key)

    async with running(work) as queue:
        for _ in range(50):
            queue.add(A, 0.01)
        queue.add(B, 0.01)
        await queue.settled([A, B])

    assert [A, B] == sorted(worked)


async def test_a_change_during_the_work_is_worked_on_afterwards() -> None:
    """Nothing is lost, and a key is never worked on twice at the same time."""
    at_once, most, rounds = 0, 0, 0

    async def work(key: Key) -> None:
        nonlocal at_once, most, rounds
        at_once += 1
        most = max(most, at_once)
        rounds += 1
        if rounds == 1:
            queue.add(key, 0)
        await asyncio.sleep(0.02)
        at_once -= 1

    async with running(work) as queue:
        queue.add(A, 0)
        await queue.settled([A])

    assert (2, 1) == (rounds, most)


async def test_a_failing_key_is_tried_again_and_does_not_stop_the_others() -> None:
    """Its fault is nobody else's; it is settled once it succeeds."""
    tries = {A: 0, B: 0}

    async def work(key: Key) -> None:
        tries[key] += 1
        if key == A and tries[A] < 3:
            raise RuntimeError("not yet")

    async with running(work) as queue:
        queue.add(A, 0)
        queue.add(B, 0)
        await queue.settled([B])
        settled_early = tries[A] < 3
        await queue.settled([A])

    assert settled_early
    assert {A: 3, B: 1} == tries


async def test_no_more_keys_than_workers_are_worked_on_at_once() -> None:
    """The API server is not flooded at a resync."""
    at_once, most = 0, 0

    async def work(_: Key) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.005)
        at_once -= 1

    keys = [("shop", str(number)) for number in range(20)]
    async with running(work, workers=3) as queue:
        for key in keys:
            queue.add(key, 0)
        assert 20 == queue.depth
        await queue.settled(keys)
        assert 0 == queue.depth

    assert 3 == most


async def test_ending_cancels_what_is_under_way() -> None:
    """A process that ends waits for no reconcile."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def work(_: Key) -> None:
        begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    async with running(work) as queue:
        queue.add(A, 0)
        await begun.wait()

    await asyncio.wait_for(ended.wait(), 10)
    assert ended.is_set()


@pytest.mark.parametrize(
    ("failures", "jitter", "expected"), [(1, 0, 0.5), (1, 1, 0.25), (3, 0, 2.0), (20, 0, RETRY_MOST_S), (9999, 1, 30.0)]
)
def test_pauses_double_up_to_a_limit(failures: int, jitter: float, expected: float) -> None:
    """Up to half of a pause is taken off by chance."""
    assert expected == retry_after_s(failures, jitter)
