"""The replica as a whole, as far as a test must see into it: how its watch, its lists and its queue hang together.

Left to test_reconciling, test_leaders and test_both_halves: the process on a real API server.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from parley_operator import kube
from parley_operator.kube import Kube
from parley_operator.operate import Operator
from parley_operator.settings import Settings
from tests.conftest import eventually
from tests.operator.small_api import SmallApi

WATCH = f"GET {kube.components()}"


@pytest.fixture
async def operator(api: Kube) -> AsyncIterator[Operator]:
    """A replica whose work queue runs, and nothing else of it yet."""
    made = Operator(api, Settings.read({}))
    working = asyncio.create_task(made.queue.run())
    yield made
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    made.own.close()


@contextlib.asynccontextmanager
async def watching(operator: Operator) -> AsyncIterator[None]:
    """Learn and follow inside the block, which may take a minute."""
    task = asyncio.create_task(operator._watch())
    async with asyncio.timeout(60):
        yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_watch_that_ended_begins_anew(small: SmallApi, operator: Operator) -> None:
    """The CRD goes and comes back: no restart, the streams go on, and what was made meanwhile is found."""
    small.component("shop", "before")
    async with watching(operator):
        await eventually(lambda: operator.watcher.is_watching and small.calls.count(WATCH) > 2)
        small.status = 404
        await eventually(lambda: not operator.watcher.is_watching)
        serves = operator.published.synced
        small.status = 0
        small.component("shop", "meanwhile")
        await eventually(lambda: operator.watcher.is_watching)
        await eventually(lambda: len(operator.published.components("shop")) == 2)

    assert serves


async def test_a_list_of_kopfs_brings_up_to_date_what_it_does_not_name(small: SmallApi, operator: Operator) -> None:
    """A component deleted while the watch was down is in no event: all that is known is looked at, once a list."""
    for name in ("a", "b", "gone"):
        small.component("shop", name)
    await operator.queue.settled(await operator.resync.once())
    del small.objects[kube.component("shop", "gone")]
    small.calls.clear()
    for name in ("a", "b"):
        operator._on_change(("shop", name), ("", f"uid-of-{name}", 1, ""))
    async with asyncio.timeout(60):
        await eventually(lambda: f"GET {kube.component('shop', 'gone')}" in small.calls)
        await eventually(lambda: not operator.queue.depth)

    assert operator.published.get("shop", "gone") is None
    assert 2 == len(operator.published.components("shop"))
    assert 1 == small.calls.count(f"GET {kube.component('shop', 'gone')}")


async def test_a_status_write_reaches_nobody(small: SmallApi, operator: Operator) -> None:
    """The same generation again is no work."""
    small.component("shop", "a")
    await operator.queue.settled(await operator.resync.once())
    operator._on_change(("shop", "a"), ("ADDED", "uid-of-a", 1, ""))
    await operator.queue.settled([("shop", "a")])
    operator._on_change(("shop", "a"), ("MODIFIED", "uid-of-a", 1, ""))

    assert 0 == operator.queue.depth
