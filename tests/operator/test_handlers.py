"""kopf in its thread: changes arrive in our loop, and a watch never is over without anybody knowing.

Left to test_rules: which changes are news.
"""

import asyncio
import contextlib
import itertools
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from parley_crds import names
from parley_operator import kube
from parley_operator.handlers import BACKOFFS_S, Pace, Patience, Watcher
from parley_operator.kinds import OURS
from parley_operator.news import Change
from parley_operator.workqueue import Key
from tests.conftest import eventually as until
from tests.operator.small_api import SmallApi

WATCH = f"GET {kube.components()}"


@dataclass(slots=True)
class Heard:
    """What arrived, and in which thread."""

    changes: list[tuple[Key, Change]] = field(default_factory=list)
    threads: set[threading.Thread] = field(default_factory=set)

    def __call__(self, key: Key, change: Change) -> None:
        """Note a change."""
        self.changes.append((key, change))
        self.threads.add(threading.current_thread())


@pytest.fixture
def heard() -> Heard:
    """Nothing yet."""
    return Heard()


@contextlib.asynccontextmanager
async def watching(heard: Heard, *namespaces: str) -> AsyncIterator[tuple[Watcher, "asyncio.Task[None]"]]:
    """Watch inside the block, which may take a minute."""
    watcher = Watcher(OURS, heard, namespaces, Pace(Patience((0.02, 0.05))))
    task = asyncio.create_task(watcher.run())
    async with asyncio.timeout(60):
        yield watcher, task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until_heard(heard: Heard, number: int) -> None:
    """Wait until so many changes have arrived."""
    while len(heard.changes) < number:
        await asyncio.sleep(0.01)


async def until_called(small: SmallApi, call: str, number: int) -> None:
    """Wait until the server was called so often."""
    while small.calls.count(call) < number:
        await asyncio.sleep(0.01)


def event(kind: str, name: str, **metadata: Any) -> dict[str, Any]:
    """Return an event of a watch."""
    whole = {"name": name, "namespace": "shop", "uid": f"uid-of-{name}", "resourceVersion": "99", **metadata}
    return {"type": kind, "object": {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": whole}}


async def test_changes_arrive_in_our_loop(small: SmallApi, heard: Heard) -> None:
    """First what is there, without a type, and then what happens, with uid, generation and deletion."""
    small.component("shop", "there")
    async with watching(heard) as (watcher, _):
        await until_heard(heard, 1)
        await small.events.put(event("ADDED", "new", generation=1))
        await small.events.put(event("MODIFIED", "new", generation=2, deletionTimestamp="2026-11-25T08:00:00Z"))
        await until_heard(heard, 3)
        was_watching = watcher.is_watching

    assert (True, False) == (was_watching, watcher.is_watching)
    assert {threading.main_thread()} == heard.threads
    assert [
        (("shop", "there"), ("", "uid-of-there", 1, "")),
        (("shop", "new"), ("ADDED", "uid-of-new", 1, "")),
        (("shop", "new"), ("MODIFIED", "uid-of-new", 2, "2026-11-25T08:00:00Z")),
    ] == heard.changes


async def test_named_namespaces_are_watched_one_by_one(small: SmallApi, heard: Heard) -> None:
    """No right to list namespaces, or all components, is needed."""
    async with watching(heard, "bank", "shop"):
        for namespace in ("bank", "shop"):
            await until_called(small, f"GET {kube.components(namespace)}", 2)

    assert not [call for call in small.calls if call in {WATCH, "GET /api/v1/namespaces"}]


async def test_nothing_is_written_by_kopf(small: SmallApi, heard: Heard) -> None:
    """No annotation, no finalizer, no Event, no peering: it watches."""
    small.component("shop", "there")
    async with watching(heard):
        await until_heard(heard, 1)
        await until_called(small, WATCH, 2)

    assert {"GET"} == {call.split()[0] for call in small.calls}


async def test_a_watch_outlives_an_outage(small: SmallApi, heard: Heard) -> None:
    """A server that refuses everything for longer than all back-offs is watched again when it is back."""
    async with watching(heard) as (watcher, task):
        await until_called(small, WATCH, 2)
        small.status = 503
        await until_called(small, WATCH, 10)
        assert not task.done()
        assert watcher.is_watching
        small.status = 0
        await small.events.put(event("ADDED", "later"))
        await until_heard(heard, 1)

    assert ("shop", "later") == heard.changes[0][0]


async def test_a_watch_that_is_over_says_so(small: SmallApi, heard: Heard) -> None:
    """With the resource gone kopf ends, and does not only look alive: whoever runs it can begin anew."""
    async with watching(heard) as (watcher, task):
        await until_called(small, WATCH, 2)
        small.status = 404
        await task

    assert not watcher.is_watching
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("kopf")]


async def test_a_token_that_is_refused_is_not_shown_for_ever(small: SmallApi, heard: Heard) -> None:
    """With the same one again kopf ends, and whoever runs it makes a pause: the API server is not flooded."""
    async with watching(heard) as (watcher, task):
        await until_called(small, WATCH, 2)
        small.status = 401
        calls = len(small.calls)
        await task

    assert not watcher.is_watching
    assert 10 > len(small.calls) - calls


async def test_what_kopf_asks_and_is_answered_is_known(small: SmallApi, heard: Heard) -> None:
    """An answer, an event and a refusal are told apart: the age of the news grows while it is refused."""
    async with watching(heard) as (watcher, _):
        await until_called(small, WATCH, 2)
        listed = watcher.pulse.succeeded
        await small.events.put(event("ADDED", "new"))
        await until_heard(heard, 1)
        told = watcher.pulse.succeeded
        small.status = 503
        await until_called(small, WATCH, 6)
        refused = (watcher.pulse.tried, watcher.pulse.succeeded)
        small.status = 0
        await until(lambda: watcher.pulse.succeeded > refused[0])

    assert listed < told <= refused[1] < refused[0]


async def test_a_watcher_can_run_again(small: SmallApi, heard: Heard) -> None:
    """Each run has a thread and a loop of its own."""
    small.component("shop", "there")
    watcher = Watcher(OURS, heard, ())
    for number in (1, 2):
        task = asyncio.create_task(watcher.run())
        async with asyncio.timeout(60):
            await until_heard(heard, number)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert 2 == len(heard.changes)


def test_patience_has_no_end() -> None:
    """The pauses grow to the last one, which is repeated; each call begins anew."""
    patience = Patience()

    assert [*BACKOFFS_S, BACKOFFS_S[-1], BACKOFFS_S[-1]] == list(itertools.islice(patience, len(BACKOFFS_S) + 2))
    assert BACKOFFS_S[0] == next(iter(patience))
