"""One run: every peer installed, started, asked in rounds beside the sidecar, and stopped. `__main__` calls it."""

import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.machine import cores, describe
from bench.peers.asked import Asked
from bench.peers.kinds import Kind, completed, streamed
from bench.peers.report import STANDIN, Report
from bench.peers.servers import PARLEY, Peer
from bench.peers.started import Peers, Target
from bench.peers.tree import tree_resident_bytes
from bench.processes import BenchError, Starter
from bench.run import bytecode
from bench.servers import surroundings

DIRECT: Final = {Kind.PASS: completed("bench"), Kind.PASS_OPENAI: completed("bench"), Kind.STREAM: streamed()}
"""What is asked without anything between."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    rounds: int
    job_s: float
    """About how long a measured job takes, where its fewest requests do not take longer."""
    starts: int
    """Of each peer, at most."""
    starts_s: float
    """No further start of a peer begins after this time."""
    bursts: int
    """Of many equal requests at once, to each peer."""


def measured(peers: Sequence[Peer], plan: Plan) -> Report:
    """Measure peers; raises BenchError when the sidecar or what is around it does not start."""
    began_s, began = time.monotonic(), datetime.now(UTC)
    pinned = cores(os.sched_getaffinity(0))
    machine = describe(pinned)
    with tempfile.TemporaryDirectory(prefix="parley-peers-") as directory, ExitStack() as running:
        around = running.enter_context(surroundings(Starter(Path(directory), bytecode()), pinned))
        load = running.enter_context(around.starter.load(pinned.others))
        grpc_load = running.enter_context(around.starter.load(pinned.others, "bench.grpc_load"))
        found = Peers(around, plan.starts, plan.starts_s)
        for peer in peers:
            found.enter(peer, machine.versions[PARLEY], running)
        if PARLEY in found.missing:
            raise BenchError(f"there is nothing to compare with: {found.missing[PARLEY]}")
        direct = [Target(STANDIN, kind, ask, around.standin) for kind, ask in DIRECT.items()]
        asked = Asked(around, load, grpc_load, [*direct, *found.targets], plan.job_s)
        samples, bursts = list(asked.samples(plan.rounds)), list(asked.bursts(plan.bursts))
        after_bytes = {peer: tree_resident_bytes(server.pid) for peer, server in found.first.items()}
    return Report(
        time=began.isoformat(timespec="seconds"),
        seconds=time.monotonic() - began_s,
        machine=machine,
        versions=found.versions,
        missing=found.missing,
        failures=asked.failures,
        samples=samples,
        bursts=bursts,
        starts=found.starts,
        after_bytes=after_bytes,
        installed_bytes=found.installed_bytes,
    )
