"""Manifests: our kind and Dapr's meet as one; a fault names the field and never the value."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from parley_crds import manifests
from parley_crds.checks import Problem, check
from parley_crds.dapr import TYPED_FIELDS
from parley_crds.resource import ConversationComponent

OURS = """
apiVersion: parley.dev/v1alpha1
kind: ConversationComponent
metadata: {name: gpt, namespace: shop}
spec:
  type: conversation.openai
  version: v1
  metadata:
  - {name: key, secretKeyRef: {name: openai, key: apiKey}}
  - {name: model, value: gpt-4o-mini}
  cache: {ttl: 10m, scope: application}
scopes: [checkout]
"""
DAPR = """
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: gpt, namespace: shop}
spec:
  type: conversation.openai
  version: v1
  ignoreErrors: true
  initTimeout: 5s
  metadata:
  - {name: key, secretKeyRef: {name: openai, key: apiKey}}
  - {name: model, value: gpt-4o-mini}
  - {name: responseCacheTTL, value: 10m}
  - {name: cacheScope, value: application}
auth: {secretStore: kubernetes}
scopes: [checkout]
"""


def only(text: str) -> ConversationComponent:
    """Read the one component of a text; fails where there is a problem."""
    (manifest,) = manifests.read(text, "gpt.yaml")
    assert isinstance(manifest.parsed, ConversationComponent), manifest.parsed
    return manifest.parsed


def message(text: str) -> str:
    """Read the one problem of a text."""
    (manifest,) = manifests.read(text, "gpt.yaml")
    assert isinstance(manifest.parsed, Problem)
    return manifest.parsed.message


def test_a_dapr_manifest_means_the_same_as_ours() -> None:
    """Flat metadata names become typed fields; settings and scopes are read alike."""
    ours, dapr = only(OURS), only(DAPR)

    assert ours.spec.cache == dapr.spec.cache
    assert ours.spec.metadata == dapr.spec.metadata
    assert (ours.name, ours.namespace, ours.scopes) == (dapr.name, dapr.namespace, dapr.scopes)


def test_a_moved_dapr_manifest_keeps_its_flat_names() -> None:
    """Changing apiVersion and kind is all it takes to move over."""
    moved = DAPR.replace("dapr.io/v1alpha1", "parley.dev/v1alpha1").replace(
        "kind: Component", "kind: ConversationComponent"
    )

    assert only(DAPR).spec == only(moved).spec


@pytest.mark.parametrize(
    ("flat", "value", "section", "field", "expected"),
    [
        ("cacheTTL", "5m", "cache", "ttl", "5m"),
        ("piiMode", "reversible", "privacy", "mode", "reversible"),
        ("contextTTL", "24h", "context", "ttl", "24h"),
        ("contextMaxMessages", "20", "context", "max_messages", 20),
        ("timeout", "30s", "resilience", "timeout", "30s"),
        ("retries", 3, "resilience", "retries", 3),
        ("retryMaxWait", "2s", "resilience", "retry_max_wait", "2s"),
        ("breakerFaults", 7, "resilience", "breaker_faults", 7),
        ("breakerPause", "10s", "resilience", "breaker_pause", "10s"),
        ("concurrency", 64, "resilience", "concurrency", 64),
        ("fallback", "a, b", "resilience", "fallback", ["a", "b"]),
        ("allowOverrides", "model,cacheTTL", "overrides", "allow", ["model", "cacheTTL"]),
    ],
)
def test_every_flat_name_has_its_typed_field(
    flat: str, value: object, section: str, field: str, expected: object
) -> None:
    """The flat names of Dapr's manifests are words for our typed fields."""
    text = f"""
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {{name: c}}
spec: {{type: conversation.echo, version: v1, metadata: [{{name: {flat}, value: "{value}"}}]}}
"""

    assert expected == getattr(getattr(only(text).spec, section), field)


def test_contradicting_forms_are_refused() -> None:
    """A flat name and its typed field must not say different things."""
    text = OURS.replace("{name: model,", "{name: cacheTTL, value: 5m}\n  - {name: model,")

    assert "cacheTTL in metadata contradicts cache.ttl" in message(text)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("{name: model, value: gpt-4o-mini}", "{name: model}", "spec.metadata.1: "),
        ("value: gpt-4o-mini", "value: x, envRef: Y", "exactly one of value, secretKeyRef and envRef"),
        ("cache: {ttl: 10m", "cache: {ttl: ten", "spec.cache.ttl: "),
        ("conversation.openai", "state.redis", "spec.type: "),
        ("version: v1", "versoin: v1", "spec.versoin: "),
        ("scope: application", "scope: cluster", "spec.cache.scope: "),
        ("spec:", "spoc:", "spec is missing"),
        ("metadata: {name: gpt, namespace: shop}", "metadata: {}", "metadata.name"),
    ],
)
def test_a_malformed_manifest_is_one_clear_sentence(old: str, new: str, expected: str) -> None:
    """The sentence says where the fault is."""
    assert expected in message(OURS.replace(old, new))


def test_a_fault_never_shows_the_value() -> None:
    """A key that somebody put into the wrong place is not printed."""
    assert "sk-secret" not in message(OURS.replace("value: gpt-4o-mini", "valeu: sk-secret"))


def test_many_faults_are_counted_not_listed() -> None:
    """A message stays short enough for a condition."""
    text = OURS.replace("version: v1", "\n  ".join(f"field{number}: 1" for number in range(9)))

    assert "and 4 more" in message(text)


def test_what_is_not_yaml_says_where() -> None:
    """Line and column of the fault, without the text around it."""
    assert message("a: [1,\nb: }") == "not YAML: line 2, column 4"


def test_several_documents_are_numbered_and_other_kinds_left_out() -> None:
    """A file may hold a Deployment, another kind of Dapr component and empty documents beside ours."""
    other = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n"
    state = DAPR.replace("conversation.openai", "state.redis")
    text = f"{other}---{OURS}---\n---{state}---{DAPR}"
    read = manifests.read(text, "all.yaml")

    assert [("all.yaml#2", "gpt"), ("all.yaml#5", "gpt")] == [(m.source, m.name) for m in read]


@pytest.mark.parametrize("text", ["- a", "just words", "kind: ConversationComponent"])
def test_what_is_no_object_is_told(text: str) -> None:
    """Neither a list nor a word is silently nothing."""
    assert "not a Kubernetes object" in message(text)


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text(max_size=12),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
FLAT = some.fixed_dictionaries({"name": some.sampled_from(sorted(TYPED_FIELDS)) | some.text(max_size=8), "value": JSON})
FIELDS = ("type", "cache", "privacy", "context", "resilience", "overrides", "serviceAccounts", "initTimeout")
SPECS = some.fixed_dictionaries({"metadata": some.lists(FLAT, max_size=3) | JSON}, optional=dict.fromkeys(FIELDS, JSON))


@settings(max_examples=300, deadline=None)
@given(SPECS | JSON, JSON)
def test_whatever_stands_in_an_object_is_judged(spec: object, scopes: object) -> None:
    """Never a fault of ours: an operator that could not judge one component would wait for it, and serve nobody."""
    parsed = manifests.parse({"metadata": {"name": "any", "namespace": "shop"}, "spec": spec, "scopes": scopes})

    if isinstance(parsed, ConversationComponent):
        assert all(problem.reason for problem in check(parsed))
    else:
        assert "Malformed" == parsed.reason


def test_a_flat_name_for_what_is_no_section_is_told() -> None:
    """The section is at fault, not we."""
    spec = {"type": "conversation.echo", "cache": "yes", "metadata": [{"name": "cacheTTL", "value": "10m"}]}

    assert Problem("Malformed", "cache is not a section") == manifests.parse({"metadata": {"name": "a"}, "spec": spec})
