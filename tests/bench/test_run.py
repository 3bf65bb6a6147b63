"""A whole run in small: every row against the real servers, every answer the way that its row names."""

from bench.grpc_rows import GRPC_ROWS
from bench.inside import NAMES
from bench.rounds import Plan
from bench.rows import BARE, DIRECT, MEMORY_HIT, ROWS
from bench.run import measured, measured_rows
from bench.shown import text
from bench.stream_rows import CROWDS, STREAM_ROWS

SMALL = Plan(rounds=1, limit_s=60, one_each=2, many_each=2, starts=1, memory_requests=32, bursts=1, crowd_each=1)


def test_a_run_measures_every_row() -> None:
    """No request fails, and a report has all rows and the sidecar's process."""
    report = measured(SMALL)

    assert [row.name for row in ROWS] == [row.row for row in report.rows]
    assert [row.name for row in STREAM_ROWS] == [row.row for row in report.streams]
    assert [row.name for row in CROWDS] == [crowd.row for crowd in report.crowds]
    assert [row.name for row in GRPC_ROWS] == [row.row for row in report.grpc]
    assert {(1, 1), (2, 1)} == {(one.sidecars, one.calls) for one in report.flights}
    assert report.raw.inside
    assert set(NAMES) == {cost.name for cost in report.raw.inside.costs}
    assert {2, 32, 64} == {sample.requests for sample in report.raw.samples}
    assert report.scrapes
    assert report.scrapes.cpu_us.value > 0
    assert report.processes
    assert 32 == report.processes.requests
    assert report.processes.idle_bytes.value > 0


def test_a_run_of_some_rows_measures_nothing_else() -> None:
    """The rows that were chosen, with what they are compared with; tables and budgets are those of what there is."""
    report = measured_rows(SMALL, [MEMORY_HIT])

    assert [] == report.grpc
    assert [DIRECT, BARE, MEMORY_HIT] == [row.row for row in report.rows]
    assert ([], [], None, None) == (report.streams, report.flights, report.scrapes, report.processes)
    assert "Budgets" not in text(report)
