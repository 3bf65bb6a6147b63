"""The cache without its Redis: every request is answered, what fails is counted, and no request waits for it twice."""

import asyncio
import itertools
import signal
from pathlib import Path

from parley_sidecar.errors import StoreUnavailable
from parley_sidecar.model import CacheStatus
from parley_sidecar.stores.memory import MemoryStore
from parley_sidecar.stores.protocol import Place, Store, Taken
from tests.conftest import eventually, free_port
from tests.sidecar.layers.cached import ANSWER, Counted, Held, Process, asking, process, processes, together
from tests.sidecar.own_redis import own_redis


async def test_without_redis_every_request_is_answered_and_the_fault_is_counted() -> None:
    """The cache falls open: memory still works, Redis is missed in the metrics only."""
    async with process(url=f"redis://127.0.0.1:{free_port()}") as made:
        inner = Counted()
        layer = made.layer(inner)
        await made.ask(layer, asking("one"))
        await made.ask(layer, asking("two"))
        status = await made.ask(layer, asking("two"))

    assert {"agree", "get", "take", "finish"} <= set(made.faults)
    assert status
    assert "memory" == status.tier
    assert 2 == inner.calls


async def test_redis_killed_under_way_costs_nobody_an_answer(tmp_path: Path) -> None:
    """Requests are answered and faults counted while it is gone; when it is back, answers are shared again."""
    with own_redis(tmp_path) as server:
        async with processes(2, url=server.url) as (one, other):
            inner = Counted()
            layer = one.layer(inner)
            await one.ask(layer, asking("before"))
            server.send(signal.SIGKILL)
            status = await one.ask(layer, asking("meanwhile"))
            faults = set(one.faults)
            server.start()
            assert one.stores.shared
            async with asyncio.timeout(30):
                while not await reaches(one.stores.shared):
                    await asyncio.sleep(0.05)
            shared_again = await until_shared(one, other, inner)

    assert CacheStatus(hit=False, stored=True) == status
    assert "take" in faults
    assert CacheStatus(hit=True, tier="redis", ttl_s=shared_again.ttl_s) == shared_again


async def until_shared(one: Process, other: Process, inner: Counted) -> CacheStatus:
    """Ask in one, then in the other, until that finds the answer: a new server has a new epoch, which is soon known."""
    async with asyncio.timeout(30):
        for number in itertools.count():
            await one.ask(one.layer(inner), asking(f"after {number}"))
            status = await other.ask(other.layer(inner), asking(f"after {number}"))
            if status and status.hit:
                return status
            await asyncio.sleep(0.1)
    raise AssertionError


async def reaches(store: Store) -> bool:
    """Say whether a store answers."""
    try:
        await store.ping()
    except StoreUnavailable:
        return False
    return True


class Slow(MemoryStore):
    """A store that takes its time to find nothing, and notes how long it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.limits_s: list[float | None] = []

    async def get(self, key: bytes, limit_s: float | None = None) -> bytes | None:
        """Be slow."""
        self.limits_s.append(limit_s)
        await asyncio.sleep(0.05)
        return await super().get(key)

    async def take(
        self, key: bytes, token: bytes, lease_s: float, awaited: bytes = b"", limit_s: float | None = None
    ) -> Taken:
        """Take note."""
        self.limits_s.append(limit_s)
        return await super().take(key, token, lease_s, awaited, limit_s)


async def test_all_operations_of_a_request_share_one_limit() -> None:
    """What looking took is not there any more for taking the lease."""
    slow = Slow()
    async with process(store=slow, place=Place(limit_s=0.25)) as made:
        await made.layer(Counted())(asking())
        looked, taken = slow.limits_s

    assert looked
    assert taken is not None
    assert taken <= looked - 0.05 < looked <= 0.25


class Broken(MemoryStore):
    """A store that fails at what it is told."""

    def __init__(self, *operations: str) -> None:
        super().__init__()
        self._operations = operations

    async def take(
        self, key: bytes, token: bytes, lease_s: float, awaited: bytes = b"", limit_s: float | None = None
    ) -> Taken:
        """Fail before or after the lease was taken, if it is to."""
        taken = await super().take(key, token, lease_s, awaited, limit_s)
        self._fail("take")
        return taken

    async def renew(self, key: bytes, token: bytes, lease_s: float) -> bool:
        """Fail, if it is to."""
        self._fail("renew")
        return await super().renew(key, token, lease_s)

    async def finish(self, key: bytes, token: bytes, result: bytes | None = None, keep_s: float = 0.0) -> bool:
        """Fail, if it is to."""
        self._fail("finish")
        return await super().finish(key, token, result, keep_s)

    async def set(self, key: bytes, value: bytes, ttl_s: float) -> None:
        """Fail, if it is to."""
        self._fail("set")
        await super().set(key, value, ttl_s)

    def _fail(self, operation: str) -> None:
        if operation in self._operations:
            raise StoreUnavailable("told to fail")


async def test_a_lease_that_was_taken_unheard_is_given_back() -> None:
    """The answer to taking it got lost: the answer of the provider is kept all the same, and the key is free."""
    store = Broken("take")
    async with process(store=store) as made:
        layer = made.layer(Counted())
        await made.ask(layer, asking())
        found = await found_elsewhere(store)

    assert ["take"] == made.faults
    assert found == CacheStatus(hit=True, tier="memory", ttl_s=found.ttl_s)


async def found_elsewhere(store: Store) -> CacheStatus:
    """Ask in another process on this store."""
    async with process(store=store) as other:
        status = await other.ask(other.layer(Counted()), asking())
    assert status
    return status


async def test_a_request_that_may_not_read_falls_open_too() -> None:
    """Keeping fails, and is counted."""
    async with process(store=Broken("set")) as made:
        status = await made.ask(made.layer(Counted()), asking(may_read=False))

    assert CacheStatus(hit=False, forward="request", stored=True) == status
    assert ["set"] == made.faults


async def test_an_end_that_cannot_be_told_is_counted() -> None:
    """The caller has its answer long before; so has the next one in this process."""
    async with process(store=Broken("finish")) as made:
        layer = made.layer(Counted())
        await made.ask(layer, asking())
        status = await made.ask(layer, asking())

    assert ["finish"] == made.faults
    assert status
    assert "memory" == status.tier


async def test_a_renewal_that_fails_is_tried_again() -> None:
    """The lease may still be held; the end tells."""
    inner = Held()
    async with process(store=Broken("renew")) as made:
        (task,) = await together(made.layer(inner), asking())
        await eventually(lambda: made.faults.count("renew") == 2)
        inner.let_go.set()
        answer = await task
        await made.stores.drain()

    assert ANSWER == answer
    assert [] == made.skips
