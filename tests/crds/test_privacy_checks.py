"""The checks of a component's privacy: each fault and its reason, and what is only warned of."""

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from parley_crds import manifests
from parley_crds.checks import Problem, blocking, check
from parley_crds.resource import ConversationComponent, Pattern, Privacy, Recognizer

PRESIDIO = "https://presidio.privacy.svc:3000"


def problems(**privacy: Any) -> list[Problem]:
    """Return what is found in this section."""
    spec = {"type": "conversation.echo", "version": "v1", "privacy": {"mode": "mask", **privacy}}
    resource = ConversationComponent.model_validate({"metadata": {"name": "echo"}, "spec": spec})
    return list(check(resource))


@pytest.mark.parametrize(
    ("privacy", "reason", "words"),
    [
        (
            {"patterns": [{"type": "A", "regex": "a"}, {"type": "EMPLOYEE_ID", "regex": "EMP-[0-9]+"}]},
            "MalformedPattern",
            "spec.privacy.patterns: the pattern of EMPLOYEE_ID cannot be used: at character 10: * and + have no bound",
        ),
        ({"patterns": [{"type": "A", "regex": r"[\w.]{1,64}@[\w.]{1,64}"}] * 6}, "MalformedPattern", "together"),
        ({"allow": ["example.com", "10.0.0.0/33"]}, "MalformedAllowance", "spec.privacy.allow[1]: not a network"),
        ({"allow": ["10.1.2.3/8"]}, "MalformedAllowance", "bits behind its prefix"),
        ({"allow": ["fd00::1::/8"]}, "MalformedAllowance", "not a network"),
        ({"allow": ["*.example.com"]}, "MalformedAllowance", "written as example.com"),
        ({"allow": ["@example.com"]}, "MalformedAllowance", "written as example.com"),
        ({"recognizer": {"url": "http://user:s3cret@presidio"}}, "MalformedRecognizer", "without credentials"),
        ({"recognizer": {"url": "https://presidio/?key=s3cret"}}, "MalformedRecognizer", "or query"),
        ({"recognizer": {"url": "https://presidio:s3cret"}}, "MalformedRecognizer", "with a host"),
        ({"recognizer": {"url": PRESIDIO, "timeout": "0s"}}, "ZeroTimeout", "spec.privacy.recognizer.timeout of 0"),
    ],
)
def test_each_fault_has_its_reason(privacy: Mapping[str, Any], reason: str, words: str) -> None:
    """A section with one fault is given that reason, and a sentence that names the place and shows no value."""
    (problem,) = problems(**privacy)

    assert (reason, True) == (problem.reason, problem.blocks)
    assert words in problem.message
    assert "s3cret" not in problem.message


def test_everything_can_be_used_together() -> None:
    """A section with all of its fields has no problem."""
    assert [] == problems(
        mode="reversible",
        answers="mask",
        types=["EMAIL_ADDRESS", "SECRET"],
        allow=[
            "example.com",
            "support@example.com",
            "10.0.0.0/8",
            "::1/128",
            "192.0.2.1",
            "+1 800 555 0199",
            "1/2",
            "*-"[1:],
        ],
        patterns=[{"type": "EMPLOYEE_ID", "regex": r"\bEMP-([0-9]{4,8})\b"}],
        recognizer={"url": PRESIDIO, "language": "de", "entities": ["PERSON"], "minScore": 0.6, "timeout": "1s"},
    )


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://presidio.privacy.svc:3000", True),
        ("http://10.0.0.7", True),
        (PRESIDIO, False),
        ("http://localhost:3000", False),
        ("http://127.0.0.2:3000", False),
        ("http://[::1]:3000", False),
    ],
)
def test_texts_in_the_open_are_a_warning(url: str, warned: bool) -> None:  # noqa: FBT001 - a column of the table
    """Unless the recognizer is in the same pod, or TLS protects the way to it."""
    found = problems(recognizer={"url": url})

    assert [("UnprotectedRecognizer", False)] * warned == [(problem.reason, problem.blocks) for problem in found]


def test_settings_without_a_mode_are_a_warning() -> None:
    """Nobody is to believe that a list of types alone hides anything; flags may use them, so that it does not block."""
    found = problems(mode="off", types=["IP"], allow=["example.com"])

    assert ["PrivacyIsOff"] == [problem.reason for problem in found]
    assert "spec.privacy.types, spec.privacy.allow count only for requests" in found[0].message
    assert blocking(tuple(found)) is None
    assert [] == problems(mode="off", answers="mask", types=["IP"])
    assert [] == problems(mode="off")


@pytest.mark.parametrize("name", ["EMPLOYEE_ID", "A", "A_B_C"])
def test_a_kind_can_stand_in_a_token(name: str) -> None:
    """Words with single underscores between them: what follows the last one in a token is its number."""
    assert name == Pattern(type=name, regex="a").type
    assert [name] == Recognizer(url=PRESIDIO, entities=[name]).entities


@pytest.mark.parametrize("name", ["employee", "A_", "_A", "A__B", "A1", "A B", "", "A" * 33, "A\n"])
def test_other_kinds_are_refused(name: str) -> None:
    """Lower case, digits and stray underscores would make a token that cannot be read back."""
    with pytest.raises(ValidationError):
        Pattern(type=name, regex="a")


@pytest.mark.parametrize(
    "section",
    [
        {"types": ["NAME"]},
        {"allow": [""]},
        {"allow": ["a" * 254]},
        {"patterns": [{"type": "A", "regex": ""}]},
        {"patterns": [{"type": "A", "regex": "a"}] * 17},
        {"recognizer": {"url": "presidio"}},
        {"recognizer": {"url": PRESIDIO, "entities": []}},
        {"recognizer": {"url": PRESIDIO, "minScore": 1.1}},
        {"recognizer": {"url": PRESIDIO, "key": "k"}},
    ],
)
def test_the_schema_refuses_what_has_no_meaning(section: Mapping[str, Any]) -> None:
    """The API server says so before the operator has to."""
    with pytest.raises(ValidationError):
        Privacy.model_validate(section)


def test_flat_names_hold_lists() -> None:
    """`piiTypes` and `piiAllow` of a Dapr manifest are lists with commas."""
    text = """
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: echo}
spec:
  type: conversation.echo
  version: v1
  metadata:
  - {name: piiMode, value: mask}
  - {name: piiTypes, value: "EMAIL_ADDRESS, SECRET,"}
  - {name: piiAllow, value: "example.com,10.0.0.0/8 , +1 800 555 0199"}
"""
    ((manifest),) = manifests.read(text, "echo.yaml")

    assert isinstance(manifest.parsed, ConversationComponent)
    privacy = manifest.parsed.spec.privacy
    assert ["EMAIL_ADDRESS", "SECRET"] == privacy.types
    assert ["example.com", "10.0.0.0/8", "+1 800 555 0199"] == privacy.allow


def test_an_unknown_type_in_a_flat_list_is_named_by_its_place() -> None:
    """The sentence points at the field, and does not show the value."""
    text = "apiVersion: parley.dev/v1alpha1\nkind: ConversationComponent\nmetadata: {name: echo}\nspec:\n"
    text += "  type: conversation.echo\n  metadata: [{name: piiTypes, value: 'IP,NAME'}]"
    (manifest,) = manifests.read(text, "echo.yaml")

    assert isinstance(manifest.parsed, Problem)
    assert "privacy.types" in manifest.parsed.message
    assert "NAME" not in manifest.parsed.message
