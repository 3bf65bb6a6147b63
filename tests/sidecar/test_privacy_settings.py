"""What counts as personal data, from a manifest to what the provider gets, and what `parley check` says of it."""

import io
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from parley_crds.checks import check
from parley_crds.resource import ConversationComponent
from parley_sidecar.checking import check_files
from parley_sidecar.http_client import HttpClient
from parley_sidecar.pii.finder import Finder
from tests.conftest import ROOT
from tests.recognizers import presidio
from tests.sidecar.running import component, sidecar

OWN = [{"type": "EMPLOYEE_ID", "regex": r"\bEMP-([0-9]{4,8})\b"}]
TEXT = "Ann Lee (EMP-0042, ann@example.com, boss@corp.example) sits in New York at 10.1.2.3"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The root of a running recognizer."""
    with presidio.running() as root:
        yield root


def body(text: str) -> Mapping[str, Any]:
    """Return an alpha2 request."""
    return {"inputs": [{"messages": [{"ofUser": {"content": [{"text": text}]}}]}]}


def settings(url: str, mode: str) -> dict[str, Any]:
    """Return a privacy section with everything in it."""
    return {
        "mode": mode,
        "types": ["EMAIL_ADDRESS", "IP"],
        "allow": ["corp.example", "10.0.0.0/8"],
        "patterns": OWN,
        "recognizer": {"url": url, "timeout": "30s"},
    }


async def test_the_provider_gets_what_is_left(url: str) -> None:
    """Names, own kinds and chosen types give way; what is allowed stays."""
    async with sidecar(component(privacy=settings(url, "mask"))) as running:
        answer = (await running.alpha2(body(TEXT))).json()

    assert (
        "<PERSON> (EMP-<EMPLOYEE_ID>, <EMAIL_ADDRESS>, boss@corp.example) sits in <LOCATION> at 10.1.2.3"
        == (answer["outputs"][0]["choices"][0]["message"]["content"])
    )


async def test_every_kind_comes_back(url: str) -> None:
    """Tokens of one's own kinds and of a recognizer's are restored as ours are."""
    async with sidecar(component(privacy=settings(url, "reversible"))) as running:
        answer = (await running.alpha2(body(TEXT))).json()
        samples = await running.samples()

    assert TEXT == answer["outputs"][0]["choices"][0]["message"]["content"]
    for kind in ("EMPLOYEE_ID", "EMAIL_ADDRESS", "PERSON", "LOCATION"):
        assert any(f'type="{kind}"' in series for series in samples)


async def test_a_blocking_component_names_the_kinds(url: str) -> None:
    """The sentence has the words of the patterns and of the recognizer, and no value."""
    async with sidecar(component(privacy=settings(url, "block"))) as running:
        answer = await running.alpha2(body(TEXT))

    assert 400 == answer.status_code
    assert "EMAIL_ADDRESS, EMPLOYEE_ID, LOCATION, PERSON" in answer.text
    assert "Ann" not in answer.text


async def test_without_its_recognizer_a_component_answers_nothing(url: str) -> None:
    """Nothing reaches the provider that was to be read first; a clear reason reaches the caller."""
    async with sidecar(component(privacy=settings(f"{url}/down", "mask"))) as running:
        answer = await running.alpha2(body(TEXT))

    assert 500 == answer.status_code
    assert "recognizer_unavailable" in answer.text
    assert "Ann" not in answer.text


def test_the_example_of_the_page_is_a_component_without_problems() -> None:
    """docs/privacy.md shows what can be used, and what it says of it is so."""
    section = (ROOT / "docs/privacy.md").read_text("utf-8").partition("## What counts for a component\n")[2]
    spec = {"type": "conversation.echo", **yaml.safe_load(section.partition("```yaml\n")[2].partition("```")[0])}
    resource = ConversationComponent.model_validate({"metadata": {"name": "echo"}, "spec": spec})

    finder = Finder.of(resource.spec.privacy, HttpClient())

    assert () == check(resource)
    assert [] == finder.spans("ann@mail.example.com, support@example.org, +1-800-555-0199 and 10.1.2.3")
    assert ["EMPLOYEE_ID", "EMAIL_ADDRESS"] == [span.kind for span in finder.spans("EMP-0042 ann@corp.example")]


@pytest.mark.parametrize(
    ("privacy", "line"),
    [
        (
            "{mode: mask, patterns: [{type: ID, regex: 'E-.*'}]}",
            "MalformedPattern: spec.privacy.patterns: the pattern of ID cannot be used: at character 4:",
        ),
        ("{mode: mask, allow: [10.0.0.1/8]}", "MalformedAllowance: spec.privacy.allow[0]:"),
        ("{mode: mask, recognizer: {url: 'http://a@b'}}", "MalformedRecognizer: spec.privacy.recognizer.url must be"),
        ("{mode: mask, recognizer: {url: 'http://b'}}", "UnprotectedRecognizer"),
        ("{types: [IP]}", "PrivacyIsOff"),
    ],
)
def test_parley_check_shows_what_is_wrong(privacy: str, line: str) -> None:
    """Blocking ones fail, warnings do not."""
    text = "apiVersion: parley.dev/v1alpha1\nkind: ConversationComponent\nmetadata: {name: echo}\n"
    text += f"spec:\n  type: conversation.echo\n  privacy: {privacy}\n"

    ((shown, fails),) = check_files(["-"], io.StringIO(text))

    assert line in shown
    assert fails == ("Malformed" in line)
