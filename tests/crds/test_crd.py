"""The generated CRD: its shape here, its meaning on a real API server."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.cluster import Cluster, ClusterError
from parley_crds import generate
from parley_crds.crd import definition, structural

SCHEMA = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def nodes(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Walk through every property's schema."""
    for name, child in schema.get("properties", {}).items():
        yield f"{path}.{name}", child
        yield from nodes(child, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")


def test_every_field_is_described() -> None:
    """`kubectl explain` has a sentence for each field of ours."""
    standard = {".apiVersion", ".kind", ".metadata"}

    assert [] == [
        path for path, node in nodes(SCHEMA) if "description" not in node and path not in {*standard, ".status"}
    ]


def test_every_string_and_list_of_spec_is_bounded() -> None:
    """The API server refuses CEL rules over what has no bound."""
    spec = {"properties": {"spec": SCHEMA["properties"]["spec"]}}
    unbounded = [
        path
        for path, node in nodes(spec)
        if (node.get("type") == "array" and "maxItems" not in node)
        or (node.get("type") == "string" and not {"maxLength", "enum"} & set(node))
    ]

    assert unbounded == []


def test_generated_files_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    """`make check` fails when a model changed without `make generate`."""
    assert generate.main(["--check"]) == 0
    assert capsys.readouterr().err == ""


def test_references_and_nulls_are_taken_out() -> None:
    """JSON Schema as the models write it becomes what a structural schema may hold."""
    definitions = {"Size": {"type": "integer", "exclusiveMinimum": 0, "title": "Size"}}
    node = {"anyOf": [{"$ref": "#/$defs/Size"}, {"type": "null"}], "default": None, "description": "How big."}

    assert {"type": "integer", "minimum": 0, "exclusiveMinimum": True, "description": "How big."} == structural(
        node, definitions
    )
    assert {"enum": ["a"]} == structural({"const": "a"}, {})


def manifest(**spec: Any) -> str:
    """Return a component as JSON; None takes a field out."""
    whole = {"type": "conversation.echo", "version": "v1", **spec}
    return json.dumps(
        {
            "apiVersion": "parley.dev/v1alpha1",
            "kind": "ConversationComponent",
            "metadata": {"name": "checked", "namespace": "default"},
            "spec": {key: value for key, value in whole.items() if value is not None},
        }
    )


@pytest.fixture(scope="module")
def applied(control_plane: Cluster) -> Cluster:
    """A real API server that has our CRD."""
    path = str(generate.ROOT / "crds/conversationcomponents.parley.dev.yaml")
    control_plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", path)
    control_plane.kubectl("wait", "--for=condition=Established", "crd/conversationcomponents.parley.dev")
    return control_plane


@pytest.mark.control_plane
@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"type": "state.redis"}, "spec.type"),
        ({"type": None}, "spec.type: Required value"),
        ({"cache": {"ttl": "ten"}}, "spec.cache.ttl"),
        ({"cache": {"scope": "cluster"}}, 'supported values: "namespace", "application"'),
        ({"cahce": {}}, "cahce"),
        ({"metadata": [{"name": "a", "value": "1", "envRef": "A"}]}, "must validate one and only one schema"),
        ({"metadata": [{"name": "a"}]}, "must validate one and only one schema"),
        ({"metadata": [{"name": "a", "value": "1"}, {"name": "a", "value": "2"}]}, "Duplicate value"),
        ({"metadata": [{"name": "a", "value": "1"}, {"name": "A", "value": "2"}]}, "must differ by more than case"),
        ({"resilience": {"retries": 11}}, "should be less than or equal to 10"),
        ({"resilience": {"breakerFaults": -1}}, "should be greater than or equal to 0"),
        ({"resilience": {"breakerPause": "soon"}}, "spec.resilience.breakerPause"),
    ],
)
def test_the_api_server_refuses_what_is_malformed(applied: Cluster, spec: dict[str, Any], words: str) -> None:
    """Schema and CEL say where the fault is, before the operator ever sees it."""
    with pytest.raises(ClusterError, match=words):
        applied.kubectl("create", "--validate=strict", "--dry-run=server", "-f", "-", feed=manifest(**spec))


@pytest.mark.control_plane
def test_the_api_server_takes_what_dapr_users_write(applied: Cluster) -> None:
    """Unquoted numbers and booleans, durations as numbers, and fields that only Dapr uses are accepted."""
    metadata = [{"name": "maxTokens", "value": 100}, {"name": "flag", "value": True}]
    spec = {"metadata": metadata, "cache": {"ttl": 600}, "ignoreErrors": True, "initTimeout": "5s"}

    told = applied.kubectl("create", "--validate=strict", "--dry-run=server", "-f", "-", feed=manifest(**spec))

    assert "created" in told


@pytest.mark.control_plane
def test_the_type_cannot_change(applied: Cluster) -> None:
    """A component that becomes another provider is another component."""
    applied.kubectl("apply", "-f", "-", feed=manifest())
    try:
        with pytest.raises(ClusterError, match="cannot change: delete the component"):
            applied.kubectl("apply", "-f", "-", feed=manifest(type="conversation.openai"))
    finally:
        applied.kubectl("-n", "default", "delete", "conv", "checked")
