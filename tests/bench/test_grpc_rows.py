"""The rows of gRPC in small: each against the real servers, every answer the way that its row names."""

import os

from bench.grpc_rows import GRPC_ROWS, ONE_FOR_MANY, grpc_rows
from bench.machine import cores
from bench.rounds import Plan
from bench.run import started

SMALL = Plan(
    rounds=1, limit_s=60, one_each=2, many_each=2, starts=1, memory_requests=32, bursts=1, grpc_rounds=2, grpc_each=3
)


def test_every_row_is_measured_in_every_round() -> None:
    """No call fails; a row's figures are of the calls that it was given."""
    with started(cores(os.sched_getaffinity(0))) as (around, _):
        samples = list(grpc_rows(around, SMALL))

    assert [(row.name, number) for number in (0, 1) for row in GRPC_ROWS] == [(one.row, one.round) for one in samples]
    assert {(16 + ONE_FOR_MANY) * 3} == {one.requests for one in samples}
    assert all(0 < one.p50_us <= one.p99_us and one.cpu_us > 0 and one.per_s > 0 for one in samples)


def test_a_row_is_compared_with_a_row() -> None:
    """Names are unique, and a floor is a row of the floor server."""
    by_name = {row.name: row for row in GRPC_ROWS}

    assert len(GRPC_ROWS) == len(by_name)
    assert {"floor"} == {by_name[row.floor].server for row in GRPC_ROWS if row.floor}
    assert {"sidecar"} == {row.server for row in GRPC_ROWS if row.floor}
