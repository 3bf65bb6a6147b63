"""A burst of pods at a steady rate, and what became of each: with a sidecar, without one, or refused and tried again.

A process of its own inside the cluster's network, `python -m e2e.burst`: it takes a job as a line of JSON on its input,
says `begun` at the first pod that was accepted, goes on until its input ends, and prints its result. `burst` starts it.
A pod that was refused, or whose answer got lost, is tried again as its owner would: it counts once, when it is there.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import aiohttp
import msgspec

from bench.load import quantile
from e2e.api import ANSWER_LIMIT_S, Api
from e2e.cluster import Cluster
from e2e.cluster.controlplane import FAKE_NODE
from e2e.cluster.errors import ClusterError
from e2e.world import RESTRICTED
from parley_crds import names

ROOT: Final = Path(__file__).resolve().parent.parent
LABEL: Final = "burst"
"""On each pod, with the job's name."""
AGAIN_S: Final = 0.2
"""Before a refused pod is tried again; an owner's first back-off is of that size."""
DRAIN_S: Final = 60.0
"""How long pods that are still refused are tried after the burst."""
OPTED_IN: Final = {names.ENABLED_ANNOTATION: "true", names.APP_ID_ANNOTATION: "burst"}


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What to create."""

    kubeconfig: str
    namespace: str
    name: str
    per_s: float = 50.0
    least_s: float = 5.0
    """The burst lasts so long even if it is told to end before."""
    limit_s: float = 120.0
    """It ends by itself after this time."""
    most: int = 1_000_000
    """It ends by itself after so many pods."""
    connections: int = 8
    annotations: Mapping[str, str] = msgspec.field(default_factory=lambda: dict(OPTED_IN))
    labels: Mapping[str, str] = {}
    node: str = FAKE_NODE
    keep: bool = False
    """Leave the pods to whoever deletes their namespace."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the pods."""

    created: int
    injected: int
    missed: Sequence[str]
    """Names of the pods that were accepted without a sidecar."""
    last_missed_s: float
    """When the last of them was, by the monotonic clock."""
    abandoned: int
    """Pods that were refused to the end."""
    refused: int
    """Attempts that the API server refused."""
    unanswered: int
    """Attempts without an answer."""
    words: Sequence[str]
    """What refusals said, each once."""
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    """Of accepted attempts."""

    @property
    def per_s(self) -> float:
        """The rate that was reached."""
        return self.created / self.seconds


def pod(job: Job, number: int) -> dict[str, Any]:
    """Return the burst's pod of this number."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{job.name}-{number:06d}",
            "labels": {**job.labels, LABEL: job.name},
            "annotations": dict(job.annotations),
        },
        "spec": {
            "nodeName": job.node,
            "containers": [{"name": "app", "image": "localhost/parley-app:dev", "securityContext": RESTRICTED}],
            "automountServiceAccountToken": False,
            "tolerations": [{"operator": "Exists"}],
        },
    }


def is_injected(document: Mapping[str, Any]) -> bool:
    """Say whether the injector stamped a pod."""
    return bool((document["metadata"].get("labels") or {}).get(names.INJECTED_LABEL) == "true")


@dataclass(slots=True)
class Burst:
    """One job under way."""

    job: Job
    api: Api
    places: asyncio.Semaphore
    """As many as there are connections: waiting for one is not the API server's latency."""
    latencies_ms: list[float] = field(default_factory=list)
    injected: int = 0
    missed: list[str] = field(default_factory=list)
    last_missed_s: float = 0.0
    refused: int = 0
    unanswered: int = 0
    words: set[str] = field(default_factory=set)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def path(self) -> str:
        """Where the pods are."""
        return f"/api/v1/namespaces/{self.job.namespace}/pods"

    async def run(self, told: asyncio.Event) -> Result:
        """Create pods until told to end; each is created at its time, however long those before it take."""
        began_s, number, tasks = time.perf_counter(), 0, set[asyncio.Task[None]]()
        while number < self.job.most:
            elapsed_s = time.perf_counter() - began_s
            if elapsed_s > self.job.limit_s or (told.is_set() and elapsed_s > self.job.least_s):
                break
            tasks.add(asyncio.create_task(self._create(number)))
            number += 1
            await asyncio.sleep(max(0.0, began_s + number / self.job.per_s - time.perf_counter()))
        _, late = await asyncio.wait(tasks, timeout=DRAIN_S)
        seconds = time.perf_counter() - began_s
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return self._result(seconds, len(late))

    async def _create(self, number: int) -> None:
        document = pod(self.job, number)
        accepted = await self._attempt(document)
        while accepted is None:
            await asyncio.sleep(AGAIN_S)
            accepted = await self._attempt(document)
        self.begun.set()
        if is_injected(accepted):
            self.injected += 1
        else:
            self.missed.append(document["metadata"]["name"])
            self.last_missed_s = time.monotonic()

    async def _attempt(self, document: dict[str, Any]) -> Mapping[str, Any] | None:
        """Try once, on a free connection; return the pod as it is stored, None where it is not known to be."""
        async with self.places:
            return await self._asked(document)

    async def _asked(self, document: dict[str, Any]) -> Mapping[str, Any] | None:
        began_s = time.perf_counter()
        try:
            status, answer = await self.api.call("POST", self.path, document)
            if status == 409:  # an earlier attempt got through, and its answer did not
                status, answer = await self.api.call("GET", f"{self.path}/{document['metadata']['name']}")
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as error:
            self.unanswered += 1
            self.words.add(type(error).__name__)
            return None
        if status >= 300:
            self.refused += 1
            self.words.add(str(answer.get("message", status))[:300].replace(document["metadata"]["name"], "POD"))
            return None
        self.latencies_ms.append((time.perf_counter() - began_s) * 1e3)
        return dict(answer)

    def _result(self, seconds: float, abandoned: int) -> Result:
        ordered = sorted(self.latencies_ms) or [0.0]
        return Result(
            created=self.injected + len(self.missed),
            injected=self.injected,
            missed=sorted(self.missed),
            last_missed_s=self.last_missed_s,
            abandoned=abandoned,
            refused=self.refused,
            unanswered=self.unanswered,
            words=sorted(self.words)[:10],
            seconds=seconds,
            p50_ms=quantile(ordered, 0.5),
            p99_ms=quantile(ordered, 0.99),
            max_ms=quantile(ordered, 1.0),
        )


@dataclass(slots=True)
class Running:
    """A burst's near end."""

    process: "subprocess.Popen[bytes]"
    job: Job
    result: Result | None = None

    def finish(self) -> Result:
        """Tell it to end, once it has lasted long enough, and return what became of the pods."""
        if self.result is None:
            pipe(self.process.stdin).close()
            self.result = msgspec.json.decode(self._line(), type=Result)
        return self.result

    def begun(self) -> None:
        """Wait for the first pod."""
        self._line()

    def _line(self) -> bytes:
        line = pipe(self.process.stdout).readline()
        if not line:
            raise ClusterError(f"the burst ended by itself with {self.process.wait()}")
        return line


def pipe(end: IO[bytes] | None) -> IO[bytes]:
    """Return a pipe that is there."""
    assert end is not None
    return end


@contextmanager
def burst(cluster: Cluster, job: Job) -> Iterator[Running]:
    """Create pods meanwhile; the block begins with the first that was accepted. They are deleted at its end."""
    command = cluster.inside([sys.executable, "-m", "e2e.burst"])
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    running = Running(process, job)
    try:
        pipe(process.stdin).write(msgspec.json.encode(job) + b"\n")
        pipe(process.stdin).flush()
        running.begun()
        yield running
        running.finish()
    finally:
        pipe(process.stdin).close()
        pipe(process.stdout).close()
        process.wait(ANSWER_LIMIT_S + DRAIN_S)
        if not job.keep:
            delete(cluster, job)


def delete(cluster: Cluster, job: Job) -> None:
    """Delete what a burst has made, without waiting for anybody's grace."""
    chosen = f"labelSelector={LABEL}%3D{job.name}&gracePeriodSeconds=0"
    cluster.kubectl("delete", "--raw", f"/api/v1/namespaces/{job.namespace}/pods?{chosen}", check=False)


async def _run(job: Job) -> Result:
    told, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), told.set)  # readable at its end: nothing follows the job
    async with Api(Path(job.kubeconfig), job.connections) as api:
        under_way = Burst(job, api, asyncio.Semaphore(job.connections))
        telling = asyncio.create_task(_tell(under_way.begun))
        result = await under_way.run(told)
        telling.cancel()
        return result


async def _tell(begun: asyncio.Event) -> None:
    await begun.wait()
    print("begun", flush=True)


def main() -> None:
    """Do one job."""
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as lines:  # nothing past the job is taken in
        job = msgspec.json.decode(lines.readline(), type=Job)
    print(msgspec.json.encode(asyncio.run(_run(job))).decode(), flush=True)


if __name__ == "__main__":
    main()
