"""Every metric of the injector. docs/injector.md lists them; a test compares."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

_BUCKETS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""The API server waits five seconds; a review takes well under one millisecond."""


class Metrics:
    """The injector's metrics, in a registry of their own. Labels are closed sets: no pod, no application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "parley_injector_requests_total",
            "Reviews, by what became of them: injected, skipped, failed, denied, refused, overloaded, error.",
            ("result", "reason"),
            registry=self.registry,
        )
        self.duration_s = Histogram(
            "parley_injector_duration_seconds",
            "Time from a review's arrival to its answer, reading the body included.",
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "parley_injector_in_flight", "Reviews that have arrived and are not answered.", registry=self.registry
        )
        self.certificate_expiry_s = Gauge(
            "parley_certificate_expiry_timestamp_seconds",
            "When the served certificate expires, in seconds since 1970; 0 before one is loaded.",
            registry=self.registry,
        )
        self.certificate_not_before_s = Gauge(
            "parley_certificate_not_before_timestamp_seconds",
            "When its validity begins, in seconds since 1970; 0 before one is loaded.",
            registry=self.registry,
        )
