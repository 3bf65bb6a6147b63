"""The rows of gRPC: a bare server of grpc.aio and the sidecar, asked by turns as `rounds` asks those of HTTP.

`run` puts what comes out into the report. Latency is read with one call at a time, rate and CPU at 16 connections with
one call each, as over HTTP.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Literal

import msgspec

from bench.figures import MANY, ONE
from bench.grpc_load import GrpcJob
from bench.job import Result
from bench.machine import cpu_s
from bench.processes import Load, Running, free_port, listens, wait_until
from bench.rounds import WARM_EACH, Plan
from bench.rows import MEMORY_PROMPTS, PROMPT
from bench.servers import Surroundings
from parley_sidecar.rpc import ai_pb2

SERVICE: Final = "/dapr.proto.runtime.v1.Dapr"
BYTES: Final = "bare gRPC, bytes"
PROTOBUF: Final = "bare gRPC, protobuf"
ECHO: Final = "echo over gRPC"
ONE_FOR_MANY: Final = 4
"""With one call at a time a round has so many times the calls that each connection has with 16: enough for a p99."""

ServerName = Literal["floor", "sidecar"]


class GrpcSample(msgspec.Struct, frozen=True, kw_only=True):
    """One row in one round."""

    row: str
    round: int
    requests: int
    """Of both jobs."""
    p50_us: float
    p99_us: float
    """With one call at a time."""
    per_s: float
    cpu_us: float
    """With 16: CPU time of the server's process per call."""


def alpha1(component_name: str) -> bytes:
    """Return an alpha1 request with a prompt of 1 KiB, as bytes."""
    said = ai_pb2.ConversationInput(content=PROMPT)
    return ai_pb2.ConversationRequest(name=component_name, inputs=[said]).SerializeToString()


def alpha2(component_name: str) -> bytes:
    """Return an alpha2 request with the same prompt, as bytes."""
    asked = ai_pb2.ConversationRequestAlpha2(name=component_name)
    asked.inputs.add().messages.add().of_user.content.add(text=PROMPT)
    return asked.SerializeToString()


@dataclass(frozen=True, slots=True)
class GrpcRow:
    """One kind of call to one server."""

    name: str
    server: ServerName
    path: str
    message: bytes
    floor: str = ""
    """The row that it is compared with."""
    distinct: int = 0
    """Prompts come round again after this many; 0: each is new."""
    expected: str = "How do I"


_ALPHA2: Final = f"{SERVICE}/ConverseAlpha2"
GRPC_ROWS: Final = (
    GrpcRow(BYTES, "floor", "/bench.Floor/Bytes", alpha2("echo")),
    GrpcRow(PROTOBUF, "floor", "/bench.Floor/Protobuf", alpha2("echo")),
    GrpcRow("echo over gRPC, alpha1", "sidecar", f"{SERVICE}/ConverseAlpha1", alpha1("echo"), PROTOBUF),
    GrpcRow(ECHO, "sidecar", _ALPHA2, alpha2("echo"), PROTOBUF),
    GrpcRow("pass-through over gRPC", "sidecar", _ALPHA2, alpha2("plain"), PROTOBUF),
    GrpcRow(
        "hit in memory over gRPC", "sidecar", _ALPHA2, alpha2("near"), PROTOBUF, MEMORY_PROMPTS, "detail=memory"
    ),
)  # fmt: skip


def grpc_rows(around: Surroundings, plan: Plan) -> Iterator[GrpcSample]:
    """Measure every row in every round; raises BenchError when a server does not start or a single call fails."""
    with _serving(around) as servers, around.starter.load(around.cores.others, "bench.grpc_load") as load:
        rounds = _Rounds(servers, load, plan.grpc_each)
        for row in GRPC_ROWS:
            rounds.do(row, MANY, WARM_EACH, "")
        for number in range(plan.grpc_rounds):
            print(f"gRPC, round {number + 1} of {plan.grpc_rounds}", file=sys.stderr, flush=True)
            for row in GRPC_ROWS:
                yield rounds.measured(row, number)


@contextmanager
def _serving(around: Surroundings) -> Iterator[Mapping[ServerName, Running]]:
    """Run the floor and a sidecar meanwhile; both answer gRPC, and their ports are those of gRPC."""
    port, server = free_port(), around.sidecar()
    command = [sys.executable, "-m", "bench.grpc_floor", "--port", str(port)]
    start, core = around.starter.running, around.cores.server
    with (
        start("gRPC floor", command, port, core) as floor,
        start("sidecar", server.command, server.grpc_port, core) as sidecar,
    ):
        for running in (floor, sidecar):
            wait_until(running, "answer gRPC", partial(listens, running.port))
        Running(sidecar.name, sidecar.process, server.port, sidecar.log).wait_until_answers(server.ready_path)
        yield {"floor": floor, "sidecar": sidecar}


@dataclass(slots=True)
class _Rounds:
    servers: Mapping[ServerName, Running]
    load: Load
    each: int
    asked: dict[str, int] = field(default_factory=dict)
    """How many calls each row has had: its next prompt's number."""

    def measured(self, row: GrpcRow, number: int) -> GrpcSample:
        """Measure one row in one round."""
        self.do(row, MANY, WARM_EACH, "")
        pid = self.servers[row.server].pid
        before_s = cpu_s(pid)
        many = self.do(row, MANY, self.each, row.expected)
        cpu_us = (cpu_s(pid) - before_s) / many.requests * 1e6
        one = self.do(row, ONE, self.each * ONE_FOR_MANY, row.expected)
        return GrpcSample(
            row=row.name,
            round=number,
            requests=many.requests + one.requests,
            p50_us=one.p50_us,
            p99_us=one.p99_us,
            per_s=many.requests / many.duration_s,
            cpu_us=cpu_us,
        )

    def do(self, row: GrpcRow, connections: int, each: int, expected: str) -> Result:
        """Ask a row's next prompts."""
        first = self.asked.get(row.name, 0)
        self.asked[row.name] = first + connections * each
        job = GrpcJob(
            port=self.servers[row.server].port,
            path=row.path,
            message=row.message,
            connections=connections,
            each=each,
            first=first,
            distinct=row.distinct,
            expected=expected,
        )
        return self.load.do(job)
