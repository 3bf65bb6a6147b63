"""What requests ask of the one Redis that sidecars share: commands, its CPU time and memory, and connections.

Two real sidecars, a real redis-server, and the bench's components: what one of them keeps is a hit of the other.
"""

import csv
import itertools
import os
import socket
import subprocess
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from http.client import HTTPConnection
from typing import Any, Final

import redis

from bench.cluster.figures import Figure
from bench.cluster.places import say
from bench.components import flight_path
from bench.job import PLACE
from bench.machine import cores, cpu_s
from bench.processes import BenchError, Running, Starter
from bench.rows import IN_ROOM, TEXT_MESSAGE, TURNS, converse
from bench.run import CONTEXT_KEY
from bench.servers import surroundings
from parley_sidecar.settings import CONTEXT_KEY_BYTES

ANSWERS: Final = 400
ROOMS: Final = 20
AT_ONCE: Final = 20
"""Equal requests of one flight, half of them at each sidecar."""
FLIGHTS: Final = 5
IDLE_S: Final = 5.0
CONNECTIONS: Final = 200
NOT_OURS: Final = frozenset({"info", "client|setname", "client|setinfo", "hello", "config|resetstat"})
BENCHMARK: Final = ("-n", "100000", "-c", "50", "-P", "1", "-d", "1024", "-t", "get,set", "--csv")
Ask = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Taken:
    """What some requests took of Redis."""

    commands: Mapping[str, int]
    """Those that scripts call among them."""
    cpu_s: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Shared:
    """The Redis, looked at from beside."""

    running: Running
    client: "redis.Redis"

    def during(self, ask: Ask) -> Taken:
        """Do it, and return what it took; what the client looks with is left out."""
        before, before_s = self._commands(), cpu_s(self.running.pid)
        memory = self._info("memory")["used_memory"]
        ask()
        used_s = cpu_s(self.running.pid) - before_s
        memory = self._info("memory")["used_memory"] - memory
        return Taken(counted(before, self._commands()), used_s, memory)

    def connections(self) -> int:
        """Return how many there are beside the one that asks."""
        return int(self._info("clients")["connected_clients"]) - 1

    def _commands(self) -> dict[str, int]:
        stats = self._info("commandstats").items()
        return {name.removeprefix("cmdstat_"): int(stat["calls"]) for name, stat in stats}

    def _info(self, section: str) -> dict[str, Any]:
        return dict(self.client.info(section))


def counted(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Return the calls in between, the most frequent first; not those of whoever looks. Pure."""
    calls = {name: count - before.get(name, 0) for name, count in after.items() if name not in NOT_OURS}
    return {name: count for name, count in sorted(calls.items(), key=lambda call: -call[1]) if count > 0}


def rates(text: str) -> dict[str, float]:
    """Return the requests per second of redis-benchmark's CSV, by test. Pure."""
    return {row["test"]: float(row["rps"]) for row in csv.DictReader(text.splitlines())}


def sharing(starter: Starter) -> Iterator[Figure]:
    """Measure each kind of request by itself, one after the other."""
    key = b64encode(os.urandom(CONTEXT_KEY_BYTES)).decode()
    told = replace(starter, variables={**starter.variables, CONTEXT_KEY: key})
    with (
        surroundings(told, cores(os.sched_getaffinity(0))) as around,
        around.running(around.sidecar()) as one,
        around.running(around.sidecar("second sidecar")) as other,
    ):
        for each in (one, other):
            each.wait_until_answers("/v1.0/healthz/outbound")
        shared = Shared(around.redis, redis.Redis(port=around.redis.port))
        yield from _kinds(shared, one, other)
        yield from _idle(shared)
        yield from _flights(shared, one, other)
        yield from _connections(shared)
        yield from _rates(around.redis.port)


def _kinds(shared: Shared, one: Running, other: Running) -> Iterator[Figure]:
    figure = partial(Figure, run="redis")
    missed, room = converse("missed"), converse("kept")
    _ask(one, missed, [_numbered(TEXT_MESSAGE, ANSWERS)])  # scripts and epochs are there
    _ask(other, missed, [_numbered(TEXT_MESSAGE, ANSWERS)])
    prompts = [_numbered(TEXT_MESSAGE, number) for number in range(ANSWERS)]
    taken = shared.during(lambda: _ask(one, missed, prompts))
    yield from _figures("a miss that is kept", taken, ANSWERS)
    yield figure(quantity="memory of a kept answer of 1 KiB", value=taken.memory_bytes / ANSWERS / 1024, unit="KiB")
    yield from _figures("a hit in Redis", shared.during(lambda: _ask(other, missed, prompts)), ANSWERS)
    yield from _figures("a hit in memory", shared.during(lambda: _ask(other, missed, prompts)), ANSWERS)
    turns = [_numbered(IN_ROOM, number) for number in range(ROOMS)] * TURNS
    taken = shared.during(lambda: _ask(one, room, turns))
    yield from _figures("a turn in a room", taken, len(turns))
    yield figure(
        quantity=f"memory of a room of {TURNS} turns of 2 KiB", value=taken.memory_bytes / ROOMS / 1024, unit="KiB"
    )


def _idle(shared: Shared) -> Iterator[Figure]:
    """Count what comes by itself, shortly after the last request."""
    figure = partial(Figure, run="redis")
    taken = shared.during(lambda: time.sleep(IDLE_S))
    per_s = sum(taken.commands.values()) / IDLE_S / 2
    quantity = f"by itself, of each sidecar: commands{_named(taken, round(2 * IDLE_S))}"
    yield figure(quantity=quantity, value=per_s, unit="/s")
    yield figure(quantity="connections of each sidecar, after one request at a time", value=shared.connections() / 2)


def _flights(shared: Shared, one: Running, other: Running) -> Iterator[Figure]:
    def fly() -> None:
        for number in range(FLIGHTS):
            prompt = [_numbered(TEXT_MESSAGE, -number)]
            with ThreadPoolExecutor(AT_ONCE) as callers:
                turns = itertools.islice(itertools.cycle((one, other)), AT_ONCE)
                asked = [callers.submit(_ask, sidecar, flight_path(), prompt) for sidecar in turns]
            for each in asked:
                each.result()

    kind = f"one of {AT_ONCE} equal requests at once, to two sidecars"
    yield from _figures(kind, shared.during(fly), FLIGHTS * AT_ONCE)
    yield Figure(run="redis", quantity="connections of each sidecar, after these", value=shared.connections() / 2)


def _connections(shared: Shared) -> Iterator[Figure]:
    """Connect often, as others than sidecars: what Redis holds for each."""
    figure = partial(Figure, run="redis", unit="KiB")
    with ExitStack() as connected:

        def connect() -> None:
            for _ in range(CONNECTIONS):
                connection = connected.enter_context(socket.create_connection(("127.0.0.1", shared.running.port)))
                connection.sendall(b"PING\r\n")
                connection.recv(16)

        used = shared.during(connect).memory_bytes
        idle = used + shared.during(lambda: time.sleep(IDLE_S)).memory_bytes
    yield figure(quantity="memory of a connection, just used", value=used / CONNECTIONS / 1024)
    yield figure(quantity=f"memory of a connection, idle for {IDLE_S:.0f} s", value=idle / CONNECTIONS / 1024)


def _rates(port: int) -> Iterator[Figure]:
    say("redis-benchmark")
    command = ["redis-benchmark", "-h", "127.0.0.1", "-p", str(port), *BENCHMARK]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise BenchError(f"redis-benchmark: {done.stderr.strip()}")
    for test, per_s in rates(done.stdout).items():
        yield Figure(run="redis", quantity=f"redis-benchmark, 50 connections: {test} of 1 KiB", value=per_s, unit="/s")


def _figures(kind: str, taken: Taken, requests: int) -> Iterator[Figure]:
    figure = partial(Figure, run="redis")
    commands = sum(taken.commands.values()) / requests
    yield figure(quantity=f"{kind}: commands{_named(taken, requests)}", value=commands)
    yield figure(quantity=f"{kind}: CPU of Redis", value=taken.cpu_s / requests * 1e6, unit="us")


def _named(taken: Taken, requests: int) -> str:
    """Name the commands, with the number for each request."""
    each = [f"{calls / requests:.1f} {name}" for name, calls in taken.commands.items() if calls >= requests / 20]
    return f" ({', '.join(each)})" if each else ""


def _numbered(body: str, number: int) -> str:
    return body.replace(PLACE, f"{number:09d}")


def _ask(sidecar: Running, path: str, bodies: Sequence[str]) -> None:
    """Ask one after the other on one connection; raises BenchError unless each answer is a success."""
    connection = HTTPConnection("127.0.0.1", sidecar.port, timeout=30)
    for body in bodies:
        connection.request("POST", path, body.encode(), {"Content-Type": "application/json"})
        reply = connection.getresponse()
        said = reply.read()
        if reply.status != 200:
            raise BenchError(f"{path}: {reply.status} {said[:200]!r}")
    connection.close()
