"""Snapshots as they arrive: whole, with single faults, and beyond reading."""

import json
import re
from typing import Any

import pytest

from parley_crds.component import Component
from parley_crds.stream import StoreSection, snapshot
from parley_sidecar.sources.snapshots import completed, decode
from tests.sidecar.running import component

ECHO = component("echo")
GPT = component("gpt", "conversation.openai", settings={"key": "sk-hush"})


def message(*components: Component, **changes: Any) -> str:
    """Return a snapshot's wire form with some fields of the message changed."""
    whole = snapshot(components, StoreSection(url="redis://:hush@r", version="1"), "PEM")
    return json.dumps({**whole.model_dump(mode="json"), **changes})


def test_what_the_operator_wrote_is_read() -> None:
    """Nothing is lost on the way, and fields of a newer operator are passed over."""
    expected = snapshot([ECHO, GPT], StoreSection(url="redis://:hush@r", version="1"), "PEM")

    assert (expected, {}) == decode(message(ECHO, GPT, news="from the future"), {})
    assert (expected, {}) == decode(message(ECHO, GPT).encode(), {})


def test_one_component_of_a_newer_version_costs_only_itself() -> None:
    """It is reported with the place, and its running version stays; the others are taken."""
    strange = {**GPT.model_dump(mode="json"), "privacy": {"mode": "telepathy"}}
    text = message(components=[ECHO.model_dump(mode="json"), strange])
    fresh, failed = decode(text, {})
    later, _ = decode(text, {"gpt": GPT})

    assert {"gpt": "this sidecar cannot read privacy.mode"} == failed
    assert (ECHO,) == fresh.components
    assert (ECHO, GPT) == later.components


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sk-hush", "a snapshot that is not JSON"),
        ("[" * 100_000, "a snapshot that is not JSON"),
        ("[]", "a snapshot that is not an object with a list of components"),
        ('{"hash": "h", "components": "sk-hush"}', "a snapshot that is not an object with a list of components"),
        ('{"hash": "h", "components": [{"type": "sk-hush"}]}', "a snapshot with a component without a name"),
        ('{"hash": "h", "components": ["sk-hush"]}', "a snapshot with a component without a name"),
        ('{"hash": ["sk-hush"]}', "a snapshot with a fault in hash"),
        ("{}", "a snapshot with a fault in hash"),
    ],
)
def test_garbage_is_told_without_its_content(text: str, sentence: str) -> None:
    """Whatever stands in a message may be a key."""
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        decode(text, {})


def test_what_is_held_stays_as_it_runs() -> None:
    """Only what runs can stay; what the snapshot brings itself, or could not be read, is not doubled."""
    strange = {**GPT.model_dump(mode="json"), "privacy": {"mode": "telepathy"}}
    text = message(ECHO, held=["gpt", "gone", "echo"])
    broken = message(components=[strange], held=["gpt"])

    assert (ECHO, GPT) == decode(text, {"gpt": GPT})[0].components
    assert (ECHO,) == decode(text, {})[0].components
    assert (GPT,) == decode(broken, {"gpt": GPT})[0].components


def test_what_stays_is_kept_with_the_message() -> None:
    """A container that begins with the file has it; a message in which nothing stayed is kept as it came."""
    text = message(ECHO, held=["gpt"], news="from the future").encode()
    used, _ = decode(text, {"gpt": GPT})
    kept = completed(text, used)

    assert decode(text, {"gpt": GPT}) == decode(kept, {})
    assert "from the future" == json.loads(kept)["news"]
    plain = message(ECHO, GPT).encode()
    assert plain is completed(plain, decode(plain, {})[0])
