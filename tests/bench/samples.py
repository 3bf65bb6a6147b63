"""Made-up measurements with figures that can be checked in the head."""

from collections.abc import Iterator

import msgspec

from bench.crowds import Crowd
from bench.figures import CROWD, MANY, ONE, Sample
from bench.flights import Flight
from bench.grpc_rows import ECHO, GRPC_ROWS, GrpcSample
from bench.inside import NAMES, Cost, Inside
from bench.job import StreamTimes
from bench.machine import Cores, Description
from bench.report import Raw, Report, crowds_of, flights_of, grpc_of, processes_of, rows_of, scrapes_of, streams_of
from bench.rounds import Plan
from bench.rows import BARE_PROVIDER, DIRECT, PASS_THROUGH, ROWS
from bench.scrapes import Load, Scrape
from bench.starts import Memory, Start
from bench.stream_rows import BARE_STREAM, CROWDS, DIRECT_STREAM, STREAM, STREAM_ROWS

MIB = 1024 * 1024
P50_US = {DIRECT: 100.0, BARE_PROVIDER: 300.0, PASS_THROUGH: 350.0}
CPU_US = {DIRECT: 50.0, BARE_PROVIDER: 200.0, PASS_THROUGH: 260.0, BARE_STREAM: 800.0, STREAM: 1000.0}
FIRST_US = {DIRECT_STREAM: 200.0, BARE_STREAM: 600.0, STREAM: 700.0}


def sample(row: str, number: int, connections: int, slowed: float = 1.0) -> Sample:
    """Return one sample; `slowed` is what the machine's noise makes of it."""
    return Sample(
        row=row,
        round=number,
        connections=connections,
        requests=100,
        p50_us=P50_US.get(row, 150.0) * slowed,
        p99_us=2 * P50_US.get(row, 150.0) * slowed,
        per_s=1000 / slowed,
        cpu_us=CPU_US.get(row, 100.0) * slowed,
        noise_cpus=slowed - 1,
    )


def samples() -> Iterator[Sample]:
    """Return three rounds of all rows; in the last everything takes three times as long."""
    for number, slowed in enumerate((1.0, 1.0, 3.0)):
        for row in ROWS:
            yield sample(row.name, number, ONE, slowed)
            yield sample(row.name, number, MANY, slowed)
            if row.is_crowded:
                yield sample(row.name, number, CROWD, slowed)


def stream_samples() -> Iterator[Sample]:
    """Return one round of all rows of streams."""
    for row in STREAM_ROWS:
        first_us = FIRST_US.get(row.name, 900.0)
        times = StreamTimes(first_p50_us=first_us, first_p99_us=2 * first_us, gap_p50_us=3000, gap_p99_us=4000)
        for connections in (ONE, MANY):
            yield msgspec.structs.replace(sample(row.name, 0, connections), stream=times)


def crowd(row: str, times: int) -> Crowd:
    """Return what many streams at once cost, so many times over."""
    return Crowd(
        row=row,
        number=0,
        first_p50_us=10_000.0 * times,
        first_p99_us=20_000.0 * times,
        cpu_us=1_000.0 * times,
        before_bytes=50 * MIB * times,
        peak_bytes=60 * MIB * times,
    )


def called(row: str) -> GrpcSample:
    """Return one sample of gRPC."""
    cpu_us = 150 if row == ECHO else 100
    return GrpcSample(row=row, round=0, requests=20, p50_us=300, p99_us=400, per_s=2000, cpu_us=cpu_us)


def load(p99_us: float) -> Load:
    """Return what came of a load."""
    return Load(p50_us=500, p99_us=p99_us, max_us=2 * p99_us, per_s=4000)


def raw() -> Raw:
    """Return a whole run's measurements."""
    return Raw(
        samples=list(samples()),
        streams=list(stream_samples()),
        crowds=[crowd(row.name, times) for times, row in enumerate(CROWDS, 1)],
        grpc=[called(row.name) for row in GRPC_ROWS],
        scrapes=[Scrape(number=0, unscraped=load(1000), scraped=load(1300), cpu_us=900)],
        flights=[
            Flight(sidecars=1, calls=1, added_ms=20, cpu_us=130, hit_cpu_us=100),
            Flight(sidecars=2, calls=2, added_ms=30, cpu_us=150, hit_cpu_us=100),
        ],
        inside=Inside(
            costs=[Cost(name=name, p50_us=520.0, p95_us=780.0) for name in NAMES],
            hostile="digits",
            hostile_ms=40.0,
            growth=4.2,
        ),
        starts=[
            Start(server="floor", number=0, ready_s=0.2, first_answer_s=0.25, idle_bytes=50 * MIB, cpu_s=0.2),
            Start(server="sidecar", number=0, ready_s=0.3, first_answer_s=0.5, idle_bytes=70 * MIB, cpu_s=0.4),
        ],
        memory=[
            Memory(server="floor", requests=1000, first_bytes=50 * MIB, after_bytes=52 * MIB),
            Memory(server="sidecar", requests=1000, first_bytes=71 * MIB, after_bytes=75 * MIB),
        ],
    )


def report() -> Report:
    """Return a whole report."""
    measured = raw()
    return Report(
        time="2026-01-02T03:04:05+00:00",
        seconds=60,
        machine=Description(
            cpu="a CPU",
            cores=Cores((0,), (1,), pinned=True),
            kernel="6.1",
            python="3.11.7",
            versions={"aiohttp": "3.14"},
            commit="abc",
            load_average=0.5,
        ),
        plan=Plan(rounds=3, limit_s=1, one_each=1, many_each=1, starts=1, memory_requests=1000, bursts=1),
        rows=rows_of(measured),
        streams=streams_of(measured),
        crowds=crowds_of(measured),
        flights=flights_of(measured),
        scrapes=scrapes_of(measured),
        grpc=grpc_of(measured),
        processes=processes_of(measured),
        raw=measured,
    )
