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
    """`kubectl explain` has a sentence for each field of ours, the items of lists included."""
    standard = {".apiVersion", ".kind", ".metadata"}

    assert "description" in SCHEMA
    assert [] == [path for path, node in nodes(SCHEMA) if not node.get("description") and path not in standard]


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
        (
            {"metadata": [{"name": "a", "value": "1"}, {"name": "A", "value": "2"}]},
            "spec.metadata: .* must differ by more than case",
        ),
        ({"resilience": {"retries": 11}}, "should be less than or equal to 10"),
        ({"resilience": {"breakerFaults": -1}}, "should be greater than or equal to 0"),
        ({"resilience": {"breakerPause": "soon"}}, "spec.resilience.breakerPause"),
        ({"cache": {"ttl": -1}}, "spec.cache.ttl: Invalid value: .* greater than or equal to 0"),
        (
            {"metadata": [{"name": "k", "envRef": "A", "secretKeyRef": {"name": "a", "key": "b"}}]},
            "spec.metadata.0.: Invalid value: the setting k has both secretKeyRef and envRef",
        ),
        (
            {"type": "conversation.mistral"},
            "spec.metadata: Required value: conversation.mistral needs the setting key",
        ),
        (
            {"type": "conversation.openai", "metadata": [{"name": "model", "value": "m"}]},
            "spec.metadata: Required value: conversation.openai needs the setting key .* unless transport says",
        ),
        (
            {"resilience": {"fallback": ["other", "checked"]}},
            "spec.resilience.fallback: Invalid value: .* must not name the component itself",
        ),
        ({"resilience": {"fallback": ["a", "b", "a"]}}, "spec.resilience.fallback: Invalid value: .* twice"),
    ],
)
def test_the_api_server_refuses_what_is_malformed(applied: Cluster, spec: dict[str, Any], words: str) -> None:
    """Schema and CEL name the field that is at fault, before the operator ever sees it."""
    with pytest.raises(ClusterError, match=words):
        applied.kubectl("apply", "--validate=strict", "--dry-run=server", "-f", "-", feed=manifest(**spec))


@pytest.mark.control_plane
def test_the_api_server_takes_what_dapr_users_write(applied: Cluster) -> None:
    """Unquoted numbers and booleans, durations as numbers, and fields that only Dapr uses are accepted."""
    metadata = [{"name": "maxTokens", "value": 100}, {"name": "flag", "value": True}]
    spec = {"metadata": metadata, "cache": {"ttl": 600}, "ignoreErrors": True, "initTimeout": "5s"}

    told = applied.kubectl("create", "--validate=strict", "--dry-run=server", "-f", "-", feed=manifest(**spec))

    assert "created" in told


@pytest.mark.control_plane
@pytest.mark.parametrize(
    ("kind", "setting"),
    [
        ("conversation.mistral", {"name": "KEY", "secretKeyRef": {"name": "mistral", "key": "apiKey"}}),
        ("conversation.openai", {"name": "key", "envRef": "OPENAI_API_KEY"}),
        ("conversation.openai", {"name": "transport", "value": "sdk"}),
        ("conversation.ollama", {"name": "model", "value": "tiny"}),
    ],
)
def test_the_api_server_takes_what_a_provider_needs(applied: Cluster, kind: str, setting: dict[str, Any]) -> None:
    """However the key is given, in whatever case, and none where there are other ways to sign in."""
    feed = manifest(type=kind, metadata=[setting])

    assert "created" in applied.kubectl("create", "--dry-run=server", "-f", "-", feed=feed)


@pytest.mark.control_plane
def test_kubectl_explains_every_field(applied: Cluster) -> None:
    """The API server publishes our sentences; the words of the first level stand for all."""
    told = applied.kubectl("explain", "conv.spec.resilience")

    for name, node in SCHEMA["properties"]["spec"]["properties"]["resilience"]["properties"].items():
        assert name in told
        assert node["description"].split()[0] in told


@pytest.mark.control_plane
def test_kubectl_get_shows_health_at_a_glance(applied: Cluster) -> None:
    """One line says what it is, whether it is ready and why not, and how its sidecars do; `-o wide` which model."""
    metadata = [{"name": "key", "value": "k"}, {"name": "model", "value": "gpt-5-nano"}]
    applied.kubectl("apply", "-f", "-", feed=manifest(type="conversation.openai", metadata=metadata))
    sidecars = {"summary": "2/3", "faults": "1 open, 2 refused"}
    judged = {"type": "Ready", "status": "True", "reason": "Ready", "lastTransitionTime": "2026-11-25T08:00:00Z"}
    status = json.dumps({"status": {"conditions": [judged], "sidecars": sidecars}})
    place = ("-n", "default")
    applied.kubectl(*place, "patch", "conv", "checked", "--subresource=status", "--type=merge", "-p", status)
    try:
        plain = applied.kubectl(*place, "get", "conv", "checked").splitlines()
        wide = applied.kubectl(*place, "get", "conv", "checked", "-o", "wide").splitlines()
    finally:
        applied.kubectl(*place, "delete", "conv", "checked")

    assert ["NAME", "TYPE", "READY", "REASON", "SIDECARS", "FAULTS", "AGE"] == plain[0].split()
    assert ["checked", "conversation.openai", "True", "Ready", "2/3", "1", "open,", "2", "refused"] == plain[1].split()[
        :9
    ]
    assert {"MODEL", "VERSION"} <= set(wide[0].split())
    assert "gpt-5-nano" in wide[1]


@pytest.mark.control_plane
def test_the_type_cannot_change(applied: Cluster) -> None:
    """A component that becomes another provider is another component."""
    applied.kubectl("apply", "-f", "-", feed=manifest())
    try:
        with pytest.raises(
            ClusterError, match=r"spec[.]type: Forbidden: spec[.]type cannot change: delete the component"
        ):
            applied.kubectl("apply", "-f", "-", feed=manifest(type="conversation.openai"))
    finally:
        applied.kubectl("-n", "default", "delete", "conv", "checked")
