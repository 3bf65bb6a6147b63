"""A report: kept as JSON, shown as tables, judged against the budgets."""

from pathlib import Path

import msgspec
import pytest

from bench.budgets import Budget, Verdict, budgets
from bench.inside import RESTORE_PIECE
from bench.report import Report
from bench.shown import markdown, text
from bench.table import with_figures
from tests.bench.samples import report


@pytest.mark.parametrize(
    ("measured", "verdict"), [(1.1, "reached"), (1.2, "reached"), (1.3, "met"), (1.4, "missed"), (None, "unknown")]
)
def test_a_budget_is_judged(measured: float | None, verdict: Verdict) -> None:
    """A figure reaches, meets or misses; none at all is not a success."""
    assert verdict == Budget("CPU", "x", measured, must=1.35, reach=1.2).verdict


def test_budgets_take_their_figures_from_the_report() -> None:
    """Ratios are those to the floor rows, memory and time are the sidecar's own."""
    measured = [round(budget.measured or 0, 3) for budget in budgets(report())]

    assert [2.6, 1.3, 1.0, 0.5, 1.0, 520, 520, 780, 40, 4.2, 520, 520, 2, 71.0, 4.0, 0.5] == measured


def test_a_report_is_read_back_as_it_was_written() -> None:
    """The JSON has all that is needed to show the tables again."""
    again = msgspec.json.decode(msgspec.json.encode(report()), type=Report)

    assert text(report()) == text(again)


def test_the_text_has_value_and_ratio() -> None:
    """A cell shows the figure and its ratio to the floor row."""
    shown = next(line for line in text(report()).splitlines() if line.startswith("pass-through"))

    assert ["250", "(1.25x)", "500", "(1.25x)", "1,000", "(1.00x)", "700", "(1.17x)", "260", "(1.30x)", "2.0"] == (
        shown.split()[1:12]
    )


def test_the_text_has_bursts_and_what_hiding_costs() -> None:
    """How often the provider was asked, and what hits in memory would have cost instead."""
    shown = text(report()).splitlines()

    assert ["1", "20.0", "130", "1.30x"] == next(one for one in shown if one.startswith("100 to 1 sidecar ")).split()[
        4:
    ]
    assert ["520.0", "780.0", "2.00x"] == next(one for one in shown if one.startswith(RESTORE_PIECE)).split()[-3:]


def test_the_text_has_streams_and_scrapes() -> None:
    """What a stream adds, what many at once need, and what scrapes do to others."""
    shown = text(report()).splitlines()
    first = next(place for place, line in enumerate(shown) if line.startswith("Streams of 22 events, 3 ms apart"))
    cells = [line.split() for line in shown if line.startswith("streamed ")]

    assert ["500", "(1.25x)", "1,000", "(1.25x)", "0", "0", "1,000", "(1.25x)", "0.0"] == cells[0][1:10]
    assert ["20,000", "(2.00x)", "40,000", "(2.00x)", "2,000", "(2.00x)", "100.0", "120.0", "102"] == cells[1][1:10]
    assert ["1,300", "1.30x"] == next(line for line in shown if line.startswith("p99 us  ")).split()[2:]
    assert first > 0


def test_the_text_has_the_rows_of_grpc() -> None:
    """Times, rate and CPU of a call, with the ratio to the bare server."""
    shown = next(line for line in text(report()).splitlines() if line.startswith("echo over gRPC  "))

    assert ["300", "(1.00x)", "400", "(1.00x)", "2,000", "(1.00x)", "150", "(1.50x)"] == shown.split()[3:11]


def test_the_text_has_the_rows_of_a_crowd() -> None:
    """Rate, p99 and CPU at 64 connections."""
    shown = text(report()).splitlines()
    begin = shown.index("At 64 connections")

    assert ["1,000", "(1.00x)", "700", "(1.17x)", "260", "(1.30x)"] == next(
        line.split()[1:7] for line in shown[begin:] if line.startswith("pass-through")
    )


def test_the_text_says_where_it_ran() -> None:
    """Machine, versions, rounds and noise stand above the tables."""
    head = text(report()).split("\n\n")[0]

    assert "commit abc: 3 rounds in 60 s" in head
    assert "cores used: 2, the server under test alone on one; Linux 6.1" in head
    assert "Other things kept 0.00 CPUs busy" in head


def test_the_page_has_room_for_the_figures() -> None:
    """docs/performance.md has the marks between which the figures go."""
    page = Path("docs/performance.md").read_text()

    assert markdown(report()) in with_figures(page, markdown(report()))
