"""Every metric of the operator that is counted; those that are read from live objects are in public.py.

docs/operator.md lists both. Label values are closed sets, and namespaces where a person must know where to look.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from parley_crds import __version__

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

Reading = Mapping[tuple[str, ...], float]
"""Values by label values."""


class Metrics:
    """What the operator counts, in a registry of its own; made once by the process and passed in."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.reconciles = self._counter(
            "parley_operator_reconciles_total", "Components looked at, by result: ok, failed.", "result"
        )
        self.reconcile_s = self._histogram("parley_operator_reconcile_seconds", "Time to look at one component.")
        self.secret_errors = self._counter(
            "parley_operator_secret_errors_total", "Reads of a needed Secret that the API server refused or left open."
        )
        self.watch_restarts = self._counter(
            "parley_operator_watch_restarts_total", "Watches that ended and were begun anew."
        )
        self.token_reviews = self._counter(
            "parley_operator_token_reviews_total",
            "Tokens shown, by result: accepted, refused, known, failed.",
            "result",
        )
        self.stream_refusals = self._counter(
            "parley_operator_stream_refusals_total", "Sidecars that were not let in, by HTTP status.", "status"
        )
        self.push_s = self._histogram(
            "parley_operator_push_seconds", "From sending a snapshot to the sidecar's answer that it runs it."
        )
        self.events = self._counter("parley_operator_events_total", "Events written, by their reason.", "reason")
        self.evictions = self._counter(
            "parley_operator_evictions_total",
            "Pods without their sidecar asked to go, by result: evicted, blocked, failed.",
            "result",
        )
        self.restarts = self._counter(
            "parley_operator_restarts_total",
            "Owners of outdated sidecars asked to restart their pods, by result: restarted, failed.",
            "result",
        )
        self.certificate_renewals = self._counter(
            "parley_operator_certificate_renewals_total", "Serving certificates that were taken into use."
        )

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(name, meaning, labels, registry=self.registry)

    def _histogram(self, name: str, meaning: str) -> Histogram:
        return Histogram(name, meaning, buckets=SECONDS, registry=self.registry)


@dataclass(frozen=True, slots=True)
class Gauge:
    """One metric that is read from a live object at each scrape: its name, its meaning, and how to read it now."""

    name: str
    meaning: str
    read: Callable[[], Reading]
    labels: tuple[str, ...] = ()


class Live(Collector):
    """Shows gauges that are read when they are asked for, so that nothing has to be kept up to date."""

    def __init__(self, gauges: Iterable[Gauge]) -> None:
        self._gauges = tuple(gauges)

    def collect(self) -> Iterable[GaugeMetricFamily | InfoMetricFamily]:
        """Read all of them."""
        yield InfoMetricFamily("parley_operator_build", "The operator's version.", {"version": __version__})
        for gauge in self._gauges:
            family = GaugeMetricFamily(gauge.name, gauge.meaning, labels=gauge.labels)
            for values, value in gauge.read().items():
                family.add_metric(values, value)
            yield family


ALONE: Final = ()
"""The label values of a metric without labels."""
