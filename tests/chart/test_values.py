"""values.yaml, its schema and README.md say the same, without rendering anything."""

import json
import os
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from parley_crds import __version__
from tests.chart.rendering import CHART, NAMESPACE, VALUE_SETS, run
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
        ("monitoring.podMonitor.interval", "soon"),
        ("monitoring.prometheusRule.without", ["typo"]),
        ("monitoring.prometheusRule.runbookUrl", ""),
        ("monitoring.dashboard.labels.grafana_dashboard", 1),
        ("certificates.mode", "certmanager"),
        ("certificates.duration", "7d"),
        ("certificates.existingSecret", "mine"),
        ("certificates.issuerRef", {"name": "company"}),
        ("missedPods.evict", "true"),
        ("outdatedSidecars.restart", 1),
        ("dapr.readComponents", None),
        ("sidecar.native", "no"),
        ("injector.port", 443),
        ("injector.port", 9464),
        ("serviceAccounts.operator", "Mine"),
        ("serviceAccounts.sidecar", "mine"),
        ("selftest.namespace", "My-Lab"),
        ("extraObjects", [1]),
        ("extraObjects", {"apiVersion": "v1"}),
    ],
)
def test_a_bad_value_is_refused(path: str, value: object) -> None:
    """The schema refuses a value that cannot work at its place, and an unknown name at the place above."""
    (place,) = refusals(with_value(path, value))

    assert path in {place, place.rpartition(".")[0]} or place == path.rpartition(".")[0]


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
        ("redis.external", {"url": "redis://redis.example:6379", "existingSecret": "mine"}),
        ("certificates", {"mode": "external", "existingSecret": "mine"}),
        ("certificates", {"mode": "certManager", "issuerRef": {"name": "company", "kind": "ClusterIssuer"}}),
        ("certificates.duration", "1h30m"),
        ("injector.port", 10250),
        ("extraObjects", ["kind: ConfigMap", {"kind": "Secret"}]),
    ],
)
def test_an_unusual_value_is_allowed(path: str, value: object) -> None:
    """The schema allows what can work."""
    refused = refusals(with_value(path, value))

    assert [] == refused


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        ("certificates", {"mode": "external"}, "certificates"),
        ("certificates", {"mode": "external", "existingSecret": ""}, "certificates.existingSecret"),
        ("certificates", {"mode": "certManager", "issuerRef": {"kind": "Issuer"}}, "certificates.issuerRef"),
        ("redis.external.existingSecret", "mine", "redis.external.url"),
    ],
)
def test_a_value_that_needs_another_is_refused_without(path: str, value: object, place: str) -> None:
    """Where a value has no effect or cannot work without another, the schema names the other's place."""
    refused = refusals(with_value(path, value))

    assert [place] == refused


def declared(schema: dict[str, Any], stops: set[str], path: str = "") -> Iterator[str]:
    """Yield the paths of all values that the schema knows, going no deeper than a path in `stops`."""
    properties = schema.get("properties")
    if properties is None or path in stops:
        yield path
        return
    for name, below in properties.items():
        resolved = SCHEMA["definitions"][below["$ref"].rpartition("/")[2]] if "$ref" in below else below
        whole = resolved | (SCHEMA["definitions"]["image"] if "allOf" in resolved and name == "redis" else {})
        yield from declared(whole, stops, f"{path}.{name}".removeprefix("."))


def test_values_and_schema_name_the_same() -> None:
    """Every value is in the schema, and the schema knows no value that values.yaml does not show."""
    stops = set(comments(VALUES_TEXT))

    assert sorted(["global", *(path for path, _ in leaves(VALUES, stops))]) == sorted(declared(SCHEMA, stops))


def objects(schema: object, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every schema of an object with properties of its own, wherever it is."""
    match schema:
        case dict() if path.rpartition(".")[2] in {"if", "then", "else"}:
            return
        case dict():
            if schema.get("type") == "object" and "properties" in schema:
                yield path, schema
            for name, below in schema.items():
                yield from objects(below, f"{path}.{name}")
        case _:
            return


def test_no_object_allows_names_that_it_does_not_know() -> None:
    """A misspelt value is an error at every depth."""
    open_ones = [path for path, schema in objects(SCHEMA) if schema.get("additionalProperties") is not False]

    assert [] == open_ones


@pytest.mark.control_plane  # helm is built with the control plane's programs
@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("injector.replica=3", ("/injector", "replica")),
        ("injector.attempts=0", ("/injector/attempts",)),
        ("certificates.mode=external", ("/certificates/existingSecret",)),
        ("certificates.mode=certmanager", ("/certificates/mode",)),
        ("redis.external.existingSecret=mine", ("/redis/external/url",)),
        ("selftest.namespace=parley-system", ("selftest.namespace",)),
    ],
)
def test_helm_names_the_place_of_a_bad_value(flags: str, words: tuple[str, ...]) -> None:
    """What Helm says of a bad value names its place."""
    done = run("template", "parley", str(CHART), "--namespace", NAMESPACE, "--kube-version", "1.36.0", "--set", flags)

    assert done.returncode
    assert all(word in done.stderr for word in words), done.stderr


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
