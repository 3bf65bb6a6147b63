"""The stream's wire form."""

from collections.abc import Mapping

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from parley_crds.component import Component
from parley_crds.resource import Resilience
from parley_crds.stream import MAX_PROVIDERS, Acknowledgement, ProviderHealth, Snapshot, StoreSection, snapshot

ECHO = Component(name="echo", namespace="shop", type="conversation.echo", version="1")
GPT = Component(name="gpt", namespace="shop", type="conversation.openai", version="2", settings={"key": "sk-secret"})
STORE = StoreSection(url="redis://:password@redis:6379", version="3")


def test_a_snapshot_survives_the_wire() -> None:
    """What the operator sends is what the sidecar gets, secrets included."""
    sent = snapshot([GPT, ECHO], STORE, "PEM")

    assert sent == Snapshot.model_validate_json(sent.model_dump_json())


def test_the_hash_follows_names_versions_store_and_anchors() -> None:
    """The order of arrival does not matter; every change that a sidecar must act on does."""
    first = snapshot([GPT, ECHO], STORE, "PEM").hash
    newer = GPT.model_copy(update={"version": "3"})

    assert first == snapshot([ECHO, GPT], STORE, "PEM").hash
    others = {
        snapshot([ECHO], STORE, "PEM").hash,
        snapshot([ECHO, newer], STORE, "PEM").hash,
        snapshot([ECHO, GPT], STORE.model_copy(update={"version": "4"}), "PEM").hash,
        snapshot([ECHO, GPT], STORE, "OTHER").hash,
    }
    assert first not in others
    assert len(others) == 4


def test_a_snapshot_shows_no_secret_when_printed() -> None:
    """Keys and passwords are on the wire only."""
    assert not {"sk-secret", "password"} & set(
        repr(snapshot([GPT], STORE, "")).replace(":", " ").replace("'", " ").split()
    )


def test_fields_of_a_newer_operator_are_ignored() -> None:
    """A section may have got a field meanwhile: the sidecar does with what it knows."""
    sections = ("cache", "privacy", "context", "resilience", "overrides")
    whole = ECHO.model_copy(update={"resilience": Resilience(retries=7, fallback=["b"])}).model_dump(mode="json")
    newer = {**whole, "newSection": {}, **{name: {**whole[name], "new": {"a": 1}} for name in sections}}

    read = Component.model_validate(newer)

    assert whole == read.model_dump(mode="json")
    assert 7 == Component.model_validate({**whole, "resilience": {"retries": 7, "newWait": "5s"}}).resilience.retries


@pytest.mark.parametrize("section", ["cache", "resilience"])
def test_what_is_known_must_be_right(section: str) -> None:
    """A value that means nothing here is told, not ignored."""
    with pytest.raises(ValidationError, match=section):
        Component.model_validate({**ECHO.model_dump(mode="json"), section: "on"})


def test_unknown_fields_are_ignored() -> None:
    """Operator and sidecar may be of different versions: of one that knows less, and of one that knows more."""
    assert Acknowledgement(ack="1") == Acknowledgement.model_validate_json('{"ack": "1", "new": {"a": 1}}')
    newer = '{"ack": "1", "providers": {"gpt": {"breaker": "ajar", "last_error": "bored", "mood": 1}}}'
    assert {"gpt": ProviderHealth(breaker="ajar", last_error="bored")} == Acknowledgement.model_validate_json(
        newer
    ).providers


class FirstAcknowledgement(BaseModel):
    """The answer as the first operator knew it, before it told of providers."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    ack: str
    failed: Mapping[str, str] = {}
    health: str = "ok"


def test_an_operator_that_knows_less_reads_a_newer_answer() -> None:
    """It does without what it does not know, and the stream goes on."""
    ailing = {"gpt": ProviderHealth(breaker="open", last_error="timeout")}
    told = Acknowledgement(ack="1", failed={"echo": "why"}, providers=ailing).model_dump_json()

    assert FirstAcknowledgement(ack="1", failed={"echo": "why"}) == FirstAcknowledgement.model_validate_json(told)


def test_a_snapshot_of_an_operator_that_holds_nothing_is_read() -> None:
    """An older operator does not say it; what is held alters the hash, so that every sidecar hears of it."""
    whole = snapshot([ECHO], STORE, "PEM")
    older = {name: value for name, value in whole.model_dump(mode="json").items() if name != "held"}

    assert whole == Snapshot.model_validate(older)
    held = [snapshot([ECHO], STORE, "PEM", names) for names in (["a", "b"], ["b", "a"], ["a"])]
    assert held[0] == held[1]
    assert 3 == len({whole.hash, held[0].hash, held[2].hash})


def test_an_answer_is_bounded() -> None:
    """A sidecar cannot fill the operator's memory with words."""
    many: Mapping[str, object] = {str(number): ProviderHealth(breaker="open") for number in range(MAX_PROVIDERS + 1)}
    long: tuple[Mapping[str, object], ...] = (
        {"x" * 254: {}},
        {"a": {"breaker": "x" * 33}},
        {"a": {"last_error": "x" * 33}},
    )
    for providers in (many, *long):
        with pytest.raises(ValidationError, match="providers"):
            Acknowledgement.model_validate({"ack": "1", "providers": providers})
