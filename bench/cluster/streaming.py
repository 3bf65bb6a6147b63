"""1,000 and 10,000 connected sidecars: a change to all of them, a rotated Secret, their coming back, what it costs."""

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec

from bench.cluster import streams
from bench.cluster.figures import Figure
from bench.cluster.places import SPACE, Plain, idle_pods, say
from bench.cluster.streams import Said
from bench.machine import ROOT, cpu_s, resident_bytes
from bench.processes import BenchError, free_port
from bench.report import MIB
from e2e.burst import LABEL, burst, pipe
from parley_crds import names
from tests.operator.world import Replica, component, openai, secret

PODS: Final = 1000
FEW: Final = PODS
MANY: Final = 10_000
"""Streams; of ten each, the tokens are bound to the same pod."""
PER_S: Final = 100.0
LIMIT_S: Final = 300.0
COMPONENT: Final = "bench-streamed"
ROTATED: Final = "bench-rotated"
STAGES: Final = {"answered": "answered by the API server", "told": "told by a watch", "first": "at the first"}
"""What lies before the first sidecars have a change."""
CHANGES: Final = 10
CHANGES_TO_MANY: Final = 5
ROTATIONS: Final = 4
IDLE_S: Final = 10.0
"""For so long nothing happens but pings: until each stream had one, from when on it has all that it will have."""


@dataclass(frozen=True, slots=True)
class Client:
    """The streams' process."""

    process: "subprocess.Popen[bytes]"

    def ask(self, words: str) -> Said:
        """Ask for something, and wait for it."""
        self.send(words)
        return self.answer()

    def send(self, words: str) -> None:
        """Ask for something."""
        pipe(self.process.stdin).write(f"{words}\n".encode())
        pipe(self.process.stdin).flush()

    def answer(self) -> Said:
        """Wait for what was asked for."""
        line = pipe(self.process.stdout).readline()
        if not line:
            raise BenchError("the streams' process ended")
        return msgspec.json.decode(line, type=Said)


@dataclass(frozen=True, slots=True)
class Watched:
    """What came of a command, and the CPU time that the operator used meanwhile."""

    said: Said
    cpu_s: float


def streaming(place: Plain) -> Iterator[Figure]:
    """Measure with one replica: it has all of them."""
    plant, port = place.plant, free_port()
    plant.apply(component(COMPONENT), secret("openai", apiKey="none"), openai(ROTATED))
    say(f"{PODS} pods")
    stamped = {
        "annotations": {names.RESOLVED_APP_ID_ANNOTATION: "bench"},
        "labels": {names.INJECTED_LABEL: "true"},
    }
    job = idle_pods(place.cluster, "streams", PODS, LIMIT_S, namespace=SPACE, per_s=PER_S, **stamped)
    with burst(place.cluster, job) as creating, _many_files():
        creating.finish()
        with place.operators(ports=[port]) as (replica,):
            replica.ready()
            before = resident_bytes(replica.process.pid)
            yield Figure(run="streams", quantity="memory, nobody connected", value=before / MIB, unit="MiB")
            with _client(place, port) as client:
                yield from _connected(replica, client, FEW, before)
                yield from _changed(replica, client, FEW, CHANGES)
                yield from _rotated(client)
                say("a restart of the operator")
                client.send("reconnect")
                replica.stop()
                with place.operators(ports=[port]) as (other,):
                    yield from _back(client.answer())
                    yield from _connected(other, client, MANY, before)
                    yield from _changed(other, client, MANY, CHANGES_TO_MANY)


def _connected(replica: Replica, client: Client, count: int, before: int) -> Iterator[Figure]:
    """Connect up to `count`; `before` is the memory with nobody connected."""
    say(f"{count} streams")
    more, pid, of = (MANY - FEW if count == MANY else FEW), replica.process.pid, f"{count:,} streams"
    took, figure = _watched(replica, client, f"more {more}"), partial(Figure, run="streams")
    used_s = cpu_s(pid)
    time.sleep(IDLE_S)
    used_s, memory = cpu_s(pid) - used_s, resident_bytes(pid)
    until = f"{of}: {more:,} come at once, until all are connected"
    yield figure(quantity=until, value=took.said.arrived.max_s, unit="s")
    yield figure(quantity=f"{of}: attempts told to come later", value=took.said.refusals)
    yield figure(quantity=f"{of}: CPU of a connect, those attempts included", value=took.cpu_s / more * 1e3, unit="ms")
    yield figure(quantity=f"{of}: memory", value=memory / MIB, unit="MiB")
    yield figure(quantity=f"{of}: memory of one", value=(memory - before) / count / 1024, unit="KiB")
    yield figure(quantity=f"{of}: CPU while nothing changes", value=used_s / IDLE_S * 1e3, unit="ms/s")


def _changed(replica: Replica, client: Client, count: int, times: int) -> Iterator[Figure]:
    """Apply a changed component."""
    say(f"{times} changes")
    took = _watched(replica, client, f"change {COMPONENT} {times}")
    arrived, to = took.said.arrived, f"an applied change to {count:,}"
    figure = partial(Figure, run="streams", unit="s")
    must, reach = (1.0, 0.3) if count == FEW else (None, None)
    for stage, what in STAGES.items():
        yield figure(quantity=f"{to}: {what}, p50", value=took.said.stages[stage].p50_s * 1e3, unit="ms")
    yield figure(quantity=f"{to}: at a sidecar, p50", value=arrived.p50_s)
    yield figure(quantity=f"{to}: at a sidecar, p99", value=arrived.p99_s, must=must, reach=reach)
    yield figure(quantity=f"{to}: at the last, p50", value=took.said.stages["last"].p50_s)
    yield figure(quantity=f"{to}: at the last, the worst of {times}", value=arrived.max_s, must=2.0 if must else None)
    yield figure(quantity=f"{to}: CPU for one", value=took.cpu_s / times / count * 1e6, unit="us")


def _rotated(client: Client) -> Iterator[Figure]:
    say(f"{ROTATIONS} rotations of a Secret")
    took = client.ask(f"rotate openai {ROTATIONS}")
    to = f"a rotated Secret to {FEW:,}"
    figure = partial(Figure, run="streams", unit="s")
    yield figure(quantity=f"{to}: at a sidecar, p50", value=took.arrived.p50_s)
    yield figure(quantity=f"{to}: at the last, the worst of {ROTATIONS}", value=took.arrived.max_s, must=10.0)


def _back(back: Said) -> Iterator[Figure]:
    figure = partial(Figure, run="streams", unit="s")
    yield figure(quantity="restart: p50 until a stream is back", value=back.arrived.p50_s)
    yield figure(quantity="restart: until all are back", value=back.arrived.max_s)


def _watched(replica: Replica, client: Client, words: str) -> Watched:
    before_s = cpu_s(replica.process.pid)
    said = client.ask(words)
    return Watched(said, cpu_s(replica.process.pid) - before_s)


@contextmanager
def _many_files() -> Iterator[None]:
    """Let processes that are started meanwhile open as many files as may be: a stream is one."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[1] < MANY + 1000:
        raise BenchError(f"{MANY} streams need as many open files; the limit is {limits[1]}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@contextmanager
def _client(place: Plain, port: int) -> Iterator[Client]:
    job = streams.Job(
        kubeconfig=str(place.cluster.kubeconfig),
        namespace=SPACE,
        selector=f"{LABEL}=streams",
        port=port,
        authorities=place.plant.secret_data("parley-tls")["ca.crt"],
    )
    command = [sys.executable, "-m", "bench.cluster.streams"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    client = Client(process)
    try:
        client.send(msgspec.json.encode(job).decode())
        yield client
    finally:
        pipe(process.stdin).close()
        pipe(process.stdout).close()
        process.terminate()
        process.wait(LIMIT_S)
