"""Thousands of sidecars' streams, without the sidecars: the client's process, which `streaming` starts.

    python -m bench.cluster.streams < JOB

Makes tokens of each pod, opens streams, answers every snapshot as a sidecar does, and comes back as one does. Then it
takes commands, a line each, and answers each with a line of JSON: `change NAME TIMES`, `rotate SECRET TIMES`, `more
COUNT`, or `reconnect`.
"""

import asyncio
import itertools
import random
import ssl
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
import uvloop

from bench.cluster.simulated import Place, Simulated
from bench.load import quantile
from e2e.api import Api
from parley_crds import names
from parley_crds.stream import PING_INTERVAL_S

TOKENS_AT_ONCE: Final = 16
LIMIT_S: Final = 240.0
POLL_S: Final = 0.02
PAUSES_S: Final = (0.5, 1.5)
"""Between two changes, by chance: not in step with whatever the operator does by the clock."""
PINGING_S: Final = 0.1
APPLY: Final = {"fieldManager": "bench", "force": "true"}


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What to connect."""

    kubeconfig: str
    namespace: str
    selector: str
    """Which pods."""
    port: int
    authorities: str


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """How long several took."""

    count: int
    p50_s: float
    p99_s: float
    max_s: float


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a command."""

    arrived: Spread
    """Until each stream had its snapshot, or was back."""
    stages: dict[str, Spread] = {}
    """Of what lies before it, by name."""
    refusals: int = 0
    """Attempts that were told to come later."""


def spread(seconds: Iterable[float]) -> Spread:
    """Sum up; there must be some."""
    ordered = sorted(seconds)
    p50_s, p99_s, max_s = (quantile(ordered, share) for share in (0.5, 0.99, 1.0))
    return Spread(count=len(ordered), p50_s=p50_s, p99_s=p99_s, max_s=max_s)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """When a change arrived, in seconds from its request."""

    answered_s: float
    """At us: the API server has it."""
    told_s: float
    """At a watch of ours, beside the operator's."""
    arrived_s: Sequence[float]
    """At each stream."""


def summed(changes: Sequence[Change]) -> Said:
    """Sum up changes; each stage's value is one a change, the streams' are one a stream and change."""
    return Said(
        arrived=spread(itertools.chain.from_iterable(change.arrived_s for change in changes)),
        stages={
            "answered": spread(change.answered_s for change in changes),
            "told": spread(change.told_s for change in changes),
            "first": spread(min(change.arrived_s) for change in changes),
            "last": spread(max(change.arrived_s) for change in changes),
        },
    )


class Sidecars:
    """All of them."""

    def __init__(self, api: Api, job: Job, tasks: asyncio.TaskGroup) -> None:
        self._api = api
        self._job = job
        self._tasks = tasks
        self._streams: list[Simulated] = []
        self._running: list[asyncio.Task[None]] = []
        self._told_s: dict[tuple[str, str], float] = {}
        tls = ssl.create_default_context(cadata=job.authorities)
        self._place = Place("127.0.0.1", job.port, tls)

    async def more(self, count: int) -> Said:
        """Connect so many more, with a token each; return how long it took for each, from the first attempt."""
        added = [Simulated(self._place, token) for token in await tokens(self._api, self._job, count)]
        began_s = time.monotonic()
        self._streams += added
        self._running += [self._tasks.create_task(each.run()) for each in added]
        await self._connected()
        refusals = sum(each.refusals for each in added)
        return Said(arrived=spread(each.connected_s - began_s for each in added), refusals=refusals)

    async def reconnect(self) -> Said:
        """Wait until all were cut off and are back; return the time from the last cut."""
        before = sum(each.refusals for each in self._streams)
        await _until(lambda: not any(each.is_connected for each in self._streams))
        cut_s = time.monotonic()
        await self._connected()
        refusals = sum(each.refusals for each in self._streams) - before
        return Said(arrived=spread(each.connected_s - cut_s for each in self._streams), refusals=refusals)

    async def change(self, name: str, times: int) -> Said:
        """Apply a changed component several times."""
        path = f"/apis/{names.API_VERSION}/namespaces/{self._job.namespace}/{names.PLURAL}"

        async def once(text: str) -> tuple[int, Any]:
            spec = {"type": "conversation.echo", "version": "v1", "metadata": [{"name": "model", "value": text}]}
            body = {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": {"name": name}, "spec": spec}
            return await self._api.call("PATCH", f"{path}/{name}", body, "application/apply-patch+yaml", **APPLY)

        return await self._changes(path, times, once)

    async def rotate(self, name: str, times: int) -> Said:
        """Change a Secret several times."""
        path = f"/api/v1/namespaces/{self._job.namespace}/secrets"

        async def once(text: str) -> tuple[int, Any]:
            body = {"stringData": {"apiKey": text}}
            return await self._api.call("PATCH", f"{path}/{name}", body, "application/merge-patch+json")

        return await self._changes(path, times, once)

    async def ping(self) -> None:
        """Ping from each stream, one after the other, as sidecars do by their own clocks."""
        for number in itertools.cycle(range(round(PING_INTERVAL_S / PINGING_S))):
            for each in self._streams[number :: round(PING_INTERVAL_S / PINGING_S)]:
                each.ping()
            await asyncio.sleep(PINGING_S)

    def end(self) -> None:
        """Cut all connections."""
        for each in self._running:
            each.cancel()

    async def _connected(self) -> None:
        await _until(lambda: all(each.is_connected for each in self._streams))

    async def _changes(self, path: str, times: int, once: Callable[[str], Any]) -> Said:
        watching = asyncio.create_task(self._watch(path))
        changes = []
        for number in range(times):
            await asyncio.sleep(random.uniform(*PAUSES_S))
            changes.append(await self._changed(once(f"{number}-{time.time()}")))
        watching.cancel()
        return summed(changes)

    async def _changed(self, request: Any) -> Change:
        before, began_s = {each.hash for each in self._streams}, time.monotonic()
        status, answer = await request
        answered_s = time.monotonic()
        if status != 200:
            raise SystemExit(f"it cannot be changed: {answer.get('message')}")
        told = (answer["metadata"]["name"], answer["metadata"]["resourceVersion"])
        await _until(lambda: told in self._told_s and not any(each.hash in before for each in self._streams))
        arrived_s = [each.arrived_s - began_s for each in self._streams]
        return Change(answered_s=answered_s - began_s, told_s=self._told_s[told] - began_s, arrived_s=arrived_s)

    async def _watch(self, path: str) -> None:
        """Note when a watch tells of each change."""
        with suppress(aiohttp.ClientError):
            async for event in self._api.watch(path):
                metadata = event["object"]["metadata"]
                self._told_s[metadata["name"], metadata["resourceVersion"]] = time.monotonic()


async def _until(probe: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not probe():  # noqa: ASYNC110 - thousands of events would cost more than looking
            await asyncio.sleep(POLL_S)


async def tokens(api: Api, job: Job, count: int) -> list[str]:
    """Return so many tokens, bound to the pods by turns, as the kubelet would mount them: no two are the same."""
    _, found = await api.call("GET", f"/api/v1/namespaces/{job.namespace}/pods", labelSelector=job.selector)
    places = asyncio.Semaphore(TOKENS_AT_ONCE)

    async def token(pod: dict[str, Any]) -> str:
        bound = {"apiVersion": "v1", "kind": "Pod", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
        spec = {"audiences": [names.STREAM_AUDIENCE], "expirationSeconds": 3600, "boundObjectRef": bound}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        async with places:
            path = f"/api/v1/namespaces/{job.namespace}/serviceaccounts/default/token"
            _, answer = await api.call("POST", path, body)
        return str(answer["status"]["token"])

    return list(await asyncio.gather(*map(token, itertools.islice(itertools.cycle(found["items"]), count))))


async def serve(job: Job) -> None:
    """Do what is asked until the input ends."""
    async with Api(Path(job.kubeconfig), TOKENS_AT_ONCE + 1) as api, asyncio.TaskGroup() as tasks:
        sidecars = Sidecars(api, job, tasks)
        pinging = tasks.create_task(sidecars.ping())
        while words := (await asyncio.to_thread(sys.stdin.readline)).split():
            print(msgspec.json.encode(await _done(sidecars, words)).decode(), flush=True)
        pinging.cancel()
        sidecars.end()


async def _done(sidecars: Sidecars, words: Sequence[str]) -> Said:
    match words:
        case ["change", name, times]:
            return await sidecars.change(name, int(times))
        case ["rotate", name, times]:
            return await sidecars.rotate(name, int(times))
        case ["more", count]:
            return await sidecars.more(int(count))
        case _:
            return await sidecars.reconnect()


if __name__ == "__main__":
    uvloop.run(serve(msgspec.json.decode(sys.stdin.readline(), type=Job)))
