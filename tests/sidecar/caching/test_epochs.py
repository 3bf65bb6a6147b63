"""Epochs: one random name for all processes that share a store, a new one at each purge, and what a lost store does."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from parley_crds.stream import StoreSection
from parley_sidecar.caching import epochs
from parley_sidecar.caching.epochs import Epoch
from parley_sidecar.errors import StoreUnavailable
from parley_sidecar.stores.memory import MemoryStore
from tests.conftest import eventually, free_port
from tests.sidecar.layers.cached import Counted, Process, asking, component, process, processes


@pytest.fixture(params=["memory", "redis"])
async def two(request: pytest.FixtureRequest) -> AsyncIterator[list[Process]]:
    """Two processes that share a store."""
    url = request.getfixturevalue("redis_url") if request.param == "redis" else None
    async with processes(2, url=url, store=None if url else MemoryStore()) as made:
        yield made


def of(made: Process) -> Epoch:
    """Return the epoch of the component that all tests have."""
    return made.caching.epoch(component())


async def test_all_processes_agree(two: list[Process]) -> None:
    """On one, which is random; from then on it is known without asking."""
    before = [of(made).known for made in two]
    asked = [await of(made).ask() for made in two]

    assert [None, None] == before
    assert 1 == len(set(asked))
    assert 16 == len(asked[0])
    assert asked == [of(made).known for made in two]


async def test_components_have_their_own(two: list[Process]) -> None:
    """By namespace and name; not by what they are."""
    one = two[0].caching
    names = [("n", "c"), ("n", "d"), ("m", "c")]
    asked = [await one.epoch(component().model_copy(update={"namespace": n, "name": name})).ask() for n, name in names]

    assert 3 == len(set(asked))
    assert one.epoch(component("1h")) is one.epoch(component())


async def test_a_purge_is_a_new_one_everywhere(two: list[Process]) -> None:
    """At once in the process that does it; in the others by a message."""
    one, other = map(of, two)
    before = await one.ask()
    await other.ask()
    await eventually(lambda: all(made.watched for made in two))
    await one.purge()
    fresh = one.known
    await eventually(lambda: other.known == fresh)

    assert fresh != before


async def test_a_purge_without_a_message_is_seen_all_the_same(two: list[Process]) -> None:
    """Each process that uses the component asks each second."""
    other = of(two[1])
    await other.ask()
    shared = two[0].stores.shared
    assert shared
    key = two[1].caching.epoch(component())._key
    await shared.set(key, b"somebody's own!!", 60)

    await eventually(lambda: other.known == b"somebody's own!!")


async def test_a_purge_forgets_all_answers(two: list[Process]) -> None:
    """In both tiers, of all requests of the component; those of other components stay."""
    one, _ = two
    inner = Counted()
    purged, other = one.layer(inner), one.layer(inner, component().model_copy(update={"name": "d"}))
    for layer in (purged, other):
        await one.ask(layer, asking())
    await of(one).purge()
    statuses = [await one.ask(layer, asking()) for layer in (purged, other)]

    assert [False, True] == [status.hit for status in statuses if status]
    assert 3 == inner.calls


async def test_alone_a_purge_forgets_too() -> None:
    """Without a shared store nobody has to be told."""
    inner = Counted()
    async with process() as made:
        layer = made.layer(inner)
        await made.ask(layer, asking())
        await of(made).purge()
        await made.ask(layer, asking())

    assert 2 == inner.calls


async def test_a_purge_that_cannot_be_told_is_an_error() -> None:
    """Nothing is purged then, here neither: the caller can try again."""
    async with process(url=f"redis://127.0.0.1:{free_port()}") as made:
        before = await of(made).ask()
        with pytest.raises(StoreUnavailable):
            await of(made).purge()

        assert before == of(made).known


class Silent(MemoryStore):
    """A store that keeps, and tells nobody."""

    async def publish(self, _key: bytes, _message: bytes) -> None:
        """Fail."""
        raise StoreUnavailable("told to fail")


async def test_a_purge_whose_message_is_lost_is_done() -> None:
    """The others ask anyway; the fault is counted."""
    async with processes(2, store=Silent()) as (one, other):
        await of(other).ask()
        await of(one).purge()
        await eventually(lambda: of(other).known == of(one).known or of(one).known is None)

        assert ["publish"] == one.faults


async def test_a_lost_epoch_is_made_anew(two: list[Process]) -> None:
    """Never the one that was before: answers from before a purge could be met again."""
    one = of(two[0])
    before = await one.ask()
    shared = two[0].stores.shared
    assert shared
    await shared.set(one._key, b"x", 0.001)
    await eventually(lambda: one.known not in {before, b"x"})


async def test_without_the_store_the_last_known_one_holds() -> None:
    """And one that never knew any uses its own; each question that fails is counted."""
    async with process(url=f"redis://127.0.0.1:{free_port()}") as made:
        own = await of(made).ask()
        await eventually(lambda: made.faults.count("agree") >= 2)

        assert own == await of(made).ask()


async def test_a_component_that_nobody_uses_costs_nothing() -> None:
    """After a while without requests it is not asked for any more; the next request asks anew."""
    store = MemoryStore()
    async with process(store=store) as made:
        epoch = of(made)
        before = await epoch.ask()
        for number in range(2 * epochs.IDLE_POLLS):
            await eventually(lambda: made.watched)
            await store.publish(epoch._key, b"%d" % number)
        await eventually(lambda: epoch._following is not None and epoch._following.done())
        known = epoch.known

        assert known is None
        assert before == await epoch.ask()


async def test_another_store_is_asked_anew() -> None:
    """When a snapshot names it, the epoch is the one that lies there."""
    async with process(store=MemoryStore()) as made:
        await of(made).ask()
        await made.stores.use(StoreSection(url="redis://given", ca="another", version="2"))
        shared = made.stores.shared
        assert shared
        before_asking = of(made).known
        async with asyncio.timeout(30):
            while of(made).known is None:
                await of(made).ask()
                await asyncio.sleep(0.05)

        assert before_asking is None
        assert of(made).known == await shared.get(of(made)._key)
