"""Many streams at once: each ends as it should, and what they cost meanwhile."""

import sys
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from bench.job import Job
from bench.machine import cpu_s, forget_peak, peak_bytes, resident_bytes
from bench.processes import Load, Running
from bench.rows import Row, ServerName
from bench.stream_rows import CROWDS

STREAMS: Final = 200
"""At once, each on a connection of its own."""


class Crowd(msgspec.Struct, frozen=True, kw_only=True):
    """One crowd."""

    row: str
    number: int
    first_p50_us: float
    """Until the first event."""
    first_p99_us: float
    cpu_us: float
    """Of the server per stream, the opening of its connection included."""
    before_bytes: int
    """What the server had in memory before the first request."""
    peak_bytes: int
    """The most that it had meanwhile."""


def crowds(servers: Mapping[ServerName, Running], load: Load, number: int) -> Iterator[Crowd]:
    """Ask for many streams at once, by turns of the floor and the sidecar; raises BenchError if one does not end."""
    print(f"{number} crowds of {STREAMS} streams", file=sys.stderr, flush=True)
    for place in range(number):
        for row in CROWDS:
            yield _crowd(row, servers[row.server], load, place)


def _crowd(row: Row, server: Running, load: Load, number: int) -> Crowd:
    forget_peak(server.pid)
    before_bytes, before_s = resident_bytes(server.pid), cpu_s(server.pid)
    job = Job(
        port=server.port,
        path=row.path,
        body=row.body,
        connections=STREAMS,
        first=number * STREAMS,
        expected=row.expected,
        events=row.events,
        ending=row.ending,
    )
    result = load.do(job)
    assert result.stream is not None
    return Crowd(
        row=row.name,
        number=number,
        first_p50_us=result.stream.first_p50_us,
        first_p99_us=result.stream.first_p99_us,
        cpu_us=(cpu_s(server.pid) - before_s) / STREAMS * 1e6,
        before_bytes=before_bytes,
        peak_bytes=peak_bytes(server.pid),
    )
