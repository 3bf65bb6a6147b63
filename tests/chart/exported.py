"""What operator, injector and sidecar export, read from their code, and what rules and dashboards ask for."""

import asyncio
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from kubernetes.aio.client import ApiClient, Configuration
from prometheus_client.metrics import MetricWrapperBase

from parley_operator.injector.metrics import Metrics as InjectorMetrics
from parley_operator.kube import Kube
from parley_operator.metrics import Metrics as OperatorMetrics
from parley_operator.operate import Operator
from parley_operator.public import gauges
from parley_operator.settings import Settings
from parley_sidecar.metrics import Metrics as SidecarMetrics

TARGET_LABELS: Final = {"namespace", "pod", "job"}
"""What the chart's monitors add to every sample."""
SUFFIXES: Final = {"histogram": ("_bucket", "_sum", "_count")}


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric's labels, and its meaning, which names the values of some."""

    labels: frozenset[str]
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Selector:
    """What a query selects: a metric, and the values it allows or excludes of labels."""

    metric: str
    values: dict[str, tuple[str, ...]]


WEBHOOK_LABELS: Final = frozenset(
    {"name", "type", "operation", "error_type", "rejection_code", "code", "rejected", "le"}
)
API_SERVER: Final = {
    f"apiserver_admission_webhook_{name}": Metric(WEBHOOK_LABELS)
    for name in ("admission_duration_seconds_bucket", "fail_open_count", "rejection_count", "request_total")
}
"""Source: k8s.io/apiserver/pkg/admission/metrics; test_monitoring_live.py sees them on a real one."""


@functools.cache
def exported() -> dict[str, Metric]:
    """Return every name of a sample with its metric."""
    return asyncio.run(_exported())


async def _exported() -> dict[str, Metric]:
    api = Kube(ApiClient(Configuration()))
    operator = Operator(api, Settings.read({}))
    live = {gauge.name: Metric(frozenset(gauge.labels), gauge.meaning) for gauge in gauges(operator)}
    operator.own.close()
    await api.aclose()
    counted = {**_counted(OperatorMetrics()), **_counted(InjectorMetrics()), **_sidecar()}
    return {"parley_operator_build_info": Metric(frozenset({"version"})), **live, **counted, **API_SERVER}


def selectors(query: str) -> Iterator[Selector]:
    """Return what a query selects, as far as it is of a metric with an underscore in its name."""
    for metric, inside in re.findall(r"\b([a-z]+(?:_[a-z]+)+)\b(?!\s*\()(?:\{([^}]*)\})?", _without_texts(query)):
        found = re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"(\d+)"', inside)
        yield Selector(metric, {label: tuple(_texts(query)[int(number)].split("|")) for label, number in found})


def grouped(query: str) -> set[str]:
    """Return the labels that a query keeps or matches by."""
    inside = re.findall(r"\b(?:by|on) \(([^)]*)\)", query)
    return {label.strip() for labels in inside for label in labels.split(",")}


def _texts(query: str) -> list[str]:
    return re.findall(r'"([^"]*)"', query)


def _without_texts(query: str) -> str:
    """Put numbers in the place of quoted texts, and nothing in that of grouping labels."""
    numbers = iter(range(len(_texts(query))))
    numbered = re.sub(r'"[^"]*"', lambda _: f'"{next(numbers)}"', query)
    return re.sub(r"\b(?:by|on) \([^)]*\)", "", numbered)


def _counted(metrics: OperatorMetrics | InjectorMetrics) -> dict[str, Metric]:
    found = {f"process_{name}": Metric(frozenset()) for name in ("cpu_seconds_total", "resident_memory_bytes")}
    for each in vars(metrics).values():
        if isinstance(each, MetricWrapperBase):
            name = f"{each._name}_total" if each._type == "counter" else each._name
            found |= _samples(name, str(each._type), each._labelnames, each._documentation)
    return found


def _sidecar() -> dict[str, Metric]:
    found: dict[str, Metric] = {}
    for family in SidecarMetrics("app", "namespace").families():
        # The pod monitor adds the application's id, which Dapr's metrics alone have themselves.
        found |= _samples(family.name, family.kind, (*family.labels, "app_id"), family.help)
    return found


def _samples(name: str, kind: str, labels: tuple[str, ...], meaning: str) -> dict[str, Metric]:
    own = frozenset(labels) | ({"le"} if kind == "histogram" else set())
    return {f"{name}{suffix}": Metric(own, meaning) for suffix in SUFFIXES.get(kind, ("",))}
