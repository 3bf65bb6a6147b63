"""Made-up measurements with figures that can be checked in the head."""

from collections.abc import Iterator

from bench.figures import MANY, ONE, Sample
from bench.flights import Flight
from bench.inside import NAMES, Cost, Inside
from bench.machine import Cores, Description
from bench.report import Raw, Report, flights_of, processes_of, rows_of
from bench.rounds import Plan
from bench.rows import BARE_PROVIDER, DIRECT, PASS_THROUGH, ROWS
from bench.starts import Memory, Start

MIB = 1024 * 1024
P50_US = {DIRECT: 100.0, BARE_PROVIDER: 300.0, PASS_THROUGH: 350.0}
CPU_US = {DIRECT: 50.0, BARE_PROVIDER: 200.0, PASS_THROUGH: 260.0}


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


def raw() -> Raw:
    """Return a whole run's measurements."""
    return Raw(
        samples=list(samples()),
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
            Start(server="floor", number=0, ready_s=0.2, first_answer_s=0.25, idle_bytes=50 * MIB),
            Start(server="sidecar", number=0, ready_s=0.3, first_answer_s=0.5, idle_bytes=70 * MIB),
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
        flights=flights_of(measured),
        processes=processes_of(measured),
        raw=measured,
    )
