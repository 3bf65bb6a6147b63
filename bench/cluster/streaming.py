"""A thousand connected sidecars: a component's change to all of them, their coming back, and the operator's memory."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec

from bench.cluster import streams
from bench.cluster.figures import Figure
from bench.cluster.operating import QUIET
from bench.cluster.places import SPACE, Plain, idle_pods, say
from bench.cluster.streams import Spread
from bench.machine import ROOT, resident_bytes
from bench.processes import BenchError, free_port
from bench.report import MIB
from e2e.burst import LABEL, burst, pipe
from parley_crds import names
from tests.operator.world import component

STREAMS: Final = 1000
PER_S: Final = 100.0
LIMIT_S: Final = 300.0
COMPONENT: Final = "bench-streamed"


@dataclass(frozen=True, slots=True)
class Client:
    """The streams' process."""

    process: "subprocess.Popen[bytes]"

    def ask(self, words: str) -> Spread:
        """Ask for something, and wait for it."""
        self.send(words)
        return self.answer()

    def send(self, words: str) -> None:
        """Ask for something."""
        pipe(self.process.stdin).write(f"{words}\n".encode())
        pipe(self.process.stdin).flush()

    def answer(self) -> Spread:
        """Wait for what was asked for."""
        line = pipe(self.process.stdout).readline()
        if not line:
            raise BenchError("the streams' process ended")
        return msgspec.json.decode(line, type=Spread)


def streaming(place: Plain) -> Iterator[Figure]:
    """Measure with one replica: it has all of them."""
    plant, port, figure = place.plant, free_port(), partial(Figure, run="streams")
    plant.apply(component(COMPONENT))
    say(f"{STREAMS} pods")
    stamped = {
        "annotations": {names.RESOLVED_APP_ID_ANNOTATION: "bench"},
        "labels": {names.INJECTED_LABEL: "true"},
    }
    job = idle_pods(place.cluster, "streams", STREAMS, LIMIT_S, namespace=SPACE, per_s=PER_S, **stamped)
    with burst(place.cluster, job) as creating:
        creating.finish()
        with plant.operators(ports=[port], PARLEY_LOG_LEVEL=QUIET) as (replica,):
            replica.ready()
            before = resident_bytes(replica.process.pid)
            authorities = plant.secret_data("parley-tls")["ca.crt"]
            with _client(place, port, authorities) as client:
                connected = client.answer()
                yield figure(quantity="streams connected", value=connected.count)
                yield figure(quantity="until all are, from their first attempt", value=connected.max_s, unit="s")
                say("changes")
                yield from _spread(figure, "a change, to its arrival", client.ask(f"change {COMPONENT}"))
                after = resident_bytes(replica.process.pid)
                yield figure(quantity="memory, nobody connected", value=before / MIB, unit="MiB")
                yield figure(quantity="memory, all connected", value=after / MIB, unit="MiB")
                yield figure(quantity="memory of one stream", value=(after - before) / STREAMS / 1024, unit="KiB")
                say("a restart of the operator")
                client.send("reconnect")
                replica.stop()
                with plant.operators(ports=[port], PARLEY_LOG_LEVEL=QUIET):
                    back = client.answer()
                    yield figure(quantity="restart: p50 until a stream is back", value=back.p50_s, unit="s")
                    yield figure(quantity="restart: until all are back", value=back.max_s, unit="s")


def _spread(figure: "partial[Figure]", what: str, took: Spread) -> Iterator[Figure]:
    yield figure(quantity=f"{what}, p50", value=took.p50_s, unit="s")
    yield figure(quantity=f"{what}, p99", value=took.p99_s, unit="s", must=1.0, reach=0.3)
    yield figure(quantity=f"{what}, the last of all", value=took.max_s, unit="s", must=2.0)


@contextmanager
def _client(place: Plain, port: int, authorities: str) -> Iterator[Client]:
    job = streams.Job(
        kubeconfig=str(place.cluster.kubeconfig),
        namespace=SPACE,
        selector=f"{LABEL}=streams",
        url=f"https://127.0.0.1:{port}",
        authorities=authorities,
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
