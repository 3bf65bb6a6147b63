"""The file of Secrets: its two forms, its faults, and the versions it gives."""

import json
import re
from pathlib import Path

import pytest

from parley_sidecar.sources.secret_file import SecretFile, parse, versioned


def test_a_map_of_maps_is_read() -> None:
    """The short form is YAML or JSON, and numbers are read as their text."""
    expected = {"openai": {"apiKey": "sk-1", "pin": "42"}}

    assert expected == parse("openai: {apiKey: sk-1, pin: 42}")
    assert expected == parse(json.dumps({"openai": {"apiKey": "sk-1", "pin": 42}}))


def test_secret_manifests_are_read() -> None:
    """What kubectl prints works: data in base64, stringData in the open and stronger, several documents."""
    text = """
apiVersion: v1
kind: Secret
metadata: {name: openai}
data: {apiKey: c2stMQ==, org: b2xk}
stringData: {org: new}
---
---
apiVersion: v1
kind: Secret
metadata: {name: empty}
"""

    assert {"openai": {"apiKey": "sk-1", "org": "new"}, "empty": {}} == parse(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("openai: {apiKey: [sk-hush", "not YAML: line 1"),
        ("sk-hush", "must hold {secret: {key: value}} or Secret manifests"),
        ("openai: sk-hush", "openai must hold {key: value}"),
        ("openai: {apiKey: [sk-hush]}", "openai.apiKey must be a text; put it in quotes"),
        ("openai: {apiKey: yes}", "openai.apiKey must be a text; put it in quotes"),
        ("{kind: Secret, metadata: {name: openai}, data: {apiKey: sk-hush}}", "openai.apiKey must be text in base64"),
        ("{kind: Secret, metadata: {name: openai}, data: {apiKey: /w==}}", "openai.apiKey must be text in base64"),
        (
            "{kind: Secret, data: {apiKey: sk-hush}}",
            "a Secret manifest must have metadata.name, and maps in data and stringData",
        ),
        (
            "{kind: Secret, metadata: {name: openai}, data: sk-hush}",
            "a Secret manifest must have metadata.name, and maps in data and stringData",
        ),
    ],
)
def test_a_fault_is_told_without_the_secret(text: str, sentence: str) -> None:
    """The sentence names the place, never the value."""
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        parse(text)


def test_a_version_changes_with_its_own_content_only() -> None:
    """A key that changes gives its Secret a new version; the Secret beside it keeps its own."""
    first = versioned({"a": {"key": "1"}, "b": {"key": "1"}}, {})
    second = versioned({"a": {"key": "2"}, "b": {"key": "1"}}, first)

    assert first["a"].resource_version != second["a"].resource_version
    assert first["b"] == second["b"]
    assert "2" == second["a"].data["key"]


def test_a_broken_file_keeps_what_it_gave(tmp_path: Path) -> None:
    """While the file is at fault, the last good Secrets stay, and the fault is there to be told."""
    path = tmp_path / "secrets.yaml"
    path.write_text("openai: {apiKey: sk-1}")
    file = SecretFile(path)
    file.load()
    good = file.secrets

    told = []
    path.write_bytes(b"\xff\xfe")
    file.load()
    told.append(file.problem)
    path.write_text("openai: broken")
    file.load()
    told.append(file.problem)
    path.unlink()
    file.load()
    told.append(file.problem)

    assert ["not UTF-8", "openai must hold {key: value}", "cannot be read: No such file or directory"] == told
    assert good == file.secrets
    path.write_text("openai: {apiKey: sk-2}")
    file.load()
    assert (None, "sk-2") == (file.problem, file.secrets["openai"].data["apiKey"])


def test_there_may_be_no_file() -> None:
    """Without --secrets there are no Secrets and nothing to tell."""
    file = SecretFile(None)
    file.load()

    assert ({}, None) == (file.secrets, file.problem)
