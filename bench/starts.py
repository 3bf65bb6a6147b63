"""Starts and memory of the sidecar and the floor server: processes of their own, started for it in turns."""

import sys
import time
from collections.abc import Iterator
from typing import Final

import msgspec

from bench.figures import MANY
from bench.job import PLACE, Job
from bench.machine import cpu_s, resident_bytes
from bench.processes import Load
from bench.rounds import Plan
from bench.rows import ServerName
from bench.servers import Server, Surroundings


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """One start, in seconds from the command on, and what is resident then."""

    server: ServerName
    number: int
    ready_s: float
    first_answer_s: float
    """Of the provider, by way of the server."""
    idle_bytes: int
    """When it is ready, before the first request."""
    cpu_s: float = 0.0
    """What all of it took of the CPU: unlike its time, nearly the same on a busy machine."""


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What a server has resident after its first requests, and after many more with a new prompt each."""

    server: ServerName
    requests: int
    """How many lie between the two."""
    first_bytes: int
    """After the first: what is loaded only when it is used is in memory then."""
    after_bytes: int


def compile_first(around: Surroundings) -> None:
    """Start each server once for its bytecode, which an image holds already."""
    print("compiling", file=sys.stderr, flush=True)
    for server in (around.floor(), around.sidecar()):
        _start(around, server, 0)


def starts(around: Surroundings, plan: Plan) -> Iterator[Start]:
    """Start the servers by turns."""
    print(f"{plan.starts} starts of each server", file=sys.stderr, flush=True)
    for number in range(plan.starts):
        for server in (around.floor(), around.sidecar()):
            yield _start(around, server, number)


def memory(around: Surroundings, plan: Plan, load: Load) -> Iterator[Memory]:
    """Ask a fresh server of each kind many times."""
    print(f"memory over {plan.memory_requests} requests", file=sys.stderr, flush=True)
    for server in (around.floor(), around.sidecar()):
        with around.running(server) as running:
            running.wait_until_answers(server.ready_path)
            load.do(_many(server, FIRST_EACH))
            first_bytes = resident_bytes(running.pid)
            result = load.do(_many(server, plan.memory_requests // MANY))
            after_bytes = resident_bytes(running.pid)
        yield Memory(server=server.name, requests=result.requests, first_bytes=first_bytes, after_bytes=after_bytes)


def _start(around: Surroundings, server: Server, number: int) -> Start:
    began_s = time.monotonic()
    with around.running(server) as running:
        running.wait_until_answers(server.ready_path)
        ready_s = time.monotonic() - began_s
        idle_bytes = resident_bytes(running.pid)
        running.wait_until_answers(server.work.path, server.work.body.replace(PLACE, FIRST_NUMBER))
        first_answer_s = time.monotonic() - began_s
        used_s = cpu_s(running.pid)
    return Start(
        server=server.name,
        number=number,
        ready_s=ready_s,
        first_answer_s=first_answer_s,
        idle_bytes=idle_bytes,
        cpu_s=used_s,
    )


def _many(server: Server, each: int) -> Job:
    row = server.work
    return Job(port=server.port, path=row.path, body=row.body, connections=MANY, each=each, expected=row.expected)


FIRST_NUMBER: Final = "0" * len(PLACE)
FIRST_EACH: Final = 10
"""Requests on each of 16 connections before memory is read for the first time."""
