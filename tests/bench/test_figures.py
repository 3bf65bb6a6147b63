"""Figures are medians of rounds, and ratios are taken within a round before the median."""

from bench.figures import Figure, figure, row_figures
from bench.rows import BARE_PROVIDER, BY_NAME, DIRECT, PASS_THROUGH
from tests.bench.samples import samples


def test_a_figure_is_a_median_and_a_median_ratio() -> None:
    """The ratio is the median of the rounds' ratios, not the ratio of the medians."""
    assert Figure(3.0, 2.0, 0.5) == figure([1, 3, 30], [1, 1.5, 2], [2, 6, 60])


def test_rounds_without_a_floor_have_no_ratio() -> None:
    """Where noise left nothing of the floor, or there is none, the ratio is None."""
    assert Figure(2.0) == figure([2, 2], [0, -1])


def test_a_row_is_judged_without_the_standins_own_time() -> None:
    """What is added at one connection is the row's latency less the direct one, of the floor row too."""
    figures = row_figures(list(samples()), BY_NAME[PASS_THROUGH], BY_NAME)

    assert Figure(250.0, 1.25, 3.5) == figures.added_p50_us
    assert Figure(500.0, 1.25, 3.5) == figures.added_p99_us


def test_a_row_under_load_is_judged_whole() -> None:
    """At sixteen connections nothing is subtracted."""
    figures = row_figures(list(samples()), BY_NAME[PASS_THROUGH], BY_NAME)

    assert Figure(260.0, 1.3, 5.2) == figures.cpu_us
    assert Figure(1000.0, 1.0, 1.0) == figures.per_s
    assert (700.0, BARE_PROVIDER, 2.0) == (figures.p99_us.value, figures.floor, figures.noise_cpus)


def test_the_direct_row_has_its_own_latency() -> None:
    """Nothing is subtracted from the row that all others are compared with."""
    figures = row_figures(list(samples()), BY_NAME[DIRECT], BY_NAME)

    assert Figure(100.0, None, 1.0) == figures.added_p50_us
