"""values.yaml, its schema and README.md say the same, without rendering anything."""

import json
import os
from copy import deepcopy
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from parley_crds import __version__
from tests.chart.rendering import CHART, VALUE_SETS
from tests.chart.values_table import comments, leaves, replaced, table

VALUES_TEXT = (CHART / "values.yaml").read_text(encoding="utf-8")
VALUES: dict[str, Any] = yaml.safe_load(VALUES_TEXT)
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
README = CHART / "README.md"


def refusals(values: dict[str, Any]) -> list[str]:
    """Return the paths at which the schema refuses values."""
    return [".".join(map(str, error.absolute_path)) for error in Draft7Validator(SCHEMA).iter_errors(values)]


def with_value(path: str, value: object) -> dict[str, Any]:
    """Return the default values with one replaced or added."""
    values = deepcopy(VALUES)
    *parents, last = path.split(".")
    place = values
    for parent in parents:
        place = place[parent]
    place[last] = value
    return values


def test_the_schema_is_one() -> None:
    """The schema keeps to JSON Schema's own rules."""
    Draft7Validator.check_schema(SCHEMA)


def test_defaults_keep_to_the_schema() -> None:
    """The default values are allowed."""
    refused = refusals(VALUES)

    assert [] == refused


@pytest.mark.parametrize("path", [path for paths in VALUE_SETS.values() for path in paths], ids=lambda path: path.stem)
def test_value_sets_keep_to_the_schema(path: Any) -> None:
    """Each value set that is rendered is allowed by itself."""
    refused = refusals(yaml.safe_load(path.read_text(encoding="utf-8")))

    assert [] == refused


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("unknown", 1),
        ("injector.unknown", 1),
        ("images.sidecar.unknown", 1),
        ("sidecar.resources.requests.unknown", "1"),
        ("images.sidecar.tag", 1.5),
        ("images.sidecar.digest", "1234"),
        ("images.redis.tag", ""),
        ("images.pullPolicy", "Sometimes"),
        ("operator.replicas", 0),
        ("injector.failurePolicy", "Retry"),
        ("injector.attempts", 0),
        ("injector.url", "http://127.0.0.1:8443"),
        ("injector.url", "https://127.0.0.1:8443/inject"),
        ("sidecar.runAsUser", 0),
        ("sidecar.resources.limits.memory", "much"),
        ("sidecar.drainSeconds", -1),
        ("redis.maxMemory", "a lot"),
        ("redis.external.url", "redis://:password@redis:6379"),
        ("redis.external.url", "redis://one:6379,two:6379"),
        ("redis.external.url", "redis+cluster://user:password@one,two"),
        ("redis.external.url", "redis+sentinel://one:26379,two:26379"),
        ("redis.external.url", "redis+sentinel://one/mymaster?sentinelPassword=x"),
        ("watchNamespaces", ["Shop"]),
        ("watchNamespaces", ["shop", "shop"]),
        ("whenUnsatisfiable", "Never"),
    ],
)
def test_a_bad_value_is_refused(path: str, value: object) -> None:
    """The schema refuses a value that cannot work at its place, and an unknown name at the place above."""
    (place,) = refusals(with_value(path, value))

    assert place in {path, f"{path}.0", path.rpartition(".")[0]}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("global", {"anything": 1}),
        ("sidecar.runAsUser", None),
        ("sidecar.resources.limits.cpu", 1),
        ("sidecar.resources.limits.cpu", "0.5"),
        ("operator.resources.limits.ephemeral-storage", "1Gi"),
        ("injector.url", "https://127.0.0.1:8443"),
        ("redis.external.url", "rediss://redis.example:6380/1"),
        ("redis.external.url", "rediss+cluster://one:6379,[::1]:6379"),
        ("redis.external.url", "redis+sentinel://one:26379,two/mymaster/1"),
    ],
)
def test_an_unusual_value_is_allowed(path: str, value: object) -> None:
    """The schema allows what can work."""
    refused = refusals(with_value(path, value))

    assert [] == refused


def test_every_value_has_a_comment_and_a_place_in_the_schema() -> None:
    """Nothing is in values.yaml without a comment, and without a place in the schema that allows no other names."""
    described = comments(VALUES_TEXT)

    for path, _ in leaves(VALUES, set(described)):
        assert path in described
        assert [] != refusals(with_value(path, object()))


def test_golden_readme() -> None:
    """README.md's table is made of the comments in values.yaml."""
    expected = replaced(README.read_text(encoding="utf-8"), table(VALUES_TEXT))
    if os.environ.get("PARLEY_GOLDEN"):
        README.write_text(expected, encoding="utf-8")

    assert expected == README.read_text(encoding="utf-8")


def test_the_chart_has_the_projects_version() -> None:
    """Chart, application and images carry the version of the contract."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))

    assert (__version__, __version__) == (chart["version"], chart["appVersion"])
