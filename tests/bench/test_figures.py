"""Figures are medians of rounds, and ratios are taken within a round before the median."""

from bench.figures import CrowdFigures, Figure, figure, row_figures
from bench.report import crowds_of, scrapes_of, streams_of
from bench.rows import BARE_PROVIDER, BY_NAME, DIRECT, OPENAI, PASS_THROUGH
from bench.stream_rows import DIRECT_STREAM, STREAM
from tests.bench.samples import MIB, raw, samples


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


def test_some_rows_are_judged_in_a_crowd() -> None:
    """What was measured at 64 connections is compared with the floor there; of other rows there is nothing."""
    crowded = row_figures(list(samples()), BY_NAME[PASS_THROUGH], BY_NAME).crowd

    assert (
        CrowdFigures(per_s=Figure(1000.0, 1.0), p99_us=Figure(700.0, 700 / 600), cpu_us=Figure(260.0, 1.3)) == crowded
    )
    assert row_figures(list(samples()), BY_NAME[OPENAI], BY_NAME).crowd is None


def test_a_stream_is_judged_by_what_it_adds() -> None:
    """The first event and the gaps are told without what the stand-in takes, CPU whole."""
    streams = {row.row: row for row in streams_of(raw())}

    assert Figure(500.0, 1.25, 3.5) == streams[STREAM].added_first_p50_us
    assert Figure(1000.0, 1.25, 3.5) == streams[STREAM].added_first_p99_us
    assert (0.0, 0.0) == (streams[STREAM].added_gap_p50_us.value, streams[STREAM].added_gap_p99_us.value)
    assert (1000.0, 1.25) == (streams[STREAM].cpu_us.value, streams[STREAM].cpu_us.to_floor)
    assert Figure(200.0, None, 1.0) == streams[DIRECT_STREAM].added_first_p50_us


def test_crowds_of_streams_are_compared_with_the_floors() -> None:
    """The floor's has no ratio, the sidecar's has one to it."""
    floor, own = crowds_of(raw())

    assert (Figure(1000.0), Figure(2000.0, 2.0)) == (floor.cpu_us, own.cpu_us)
    assert Figure(120.0 * MIB, 2.0) == own.peak_bytes


def test_scrapes_are_compared_with_the_same_load_without() -> None:
    """The ratio is what a scrape does to others; its own CPU has none."""
    scrapes = scrapes_of(raw())

    assert scrapes
    assert (Figure(1300.0, 1.3), Figure(2600.0, 1.3), Figure(900.0)) == (scrapes.p99_us, scrapes.max_us, scrapes.cpu_us)
