"""A made-up run with peers, with figures that can be checked in the head."""

from bench.figures import MANY, ONE
from bench.machine import Cores, Description
from bench.peers.kinds import Kind
from bench.peers.report import STANDIN, Burst, Report, Sample, Start

MIB = 1024 * 1024
P50_US = {STANDIN: 100.0, "parley": 300.0, "daprd": 500.0, "litellm": 8100.0}
CPU_US = {STANDIN: 20.0, "parley": 150.0, "daprd": 300.0, "litellm": 6000.0}
KINDS = {
    STANDIN: (Kind.PASS, Kind.PASS_OPENAI, Kind.STREAM),
    "parley": (Kind.PASS, Kind.PASS_OPENAI, Kind.MEMORY, Kind.REDIS, Kind.STREAM, Kind.GRPC_ECHO),
    "daprd": (Kind.PASS, Kind.MEMORY, Kind.GRPC_ECHO),
    "litellm": (Kind.PASS_OPENAI, Kind.REDIS),
}


def sample(peer: str, kind: Kind, number: int, connections: int) -> Sample:
    """Return one sample; in the last of three rounds everything takes three times as long."""
    slowed = 3.0 if number == 2 else 1.0
    return Sample(
        kind=kind,
        peer=peer,
        round=number,
        connections=connections,
        requests=100,
        p50_us=P50_US[peer] * slowed,
        p99_us=2 * P50_US[peer] * slowed,
        first_p50_us=P50_US[peer] * slowed,
        per_s=1e6 / CPU_US[peer] / slowed,
        cpu_us=CPU_US[peer] * slowed,
        noise_cpus=slowed - 1,
    )


def report(*peers: str) -> Report:
    """Return a run of the stand-in and these peers."""
    return Report(
        time="2026-01-02T03:04:05+00:00",
        seconds=60,
        machine=Description(
            cpu="a CPU",
            cores=Cores((0,), (1,), pinned=True),
            kernel="6.1",
            python="3.11.7",
            versions={},
            commit="abc",
            load_average=0.5,
        ),
        versions=dict.fromkeys(peers, "1.0"),
        missing={"ferro": "there is no pip here"},
        failures={"portkey": {Kind.STREAM: "status 500"}, "parley": {}},
        samples=[
            sample(peer, kind, number, connections)
            for peer in (STANDIN, *peers)
            for kind in KINDS[peer]
            for number in range(3)
            for connections in (ONE, MANY)
        ],
        bursts=[Burst(peer=peer, calls=calls, added_ms=calls) for peer in peers for calls in (1, 3, 2)],
        starts=[
            Start(peer=peer, ready_s=ready_s, first_answer_s=2 * ready_s, idle_bytes=70 * MIB)
            for peer in peers
            for ready_s in (0.2, 0.4, 5.0)
        ],
        after_bytes=dict.fromkeys(peers, 80 * MIB),
        installed_bytes=dict.fromkeys(peers, 90 * MIB),
    )
