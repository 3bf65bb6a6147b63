"""Reads that share a round trip: each gets its own answer, whatever becomes of the others."""

import asyncio
from collections.abc import Sequence

import pytest
from redis.exceptions import RedisError

from parley_sidecar.stores.protocol import Place
from parley_sidecar.stores.redis import RedisStore
from parley_sidecar.stores.redis_reads import MAX_TOGETHER, Reads


class Server:
    """A client of values that are named after their keys; it remembers how it was asked."""

    def __init__(self, fault: Exception | None = None) -> None:
        """Answer, or fail with a fault."""
        self.asked: list[int] = []
        self.answers = asyncio.Event()
        self._fault = fault

    async def one(self, key: bytes) -> bytes:
        """Answer a GET."""
        return (await self.several([key]))[0]

    async def several(self, keys: Sequence[bytes]) -> list[bytes]:
        """Answer an MGET."""
        self.asked.append(len(keys))
        await self.answers.wait()
        if self._fault:
            raise self._fault
        return [b"value of " + key for key in keys]


def keys(count: int) -> list[bytes]:
    """Return so many."""
    return [b"%d" % number for number in range(count)]


async def test_a_read_that_is_alone_goes_alone() -> None:
    """One after the other: no company, no wait for it."""
    server = Server()
    server.answers.set()
    reads = Reads(server.one, server.several, 5)
    values = [await reads.get(key) for key in keys(3)]

    assert [b"value of 0", b"value of 1", b"value of 2"] == values
    assert [1, 1, 1] == server.asked


async def test_reads_of_one_turn_of_the_loop_go_together() -> None:
    """So many at most in one; those that come later do not wait for them."""
    server = Server()
    reads = Reads(server.one, server.several, 5)
    count = 2 * MAX_TOGETHER + 3
    first = asyncio.gather(*map(reads.get, keys(count)))
    await asyncio.sleep(0.001)
    later = asyncio.create_task(reads.get(b"later"))
    await asyncio.sleep(0.001)
    server.answers.set()

    assert [b"value of " + key for key in keys(count)] == await first
    assert b"value of later" == await later
    assert [MAX_TOGETHER, MAX_TOGETHER, 3, 1] == server.asked


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("leaver", [0, 1])
async def test_who_leaves_takes_nobody_along(leaver: int, *, at_once: bool) -> None:
    """Neither the first one, whom the others joined, nor one of those, before or after they were sent."""
    server = Server()
    reads = Reads(server.one, server.several, 5)
    tasks = [asyncio.create_task(reads.get(key)) for key in keys(3)]
    await asyncio.sleep(0 if at_once else 0.001)
    tasks[leaver].cancel()
    await asyncio.sleep(0.001)
    server.answers.set()
    await asyncio.wait(tasks)

    assert [number == leaver for number in range(3)] == [task.cancelled() for task in tasks]
    assert b"value of 2" == tasks[2].result()
    assert b"value of 0" == await reads.get(b"0")


async def test_a_fault_is_everybodys() -> None:
    """Of those who shared the round trip, and are still there."""
    server = Server(RedisError("gone"))
    reads = Reads(server.one, server.several, 5)
    tasks = [asyncio.create_task(reads.get(key)) for key in keys(3)]
    await asyncio.sleep(0.001)
    tasks[1].cancel()
    server.answers.set()
    await asyncio.wait(tasks)

    assert [RedisError, RedisError] == [type(tasks[at].exception()) for at in (0, 2)]


async def test_an_answer_that_does_not_come_is_given_up() -> None:
    """After the store's limit, also where the reader would wait longer."""
    server = Server()
    reads = Reads(server.one, server.several, 0.01)
    answers = await asyncio.gather(*map(reads.get, keys(2)), return_exceptions=True)

    assert [TimeoutError, TimeoutError] == [type(answer) for answer in answers]


async def test_the_store_reads_that_way(redis_url: str) -> None:
    """Values, misses and what is no value at all."""
    store = RedisStore(redis_url, place=Place(limit_s=5))
    for key in keys(50):
        await store.set(key, b"value of " + key, 60)
    values = await asyncio.gather(*map(store.get, [*keys(50), b"nothing"]))
    await store.aclose()

    assert [*(b"value of " + key for key in keys(50)), None] == values
