"""A thousand sidecars' streams, without the sidecars: the client's process, which `streaming` starts.

    python -m bench.cluster.streams < JOB

Makes each pod's token, opens all streams, answers every snapshot as a sidecar does, and comes back as one does. Then it
takes commands, a line each, and answers each with a line of JSON: `change NAME` or `reconnect`.
"""

import asyncio
import random
import ssl
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
import uvloop

from bench.load import quantile
from e2e.api import Api
from parley_crds import names
from parley_sidecar.sources.stream import pause_s

TOKENS_AT_ONCE: Final = 16
LIMIT_S: Final = 120.0
CHANGES: Final = 5


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What to connect."""

    kubeconfig: str
    namespace: str
    selector: str
    """Which pods."""
    url: str
    authorities: str


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """How long it took for each of the streams."""

    count: int
    p50_s: float
    p99_s: float
    max_s: float


class Hash(msgspec.Struct, frozen=True):
    """What is read of a snapshot."""

    hash: str


def spread(seconds: Sequence[float]) -> Spread:
    """Sum up."""
    ordered = sorted(seconds)
    shares = (quantile(ordered, share) for share in (0.5, 0.99, 1.0))
    p50_s, p99_s, max_s = shares
    return Spread(count=len(ordered), p50_s=p50_s, p99_s=p99_s, max_s=max_s)


class Stream:
    """One sidecar's."""

    def __init__(self, session: aiohttp.ClientSession, token: str) -> None:
        self._session = session
        self._headers = {"Authorization": f"Bearer {token}"}
        self.hash = ""
        self.arrived_s = 0.0
        self.connected_s = 0.0
        self.is_connected = False

    async def run(self) -> None:
        """Stay connected until cancelled."""
        failures = 0
        while True:
            try:
                failures = 0 if await self._follow() else failures + 1
            except (aiohttp.ClientError, OSError, TimeoutError):
                failures += 1
            self.is_connected = False
            await asyncio.sleep(pause_s(failures, random.random))

    async def _follow(self) -> bool:
        """Follow the stream until it ends; say whether a snapshot came."""
        came = False
        async with self._session.ws_connect(names.STREAM_PATH, headers=self._headers, heartbeat=10) as socket:
            async for message in socket:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    break
                came, self.arrived_s = True, time.monotonic()
                self.hash = msgspec.json.decode(message.data, type=Hash).hash
                if not self.is_connected:
                    self.is_connected, self.connected_s = True, self.arrived_s
                await socket.send_str(f'{{"ack":"{self.hash}"}}')
        return came


class Sidecars:
    """All of them."""

    def __init__(self, api: Api, job: Job, streams: Sequence[Stream]) -> None:
        self._api = api
        self._job = job
        self._streams = streams

    async def connected(self) -> None:
        """Wait until all are."""
        await _until(lambda: all(stream.is_connected for stream in self._streams))

    async def change(self, name: str) -> Spread:
        """Change a component several times; return the time from the API server's answer to each stream's snapshot."""
        took_s: list[float] = []
        for number in range(CHANGES):
            took_s += await self._changed(name, f"{number}-{time.time()}")
        return spread(took_s)

    async def _changed(self, name: str, text: str) -> list[float]:
        before = {stream.hash for stream in self._streams}
        path = f"/apis/{names.API_VERSION}/namespaces/{self._job.namespace}/{names.PLURAL}/{name}"
        body = {"spec": {"metadata": [{"name": "model", "value": text}]}}
        status, answer = await self._api.call("PATCH", path, body, kind="application/merge-patch+json")
        answered_s = time.monotonic()
        if status != 200:
            raise SystemExit(f"the component cannot be changed: {answer}")
        await _until(lambda: not any(stream.hash in before for stream in self._streams))
        return [stream.arrived_s - answered_s for stream in self._streams]

    async def reconnect(self) -> Spread:
        """Wait until all were cut off and are back; return the time from the last cut."""
        await _until(lambda: not any(stream.is_connected for stream in self._streams))
        cut_s = time.monotonic()
        await self.connected()
        return spread([stream.connected_s - cut_s for stream in self._streams])


async def _until(probe: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not probe():  # noqa: ASYNC110 - a thousand events would cost more than looking
            await asyncio.sleep(0.005)


async def tokens(api: Api, job: Job) -> list[str]:
    """Return a token of each pod, bound to it, as the kubelet would mount it."""
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

    return list(await asyncio.gather(*map(token, found["items"])))


async def serve(job: Job) -> None:
    """Connect, say so, and do what is asked until the input ends."""
    tls = ssl.create_default_context(cadata=job.authorities)
    connector = aiohttp.TCPConnector(limit=0, ssl=tls)
    async with (
        Api(Path(job.kubeconfig), TOKENS_AT_ONCE) as api,
        aiohttp.ClientSession(job.url, connector=connector) as session,
        asyncio.TaskGroup() as group,
    ):
        streams = [Stream(session, token) for token in await tokens(api, job)]
        began_s = time.monotonic()
        tasks = [group.create_task(stream.run()) for stream in streams]
        sidecars = Sidecars(api, job, streams)
        await sidecars.connected()
        _answer(spread([stream.connected_s - began_s for stream in streams]))
        while words := (await asyncio.to_thread(sys.stdin.readline)).split():
            _answer(await (sidecars.change(words[1]) if words[0] == "change" else sidecars.reconnect()))
        for task in tasks:
            task.cancel()


def _answer(said: Spread) -> None:
    print(msgspec.json.encode(said).decode(), flush=True)


if __name__ == "__main__":
    uvloop.run(serve(msgspec.json.decode(sys.stdin.readline(), type=Job)))
