"""Many equal requests that no cache knows, all at once: how often the provider is asked, and what one of them costs."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from bench.components import FLIGHT_MS, flight_path
from bench.job import Job, Result
from bench.machine import cpu_s
from bench.processes import Load, Running, fetched
from bench.rows import TEXT_MESSAGE, ServerName

CALLERS: Final = 100
"""Equal requests at once."""
_CALLERS_OF: Final[tuple[tuple[ServerName, ...], ...]] = (("sidecar",), ("sidecar", "second sidecar"))


class Flight(msgspec.Struct, frozen=True, kw_only=True):
    """One burst."""

    sidecars: int
    calls: int
    """How often the provider was asked."""
    added_ms: float
    """The median latency less the provider's time."""
    cpu_us: float
    """Of the sidecars per request, the opening of its connection included."""
    hit_cpu_us: float
    """The same of the same burst once more, which is answered from memory."""


def flights(servers: Mapping[ServerName, Running], load: Load, bursts: int) -> Iterator[Flight]:
    """Ask in bursts, each with a prompt of its own."""
    print(f"{bursts} bursts of {CALLERS} equal requests", file=sys.stderr, flush=True)
    for number in range(bursts):
        for place, names in enumerate(_CALLERS_OF):
            prompt = number * len(_CALLERS_OF) + place
            yield _flight([servers[name] for name in names], servers["stand-in"], load, prompt)


def _flight(sidecars: Sequence[Running], standin: Running, load: Load, prompt: int) -> Flight:
    before = _calls(standin)
    result, cpu_us = _burst(sidecars, load, prompt)
    calls = _calls(standin) - before
    _, hit_cpu_us = _burst(sidecars, load, prompt)
    added_ms = result.p50_us / 1000 - FLIGHT_MS
    return Flight(sidecars=len(sidecars), calls=calls, added_ms=added_ms, cpu_us=cpu_us, hit_cpu_us=hit_cpu_us)


def _burst(sidecars: Sequence[Running], load: Load, prompt: int) -> tuple[Result, float]:
    first, *others = (sidecar.port for sidecar in sidecars)
    before_s = sum(cpu_s(sidecar.pid) for sidecar in sidecars)
    body = TEXT_MESSAGE.replace("How do I", f"Burst {prompt}: How do I", 1)
    job = Job(port=first, others=others, path=flight_path(), body=body, connections=CALLERS, distinct=1)
    result = load.do(job)
    return result, (sum(cpu_s(sidecar.pid) for sidecar in sidecars) - before_s) / result.requests * 1e6


def _calls(standin: Running) -> int:
    return int(msgspec.json.decode(fetched(standin.port, "/count"))["count"])
