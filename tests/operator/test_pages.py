"""docs/operator.md lists the operator's metrics as they are."""

import re
from pathlib import Path

from prometheus_client import CollectorRegistry

from parley_operator.kube import Kube
from parley_operator.metrics import Live
from parley_operator.operate import Operator, gauges
from parley_operator.settings import Settings

PAGE = Path(__file__).resolve().parents[2] / "docs/operator.md"


def test_every_metric_is_on_the_page(small: object, api: Kube) -> None:
    """Names, labels and meanings are the code's, in its order."""
    operator = Operator(api, Settings.read({}))
    shown = [(gauge.name, ", ".join(gauge.labels), gauge.meaning) for gauge in gauges(operator)]
    operator.own.close()
    rows = re.findall(r"^\| `(\w+)` \| gauge \| ?`?(\w*)`? ?\| (.*) \|$", PAGE.read_text(), re.MULTILINE)

    assert [("parley_operator_build_info", "version", "The operator's version."), *shown] == rows
    registry = CollectorRegistry()
    registry.register(Live(gauges(operator)))
    assert 0.0 == registry.get_sample_value("parley_operator_leader")
