"""The tables of streams, and of scrapes under load. Pure."""

from collections.abc import Sequence

from bench.cells import mib, times, whole, with_floor
from bench.crowds import STREAMS
from bench.figures import Figure, StreamFigures
from bench.report import CrowdOfStreams, ScrapeFigures
from bench.scrapes import COMPONENTS, PER_S
from bench.stream_rows import EVENTS, PAUSE_MS
from bench.table import Table


def streams(figures: Sequence[StreamFigures]) -> Table:
    """Return the table of the rows of streams."""
    cells = [
        [
            row.row,
            *map(with_floor, (row.added_first_p50_us, row.added_first_p99_us)),
            *map(whole, (row.added_gap_p50_us, row.added_gap_p99_us)),
            with_floor(row.cpu_us),
            f"{row.noise_cpus:.1f}",
            row.floor or "-",
        ]
        for row in figures
    ]
    heads = [
        "row",
        "first event, added p50 us",
        "added p99 us",
        "gap, added p50 us",
        "added p99 us",
        "CPU us/stream",
        "noise CPUs",
        "compared with",
    ]
    return Table(
        f"Streams of {EVENTS} events, {PAUSE_MS} ms apart (times at one connection, CPU at 16)",
        heads,
        cells,
    )


def crowds(figures: Sequence[CrowdOfStreams]) -> Table:
    """Return the table of many streams at once."""
    cells = [
        [
            crowd.row,
            *map(with_floor, (crowd.first_p50_us, crowd.first_p99_us, crowd.cpu_us)),
            mib(crowd.before_bytes),
            mib(crowd.peak_bytes),
            f"{(crowd.peak_bytes.value - crowd.before_bytes.value) / STREAMS / 1024:.0f}",
        ]
        for crowd in figures
    ]
    heads = [
        "row",
        "first event p50 us",
        "p99 us",
        "CPU us/stream",
        "memory before, MiB",
        "most meanwhile, MiB",
        "KiB/stream",
    ]
    return Table(
        f"{STREAMS} streams at once, all of which ended (in brackets the ratio to the bare route)", heads, cells
    )


def scrapes(figures: ScrapeFigures | None) -> Table:
    """Return the table of the load with scrapes, beside the same without."""
    cells: list[list[str]] = []
    if figures:
        cells = [
            _compared("p50 us", figures.p50_us),
            _compared("p99 us", figures.p99_us),
            _compared("slowest request, us", figures.max_us),
            _compared("requests/s", figures.per_s),
            ["CPU of a scrape, us", whole(figures.cpu_us), "-"],
        ]
    heads = [f"pass-through at 16 connections, {COMPONENTS} components", f"{PER_S} scrapes a second", "to none"]
    return Table("Metrics scraped under load", heads, cells)


def _compared(name: str, figure: Figure) -> list[str]:
    return [name, whole(figure), times(figure.to_floor)]
