"""Every metric of the operator, read from the live objects at each scrape. docs/metrics.md lists them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from parley_crds import __version__

Reading = Mapping[tuple[str, ...], float]
"""Values by label values."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """One metric: what it is called, what it means, and how to read it now."""

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


def registry(gauges: Iterable[Gauge]) -> CollectorRegistry:
    """Return a registry of these gauges and the process's own metrics."""
    made = CollectorRegistry()
    ProcessCollector(registry=made)
    made.register(Live(gauges))
    return made


ALONE: Final = ()
"""The label values of a metric without labels."""
