"""The tables of the rows. Pure."""

from collections.abc import Callable, Sequence

from bench.cells import times, with_floor
from bench.figures import CROWD, MANY, Figure, RowFigures
from bench.report import GrpcFigures
from bench.table import Table


def rows(figures: Sequence[RowFigures]) -> Table:
    """Return the table of all rows."""
    heads = [
        "row",
        "added p50 us",
        "added p99 us",
        "requests/s",
        "p99 us, c=16",
        "CPU us/request",
        "noise CPUs",
        "compared with",
    ]
    cells = [
        [
            row.row,
            *map(with_floor, (row.added_p50_us, row.added_p99_us, row.per_s, row.p99_us, row.cpu_us)),
            f"{row.noise_cpus:.1f}",
            row.floor or "-",
        ]
        for row in figures
    ]
    return Table(
        f"Rows (latency at one connection, the rest at {MANY}; in brackets the ratio to the row in the last column)",
        heads,
        cells,
    )


def direct(figures: Sequence[RowFigures]) -> Table:
    """Return the table of the ratios to asking the stand-in."""
    quantities: tuple[Callable[[RowFigures], Figure], ...] = (
        lambda row: row.added_p50_us,
        lambda row: row.added_p99_us,
        lambda row: row.per_s,
        lambda row: row.cpu_us,
    )
    cells = [[row.row, *(times(read(row).to_direct) for read in quantities)] for row in figures]
    heads = ["row", "p50", "p99", "requests/s", "CPU"]
    return Table("The same as ratios to asking the stand-in directly", heads, cells)


def crowded(figures: Sequence[RowFigures]) -> Table:
    """Return the table of the rows that were measured at 64 connections too."""
    cells = [
        [row.row, *map(with_floor, (row.crowd.per_s, row.crowd.p99_us, row.crowd.cpu_us)), row.floor or "-"]
        for row in figures
        if row.crowd
    ]
    heads = ["row", "requests/s", "p99 us", "CPU us/request", "compared with"]
    return Table(f"At {CROWD} connections", heads, cells)


def grpc(figures: Sequence[GrpcFigures]) -> Table:
    """Return the table of the rows of gRPC."""
    cells = [
        [row.row, *map(with_floor, (row.p50_us, row.p99_us, row.per_s, row.cpu_us)), row.floor or "-"]
        for row in figures
    ]
    heads = ["row", "p50 us", "p99 us", "calls/s", "CPU us/call", "compared with"]
    return Table(f"gRPC (times with one call at a time, the rest at {MANY} connections)", heads, cells)
