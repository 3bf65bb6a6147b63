"""Every metric of the sidecar, with unit and labels; docs/metrics.md is the same list for the person who reads them.

`Metrics` is made once by the process and passed in. Label values are bounded: names of loaded components, reasons of
`errors`, and the words written here. Nothing that a caller typed becomes a label.
"""

import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from parley_crds import __version__
from parley_sidecar.errors import Reason
from parley_sidecar.instruments import Family, Histogram, Value, counter, gauge, histogram
from parley_sidecar.model import Api, CacheStatus, Usage
from parley_sidecar.stores.protocol import StoreFact

DAPR_LATENCY_MS: Final = (
    1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 13.0, 16.0, 20.0, 25.0, 30.0, 40.0, 50.0, 65.0, 80.0, 100.0, 130.0, 160.0,
    200.0, 250.0, 300.0, 400.0, 500.0, 650.0, 800.0, 1000.0, 2000.0, 5000.0, 10000.0, 20000.0, 50000.0, 100000.0,
)  # fmt: skip
"""Dapr's default bounds in milliseconds, so that its dashboards carry over."""
REQUEST_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0)
OVERHEAD_S: Final = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5)

Outcome = Reason | str
"""`ok`, `cancelled`, or an error's reason."""


class Metrics:
    """The process's metrics. `app_id` and `namespace` are labels of Dapr's two only."""

    def __init__(self, app_id: str, namespace: str) -> None:
        self._dapr = (app_id, namespace)
        self._components: dict[str, ComponentMetrics] = {}
        labels = ("app_id", "component", "namespace", "success")
        self.dapr_count = counter("dapr_component_conversation_count", "Converse calls, by Dapr's name.", *labels)
        self.dapr_latencies = histogram(
            "dapr_component_conversation_latencies",
            "Time of converse calls in milliseconds, by Dapr's name.",
            DAPR_LATENCY_MS,
            *labels,
        )
        self.requests = counter(
            "parley_requests_total", "Requests that reached a component.", "component", "api", "outcome"
        )
        self.rejected = counter(
            "parley_rejected_requests_total", "Requests answered before they reached a component.", "api", "reason"
        )
        self.duration = histogram(
            "parley_request_duration_seconds", "A component's whole time for a request.", REQUEST_S, "component"
        )
        self.overhead = histogram(
            "parley_overhead_seconds", "That time without the wait for the provider.", OVERHEAD_S, "component"
        )
        self.provider = histogram(
            "parley_provider_duration_seconds", "The waits for the provider, together.", REQUEST_S, "component"
        )
        self.first_delta = histogram(
            "parley_time_to_first_delta_seconds", "Streams: until the first piece of text.", REQUEST_S, "component"
        )
        self.in_flight = gauge("parley_in_flight_requests", "Requests being answered now.", "component")
        self.tokens = counter("parley_tokens_total", "Tokens that the provider counted.", "component", "type")
        self.tokens_saved = counter(
            "parley_tokens_saved_total", "Tokens of answers that came from the cache.", "component", "type"
        )
        self.components = gauge("parley_components", "Components by state: loaded, failed.", "state")
        self._build = gauge("parley_build_info", "1, with the version as a label.", "version")
        self._build.child(__version__).value = 1
        self._add_shared_state()
        self._add_resilience()

    def _add_shared_state(self) -> None:
        """Add what tells of cache, store, rooms and personal data."""
        self.cache = counter(
            "parley_cache_requests_total", "Requests to components with a cache.", "component", "result", "tier"
        )
        self.cache_skips = counter(
            "parley_cache_skips_total", "Answers that were not kept, by the reason.", "component", "reason"
        )
        self.store_errors = counter(
            "parley_store_errors_total", "Failed operations on the shared store; the cache falls open.", "operation"
        )
        self.store_up = gauge("parley_store_up", "1 while the shared store answers.")
        self.store_may_evict_rooms = gauge(
            "parley_store_may_evict_rooms", "1 if the shared store may throw chat rooms away when its memory is full."
        )
        self.room_turns = counter(
            "parley_rooms_turns_total", "Turns of chat rooms: stored, unstored, busy, lost.", "component", "outcome"
        )
        self.room_wait = histogram(
            "parley_rooms_wait_seconds", "What a turn waited for those before it.", REQUEST_S, "component"
        )
        self.pii = counter(
            "parley_pii_total", "Values of prompts and answers, not let out.", "component", "type", "direction"
        )
        self.pii_restored = counter(
            "parley_pii_restored_total", "Tokens that gave way to their values again.", "component", "type"
        )

    def _add_resilience(self) -> None:
        """Add what tells of attempts at the provider."""
        self.retries = counter(
            "parley_retries_total", "Attempts after a request's first, by what went before.", "component", "reason"
        )
        self.breaker = gauge("parley_breaker_state", "0 closed, 1 half-open, 2 open.", "component")
        self.limited = counter(
            "parley_limit_rejections_total", "Requests that found no slot for a call to the provider.", "component"
        )
        self.fallbacks = counter(
            "parley_fallbacks_total", "Requests passed on: ok, failed, missing.", "component", "to", "outcome"
        )

    def component(self, name: str) -> "ComponentMetrics":
        """Return the children of one loaded component, the same ones at each call."""
        known = self._components.get(name)
        if known is None:
            known = self._components[name] = ComponentMetrics(self, name, *self._dapr)
        return known

    def reject(self, api: Api, reason: Reason) -> None:
        """Count a request that was answered before it reached a component."""
        self.rejected.child(api, reason).add()

    def count_store_fault(self, operation: str) -> None:
        """Count an operation on the shared store that failed; for `Stores`."""
        self.store_errors.child(operation).add()

    def show_store(self, fact: StoreFact, value: float) -> None:
        """Show what became of the shared store; for `Place`."""
        (self.store_up if fact == "up" else self.store_may_evict_rooms).child().value = value

    def families(self) -> Iterator[Family[Value] | Family[Histogram]]:
        """Return all families, in the order of this module, the process's own last."""
        yield from (family for family in vars(self).values() if isinstance(family, Family))
        yield from process_families()


class ComponentMetrics:
    """One component's children, resolved once: what `observe` counts with."""

    def __init__(self, metrics: Metrics, name: str, app_id: str, namespace: str) -> None:
        self._metrics = metrics
        self._name = name
        self._outcomes: dict[tuple[Api, Outcome], Value] = {}
        self._cache: dict[tuple[bool, bool, str | None], Value] = {}
        self._dapr = {
            success: (
                metrics.dapr_count.child(app_id, name, namespace, str(success).lower()),
                metrics.dapr_latencies.child(app_id, name, namespace, str(success).lower()),
            )
            for success in (True, False)
        }
        self.in_flight = metrics.in_flight.child(name)
        self.first_delta = metrics.first_delta.child(name)
        self._duration = metrics.duration.child(name)
        self._overhead = metrics.overhead.child(name)
        self._provider = metrics.provider.child(name)
        self._spent = _by_type(metrics.tokens, name)
        self._saved = _by_type(metrics.tokens_saved, name)

    def settle(self, api: Api, outcome: Outcome, duration_s: float, provider_s: float) -> None:
        """Count one request that is over."""
        counted = self._outcomes.get((api, outcome))
        if counted is None:
            counted = self._outcomes[api, outcome] = self._metrics.requests.child(self._name, api, outcome)
        counted.value += 1
        calls, latencies = self._dapr[outcome == "ok"]
        calls.value += 1
        latencies.observe(duration_s * 1000)
        self._duration.observe(duration_s)
        self._overhead.observe(max(duration_s - provider_s, 0.0))
        if provider_s:
            self._provider.observe(provider_s)

    def count_usage(self, usage: Usage, *, saved: bool) -> None:
        """Count an answer's tokens, as spent or as saved by the cache."""
        prompt, completion = self._saved if saved else self._spent
        prompt.value += usage.prompt_tokens
        completion.value += usage.completion_tokens

    def count_pii(self, direction: str, kind: str, times: int) -> None:
        """Count values of one kind that were hidden, refused or put back."""
        if direction == "restored":
            self._metrics.pii_restored.child(self._name, kind).add(times)
        else:
            self._metrics.pii.child(self._name, kind, direction).add(times)

    def count_retry(self, reason: Reason) -> None:
        """Count another attempt, after one that ended for `reason`."""
        self._metrics.retries.child(self._name, reason).add()

    def count_fallback(self, to: str, outcome: str) -> None:
        """Count a request that turned to another component of the configuration."""
        self._metrics.fallbacks.child(self._name, to, outcome).add()

    def count_turn(self, outcome: str) -> None:
        """Count a turn of a chat room that is over."""
        self._metrics.room_turns.child(self._name, outcome).add()

    def count_room_wait(self, wait_s: float) -> None:
        """Count how long a turn waited for those before it."""
        self._metrics.room_wait.child(self._name).observe(wait_s)

    def breaker_state(self) -> Value:
        """Return where the breaker shows its state."""
        return self._metrics.breaker.child(self._name)

    def limit_rejections(self) -> Value:
        """Return where the limit counts whom it refused."""
        return self._metrics.limited.child(self._name)

    def count_cache(self, status: CacheStatus) -> None:
        """Count what the cache did with a request."""
        key = (status.hit, status.collapsed, status.tier)
        counted = self._cache.get(key)
        if counted is None:
            result = "hit" if status.hit else "collapsed" if status.collapsed else "miss"
            counted = self._cache[key] = self._metrics.cache.child(self._name, result, status.tier or "")
        counted.value += 1

    def count_skip(self, reason: str) -> None:
        """Count an answer that was not kept."""
        self._metrics.cache_skips.child(self._name, reason).add()


def process_families() -> Iterator[Family[Value]]:
    """Return the process's own usage, read now, under the names that Prometheus' clients use."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    readings = (
        (counter("process_cpu_seconds_total", "CPU time of the process."), usage.ru_utime + usage.ru_stime),
        (gauge("process_resident_memory_bytes", "Resident memory of the process."), _resident_bytes(usage.ru_maxrss)),
        (gauge("process_start_time_seconds", "When the process started, as a Unix time."), _STARTED_S),
    )
    for family, reading in readings:
        family.child().value = reading
        yield family


def _by_type(family: Family[Value], component_name: str) -> tuple[Value, Value]:
    return family.child(component_name, "prompt"), family.child(component_name, "completion")


def _resident_bytes(peak: int) -> float:
    """Return what is resident now where Linux tells, elsewhere the peak."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return peak_bytes(peak, sys.platform)


def peak_bytes(peak: int, platform: str) -> int:
    """Return getrusage's largest resident size in bytes: it is in KiB, on macOS in bytes. Source: getrusage(2)."""
    return peak if platform == "darwin" else peak * 1024


_STARTED_S: Final = time.time()
