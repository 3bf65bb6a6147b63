"""`python -m bench --check`: what `make test` asks of the costs. Half a minute, against the floor in the same run.

The limits are no budgets: a busy machine must never fail them, and a cost that has doubled must. Where a limit is
exceeded, `python -m bench` says more.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from bench.figures import MANY, Sample
from bench.flights import CALLERS, flights
from bench.machine import cores
from bench.processes import Load
from bench.report import MIB, Raw
from bench.rounds import Plan, Rounds
from bench.rows import BARE, BARE_PROVIDER, BARE_REDIS, BY_NAME, MEMORY_HIT, PASS_THROUGH, REDIS_HIT, ServerName
from bench.run import started
from bench.servers import Surroundings, all_running
from bench.starts import compile_first, memory, starts

PLAN: Final = Plan(rounds=6, limit_s=12, one_each=0, many_each=80, starts=3, memory_requests=160, bursts=1)
SERVERS: Final[tuple[ServerName, ...]] = ("floor", "sidecar", "second sidecar")
ROWS: Final = tuple(BY_NAME[name] for name in (BARE, BARE_PROVIDER, BARE_REDIS, PASS_THROUGH, MEMORY_HIT, REDIS_HIT))


@dataclass(frozen=True, slots=True)
class Limit:
    """What a figure must not exceed."""

    quantity: str
    unit: str
    most: float
    read: Callable[[Raw], float]
    reason: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """A limit, and what was measured."""

    limit: Limit
    measured: float

    @property
    def is_kept(self) -> bool:
        """Whether the figure is within its limit."""
        return self.measured <= self.limit.most

    def line(self) -> str:
        """Return it as a line for a terminal."""
        limit = self.limit
        said = f"{limit.quantity}: {self.measured:.2f}{limit.unit}, at most {limit.most:g}{limit.unit}"
        return f"ok      {said}" if self.is_kept else f"EXCEEDED {said} ({limit.reason})"


def cpu_ratio(row: str, floor: str) -> Callable[[Raw], float]:
    """Return what reads a row's CPU per request, as a ratio to its floor's: the median of the quieter rounds."""

    def read(raw: Raw) -> float:
        own, least = _rounds(raw.samples, row), _rounds(raw.samples, floor)
        rounds = sorted(
            (max(one.noise_cpus, other.noise_cpus), one.cpu_us / other.cpu_us)
            for one, other in zip(own, least, strict=True)
        )
        return median(ratio for _, ratio in rounds[: (len(rounds) + 1) // 2])

    return read


def _rounds(samples: Sequence[Sample], row: str) -> list[Sample]:
    chosen = [sample for sample in samples if (sample.row, sample.connections) == (row, MANY)]
    return sorted(chosen, key=lambda sample: sample.round)


def _most_calls(raw: Raw) -> float:
    return max(flight.calls for flight in raw.flights)


def _memory_mib(raw: Raw) -> float:
    return max(one.first_bytes for one in raw.memory if one.server == "sidecar") / MIB


def _grown_mib(raw: Raw) -> float:
    return max(one.after_bytes - one.first_bytes for one in raw.memory if one.server == "sidecar") / MIB


def _start_ratio(raw: Raw) -> float:
    own, least = (min(start.cpu_s for start in raw.starts if start.server == server) for server in ("sidecar", "floor"))
    return own / least


LIMITS: Final = (
    Limit(
        "CPU of a pass-through request, to its floor", "x", 2.2, cpu_ratio(PASS_THROUGH, BARE_PROVIDER),
        "doors, layers, metrics and error mapping cost less than what they are around",
    ),
    Limit(
        "CPU of a hit in memory, to its floor", "x", 3.0, cpu_ratio(MEMORY_HIT, BARE),
        "the key is hashed and the answer looked up; nobody is asked",
    ),
    Limit(
        "CPU of a hit in Redis, to its floor", "x", 1.7, cpu_ratio(REDIS_HIT, BARE_REDIS),
        "the GETs of one turn of the loop share a round trip",
    ),
    Limit(
        f"calls for {CALLERS} equal requests at once, one and two sidecars", "", 1, _most_calls,
        "equal requests wait for one call",
    ),
    Limit("memory after the first answers", " MiB", 110, _memory_mib, "there is one in each pod"),
    Limit(
        f"memory grown by {PLAN.memory_requests} requests", " MiB", 10, _grown_mib, "nothing may pile up"
    ),
    Limit(
        "CPU from the start to the first answer, to the floor server's", "x", 4.5, _start_ratio,
        "what is not used is not imported; CPU, for a busy machine makes any start take long",
    ),
)  # fmt: skip


def judged(raw: Raw) -> list[Judgement]:
    """Judge what was measured. Pure."""
    return [Judgement(limit, limit.read(raw)) for limit in LIMITS]


def checked() -> list[Judgement]:
    """Measure, and judge; raises BenchError when something does not start or a single request fails."""
    with started(cores(os.sched_getaffinity(0))) as (around, load):
        return judged(measured(PLAN, around, load))


def measured(plan: Plan, around: Surroundings, load: Load) -> Raw:
    """Measure what the limits are about."""
    compile_first(around)
    with all_running(around, SERVERS) as servers:
        samples = list(Rounds(servers, load, plan, (load.pid, around.redis.pid), ROWS).samples())
        bursts = list(flights(servers, load, plan.bursts))
    first, then = list(starts(around, plan)), list(memory(around, plan, load))
    return Raw(samples=samples, flights=bursts, starts=first, memory=then)


def lines(judgements: Sequence[Judgement]) -> Iterator[str]:
    """Return what a terminal is told."""
    yield from (one.line() for one in judgements)
    exceeded = sum(not one.is_kept for one in judgements)
    yield f"{exceeded} of {len(judgements)} limits exceeded" if exceeded else f"all {len(judgements)} limits kept"
