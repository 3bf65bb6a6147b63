"""Alerts, dashboards and runbooks agree with each other and with the code, without rendering anything."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest
import yaml

from parley_sidecar.errors import Reason
from tests.chart.exported import TARGET_LABELS, exported, grouped, selectors
from tests.chart.monitored import ALERTS, DASHBOARDS, QUERIES, RULE_TESTS
from tests.chart.rendering import CHART, ROOT

RUNBOOKS = (ROOT / "docs/runbooks.md").read_text(encoding="utf-8")
GRID_COLUMNS = 24
NAMED_BY_MEANING = ("result", "state")
"""Labels whose values the metric's meaning lists."""


@pytest.mark.parametrize("place", QUERIES)
def test_queries_ask_for_what_is_exported(place: str) -> None:
    """Every metric, and every label that is selected or kept, is one that the code exports or a monitor adds."""
    known = exported()

    for query in QUERIES[place]:
        selected = list(selectors(query))
        assert selected
        for selector in selected:
            assert selector.metric in known
            assert set() == set(selector.values) - known[selector.metric].labels - TARGET_LABELS
        labels = {label for selector in selected for label in known[selector.metric].labels}
        assert set() == grouped(query) - labels - TARGET_LABELS


@pytest.mark.parametrize("place", QUERIES)
def test_queries_select_values_that_there_are(place: str) -> None:
    """An outcome is one of the sidecar's, and a result or a state one that the metric's meaning lists."""
    known = exported()
    outcomes = {"ok", "cancelled", *get_args(Reason)}

    for selector in (selector for query in QUERIES[place] for selector in selectors(query)):
        assert set() == set(selector.values.get("outcome", ())) - outcomes
        meaning = known[selector.metric].meaning
        assert all(value in meaning for label in NAMED_BY_MEANING for value in selector.values.get(label, ()))


def test_dashboards_show_what_is_exported() -> None:
    """No metric is left out, but for those that only name something, Dapr's copies, and parts of histograms."""
    parts = ("_sum", "_count", "_info", "not_before_timestamp_seconds")
    asked = {selector.metric for name in DASHBOARDS for query in QUERIES[name] for selector in selectors(query)}
    left = {name for name in set(exported()) - asked if not name.endswith(parts) and not name.startswith("dapr_")}

    assert {"process_start_time_seconds"} == left


def test_a_wrong_query_would_be_seen() -> None:
    """The reader of queries finds metrics, values and grouping labels, whatever stands in texts and functions."""
    query = 'sum by (le, pod) (rate(parley_a_total{job=~"a|parley_b_total", c!="d"}[5m])) / absent(parley_e) > 0'
    found = [(selector.metric, selector.values) for selector in selectors(query)]

    assert [("parley_a_total", {"job": ("a", "parley_b_total"), "c": ("d",)}), ("parley_e", {})] == found
    assert {"le", "pod"} == grouped(query)


def test_alerts_say_what_a_person_needs() -> None:
    """Each alert has a name of its own, a severity, and two sentences."""
    names = [rule["alert"] for rule in ALERTS]

    assert len(names) == len(set(names))
    for rule in ALERTS:
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert {"summary", "description"} == set(rule["annotations"])
        assert all(re.fullmatch(r"[A-Z{].*[.]|.* says which[.]", text) for text in rule["annotations"].values())


def test_every_alert_has_a_runbook() -> None:
    """docs/runbooks.md has one section an alert, in the order of the rules, each with a first look and what to do."""
    sections = re.split(r"^## ", RUNBOOKS, flags=re.MULTILINE)[1:]
    titles = [section.partition("\n")[0] for section in sections if section.startswith("Parley")]

    assert [rule["alert"] for rule in ALERTS] == titles
    for section in (section for section in sections if section.startswith("Parley")):
        assert re.search(r"^    \S", section, re.MULTILINE), section
        assert section.count("\n\n") >= 3, section


def test_runbooks_look_at_what_is_exported() -> None:
    """A metric that a runbook names is one."""
    known = exported()
    named = set(re.findall(r"\b(?:parley|apiserver)_[a-z_]+\b", RUNBOOKS))

    assert set() == {name for name in named if name not in known and f"{name}_bucket" not in known}


def test_every_alert_is_tested() -> None:
    """The rules' own tests have each alert fire, and each stay silent."""
    tests = [case for path in RULE_TESTS for case in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]]
    checks = [check for case in tests for check in case.get("alert_rule_test", ())]
    firing = {check["alertname"] for check in checks if check.get("exp_alerts")}
    silent = {check["alertname"] for check in checks if not check.get("exp_alerts")}

    assert {rule["alert"] for rule in ALERTS} == firing == silent


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_can_be_imported(name: str) -> None:
    """Its address is its own, its panels have ids and titles of their own and queries, and its variables are used."""
    dashboard = DASHBOARDS[name]
    panels = dashboard["panels"]
    variables = [variable["name"] for variable in dashboard["templating"]["list"]]

    assert f"parley-{name}" == dashboard["uid"]
    assert "id" not in dashboard  # an instance's own number
    assert list(range(1, len(panels) + 1)) == [panel["id"] for panel in panels]
    assert len(panels) == len({(panel["type"], panel["title"]) for panel in panels})
    assert all(panel["targets"] for panel in panels)
    assert all(panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"} for panel in panels)
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(dashboard))) - {"__rate_interval", "__range", "__all"}
    assert set(variables) == used


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_do_not_overlap(name: str) -> None:
    """Each cell of the grid belongs to one panel, and none is beyond its edge."""
    cells = [
        (column, row)
        for place in (panel["gridPos"] for panel in DASHBOARDS[name]["panels"])
        for column in range(place["x"], place["x"] + place["w"])
        for row in range(place["y"], place["y"] + place["h"])
    ]

    assert len(cells) == len(set(cells))
    assert GRID_COLUMNS == 1 + max(column for column, _ in cells)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_queries_have_letters_of_their_own(name: str) -> None:
    """No two queries of a panel have the same letter."""
    for panel in DASHBOARDS[name]["panels"]:
        letters = [target["refId"] for target in panel["targets"]]

        assert len(letters) == len(set(letters))


def test_dashboards_fit_into_a_config_map() -> None:
    """Together they stay far below what the API server stores, and what an apply may annotate (256 KiB)."""
    sizes = [path.stat().st_size for path in Path(CHART / "files/dashboards").iterdir()]

    assert max(sizes) < 64 * 1024
