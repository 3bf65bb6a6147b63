"""Which manifests of a directory count: a table, and what stays when a file breaks."""

import pytest

from parley_crds import manifests
from parley_crds.loading import SecretData
from parley_sidecar.sources.judgement import Judgement, Place, judge, kept
from tests.sidecar.running import component

HERE = Place("shop", "retail")
SECRETS = {"openai": SecretData("openai", "1", {"apiKey": "sk-1"})}


def manifest(name: str = "gpt", *, top: str = "", metadata: str = "", spec: str = "") -> str:
    """Return the YAML of a good openai component, with additions."""
    return f"""
apiVersion: parley.dev/v1alpha1
kind: ConversationComponent
metadata: {{name: {name}{metadata}}}
spec: {{type: conversation.openai, metadata: [{{name: key, secretKeyRef: {{name: openai, key: apiKey}}}}]{spec}}}
{top}
"""


def judged(*texts: str) -> list[Judgement]:
    """Judge texts as the files a.yaml, b.yaml, ..."""
    names = [f"{letter}.yaml" for letter in "abcd"[: len(texts)]]
    files = {name: manifests.read(text, name) for name, text in zip(names, texts, strict=True)}
    return list(judge(files, SECRETS, HERE).values())


def test_a_good_component_is_loaded() -> None:
    """Its Secret is resolved, and without a namespace it is in the sidecar's own."""
    (judgement,) = judged(manifest())
    (loaded,) = judgement.components

    assert ("gpt", "retail", {"key": "sk-1"}) == (loaded.name, loaded.namespace, loaded.settings)
    assert () == judgement.findings


@pytest.mark.parametrize(
    ("text", "source", "name", "reason", "weight"),
    [
        ("{", "a.yaml", "", "MalformedYaml", "fault"),
        ("- 1", "a.yaml#1", "", "Malformed", "fault"),
        (manifest(spec=", version: v2"), "a.yaml#1", "gpt", "UnknownVersion", "fault"),
        (manifest().replace("name: openai", "name: other"), "a.yaml#1", "gpt", "SecretNotFound", "fault"),
        (manifest().replace("apiKey", "key"), "a.yaml#1", "gpt", "SecretKeyNotFound", "fault"),
        (manifest(metadata=", namespace: other"), "a.yaml#1", "gpt", "OtherNamespace", "elsewhere"),
        (manifest(top="scopes: [billing]"), "a.yaml#1", "gpt", "OutOfScope", "elsewhere"),
        (manifest() + "---" + manifest(), "a.yaml#2", "gpt", "RepeatedName", "fault"),
    ],
)
def test_what_keeps_a_component_out(text: str, source: str, name: str, reason: str, weight: str) -> None:
    """Each fault has its place and reason; a component for somebody else is none."""
    (judgement,) = judged(text)
    (finding,) = judgement.findings

    assert (source, name, reason, weight) == (finding.source, finding.name, finding.problem.reason, finding.weight)
    assert (weight == "fault") == judgement.is_broken


def test_a_warning_leaves_the_component_in() -> None:
    """A misspelt setting is told, and the component serves."""
    text = manifest().replace("[{", "[{name: modle, value: x}, {")
    (judgement,) = judged(text)

    assert ["gpt"] == [loaded.name for loaded in judgement.components]
    assert [("UnknownSetting", "warning")] == [(found.problem.reason, found.weight) for found in judgement.findings]
    assert not judgement.is_broken


def test_scopes_and_namespaces_that_fit_let_in() -> None:
    """What names this sidecar is for it."""
    (judgement,) = judged(manifest(metadata=", namespace: retail", top="scopes: [billing, shop]"))

    assert () == judgement.findings


def test_of_two_components_with_one_name_the_first_good_one_counts() -> None:
    """A broken one does not take the name from a good one."""
    first, second, third = judged(manifest(spec=", version: v2"), manifest(), manifest())

    assert (0, 1, 0) == (len(first.components), len(second.components), len(third.components))
    assert "b.yaml#1 has that name too" == third.findings[0].problem.message


def test_a_broken_file_loses_nothing_it_gave() -> None:
    """Beside its good documents, what it had before stays; a whole file drops what was taken out of it."""
    a, b = component("a"), component("b")
    (broken,) = judged("{")
    (whole,) = judged(manifest())

    assert {"f": (a, b)} == kept({"f": broken}, {"f": (a, b)})
    assert {"f": whole.components} == kept({"f": whole}, {"f": (a, b)})


def test_what_moved_or_left_is_not_kept() -> None:
    """A name that another file gives now, or that is for somebody else now, does not come back from a broken file."""
    gpt, old = component("gpt"), component("old")
    broken, good = judged("{", manifest())
    (mixed,) = judged(manifest("old", top="scopes: [billing]") + "---\n- 1")

    assert {"f": (), "g": good.components} == kept({"f": broken, "g": good}, {"f": (gpt,)})
    assert {"f": ()} == kept({"f": mixed}, {"f": (old,)})
