"""The chart's alerts and dashboards as they are in its files, and promtool, for the tests of monitoring."""

import functools
import json
import subprocess
from pathlib import Path
from typing import Any, Final

import yaml

from e2e.cluster import settings
from e2e.cluster.programs import Programs
from tests.chart.rendering import CHART, ROOT

VALUES: Final = ("serviceMonitor", "podMonitor", "prometheusRule", "dashboard")
MONITORED: Final = ("--set", ",".join(f"monitoring.{value}.enabled=true" for value in VALUES))
"""Helm's flags for all of it."""

RULES: Final[dict[str, Any]] = yaml.safe_load((CHART / "files/alerts.yaml").read_text(encoding="utf-8"))
ALERTS: Final[list[dict[str, Any]]] = [rule for group in RULES["groups"] for rule in group["rules"]]
DASHBOARDS: Final[dict[str, dict[str, Any]]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((CHART / "files/dashboards").iterdir())
}
RULE_TESTS: Final = sorted((ROOT / "tests/chart/rules").iterdir())

QUERIES: Final[dict[str, list[str]]] = {
    **{rule["alert"]: [rule["expr"]] for rule in ALERTS},
    **{
        name: [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
        for name, dashboard in DASHBOARDS.items()
    },
}
"""Every query by the alert or the dashboard that asks it."""


@functools.cache
def programs() -> Programs:
    """Return the pinned programs, promtool built on first use."""
    pinned = Programs.of(settings())
    pinned.build(["promtool"])
    return pinned


def judged(*arguments: str | Path) -> str:
    """Run promtool and return what it prints; it must be content."""
    command = [programs().path("promtool"), *arguments]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    assert not done.returncode, done.stdout + done.stderr
    return done.stdout
