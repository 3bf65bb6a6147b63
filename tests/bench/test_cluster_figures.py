"""What a cluster run says: verdicts, histograms, tables. Pure."""

from collections.abc import Sequence
from math import inf

import pytest

from bench.cluster.figures import Figure, Report, RunReport, Verdict, quantile_of_buckets
from bench.cluster.flood import samples
from bench.cluster.shown import markdown, text
from bench.machine import Cores, Description

MACHINE = Description(
    cpu="a processor",
    cores=Cores((0,), (1,), pinned=True),
    kernel="6.1",
    python="3.11",
    versions={},
    commit="abc",
    load_average=0.5,
)
FIGURES = (
    Figure(run="r", quantity="pods without a sidecar", value=0, must=0),
    Figure(run="r", quantity="p99", value=31.256, unit="ms", must=20, reach=10),
    Figure(run="r", quantity="rate", value=2512.4, unit="/s", must=1500, reach=3000, more_is_better=True),
    Figure(run="r", quantity="memory", value=118, unit="MiB"),
)


def report(figures: Sequence[Figure] = FIGURES, failure: str = "") -> Report:
    """Return a report of one run."""
    run = RunReport(name="pods", meaning="many pods", seconds=12.3, busy_cpus=1.25, figures=figures, failure=failure)
    return Report(time="2026-01-01T00:00:00+00:00", command="bench", machine=MACHINE, runs=[run])


@pytest.mark.parametrize(
    ("value", "must", "reach", "verdict"),
    [(5, None, None, ""), (5, 10, 5, "reached"), (6, 10, 5, "met"), (11, 10, 5, "missed"), (0, 0, None, "reached")],
)
def test_a_budget_is_kept_from_below(value: float, must: float | None, reach: float | None, verdict: Verdict) -> None:
    """What costs is judged by its limit and its goal, which are one where there is no goal; else nothing is said."""
    assert verdict == Figure(run="r", quantity="q", value=value, must=must, reach=reach).verdict


@pytest.mark.parametrize(("value", "verdict"), [(3000, "reached"), (1500, "met"), (1499, "missed")])
def test_a_rate_is_kept_from_above(value: float, verdict: Verdict) -> None:
    """Of what is better the more of it there is, the budgets are the least."""
    assert verdict == Figure(run="r", quantity="q", value=value, must=1500, reach=3000, more_is_better=True).verdict


@pytest.mark.parametrize(
    ("buckets", "share", "value"),
    [
        ([(0.01, 80.0), (0.1, 100.0), (inf, 100.0)], 0.9, 0.055),
        ([(inf, 100.0), (0.1, 100.0), (0.01, 80.0)], 0.8, 0.01),
        ([(0.01, 80.0), (inf, 100.0)], 0.9, 0.01),
        ([(0.01, 0.0), (inf, 0.0)], 0.99, 0.0),
        ([], 0.99, 0.0),
    ],
)
def test_a_histograms_quantile(buckets: list[tuple[float, float]], share: float, value: float) -> None:
    """It lies in its bucket as far as its share of it, whatever their order; 0 where there are no values."""
    assert value == pytest.approx(quantile_of_buckets(buckets, share))


def test_samples_are_chosen_by_name_and_label() -> None:
    """Other metrics, other labels and comments are left out."""
    metrics = '# HELP calls_total of calls\ncalls_total{to="us"} 3\ncalls_total{to="them"} 4\nother{to="us"} 5\n'

    assert [('calls_total{to="us"}', 3.0)] == list(samples(metrics, "calls_total", 'to="us"'))


def test_a_terminal_gets_every_figure() -> None:
    """Each has its value with its unit, its budgets, and the verdict."""
    lines = text(report()).splitlines()

    assert "pods: many pods (12 s, 1.2 CPUs busy)" in lines
    assert ["p99", "31.26", "ms", "<=", "20", "<=", "10", "missed"] in [line.split() for line in lines]
    assert ["rate", "2,512", "/s", ">=", "1,500", ">=", "3,000", "met"] in [line.split() for line in lines]
    assert ["memory", "118", "MiB", "-", "-"] in [line.split() for line in lines]


def test_a_page_gets_the_circumstances() -> None:
    """Machine, commit and command stand before the tables."""
    page = markdown(report())

    assert page.startswith("2026-01-01T00:00:00+00:00, commit abc: `bench`.\na processor, cores used: 2,")
    assert "| pods without a sidecar | 0 | <= 0 | - | reached |" in page


def test_a_run_that_failed_says_why() -> None:
    """It counts as missed, and does not look like a run without budgets."""
    page = markdown(report((), "BenchError: nobody answers"))

    assert "| failed: BenchError: nobody answers | - | - | - | missed |" in page
