"""docs/operator.md lists the operator's metrics as they are."""

import re
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram

from parley_operator.kube import Kube
from parley_operator.metrics import Live, Metrics
from parley_operator.operate import Operator
from parley_operator.public import gauges
from parley_operator.settings import Settings

PAGE = Path(__file__).resolve().parents[2] / "docs/operator.md"
ROW = re.compile(r"^\| `(parley_operator_\w+)` \| (\w+) \|([^|]*)\| (.*) \|$", re.MULTILINE)

Row = tuple[str, str, tuple[str, ...], str]
"""Name, type, labels, meaning."""


def counted(metrics: Metrics) -> Iterator[Row]:
    """Yield the metrics that are counted."""
    for metric in vars(metrics).values():
        if isinstance(metric, Counter | Histogram):
            (family,) = metric.describe()
            name = f"{family.name}_total" if family.type == "counter" else family.name
            yield name, family.type, tuple(metric._labelnames), family.documentation


def live(operator: Operator) -> Iterator[Row]:
    """Yield the metrics that are read at each scrape."""
    yield "parley_operator_build_info", "gauge", ("version",), "The operator's version."
    for gauge in gauges(operator):
        yield gauge.name, "gauge", gauge.labels, gauge.meaning


def test_every_metric_is_on_the_page(small: object, api: Kube) -> None:
    """Names, types, labels and meanings are the code's, in its order."""
    operator = Operator(api, Settings.read({}))
    shown = [*live(operator), *counted(operator.metrics)]
    operator.own.close()
    rows = [
        (name, kind, tuple(re.findall(r"`(\w+)`", labels)), meaning)
        for name, kind, labels, meaning in ROW.findall(PAGE.read_text())
    ]

    assert shown == rows


def test_every_gauge_can_be_read(small: object, api: Kube) -> None:
    """Before anything runs, too: a scrape may come at any time."""
    operator = Operator(api, Settings.read({"PARLEY_READ_DAPR_COMPONENTS": "true"}))
    registry = CollectorRegistry()
    registry.register(Live(gauges(operator)))
    families = {family.name for family in registry.collect()}
    operator.own.close()

    assert {gauge.name for gauge in gauges(operator)} | {"parley_operator_build"} == families
    assert 0.0 == registry.get_sample_value("parley_operator_leader")
    components = {"state": "ready", "kind": "Component"}
    assert 0.0 == registry.get_sample_value("parley_operator_components", components)
