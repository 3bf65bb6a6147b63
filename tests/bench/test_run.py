"""A whole run in small: every row against the real servers, every answer the way that its row names."""

from bench.inside import NAMES
from bench.rounds import Plan
from bench.rows import ROWS
from bench.run import measured

SMALL = Plan(rounds=1, limit_s=60, one_each=2, many_each=2, starts=1, memory_requests=32, bursts=1)


def test_a_run_measures_every_row() -> None:
    """No request fails, and a report has all rows and the sidecar's process."""
    report = measured(SMALL)

    assert [row.name for row in ROWS] == [row.row for row in report.rows]
    assert {(1, 1), (2, 1)} == {(one.sidecars, one.calls) for one in report.flights}
    assert set(NAMES) == {cost.name for cost in report.raw.inside.costs}
    assert {2, 32} == {sample.requests for sample in report.raw.samples}
    assert 32 == report.processes.requests
    assert report.processes.idle_bytes.value > 0
