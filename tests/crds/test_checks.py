"""The checks, one row each: a manifest's difference, the reason it is given."""

from collections.abc import Mapping
from typing import Any

import pytest

from parley_crds.checks import CHECKS, Problem, blocking, check
from parley_crds.resource import ConversationComponent

KEY = {"name": "key", "secretKeyRef": {"name": "openai", "key": "apiKey"}}


def component(**spec: Any) -> ConversationComponent:
    """Return a component that has nothing wrong with it but what is asked for."""
    whole = {"type": "conversation.openai", "version": "v1", "metadata": [KEY], **spec}
    return ConversationComponent.model_validate({"metadata": {"name": "gpt"}, "spec": whole})


@pytest.mark.parametrize(
    ("difference", "reason", "words"),
    [
        ({"type": "conversation.nobody"}, "UnknownType", "conversation.echo"),
        ({"version": "v2"}, "UnknownVersion", "only v1"),
        (
            {"metadata": [KEY, {"name": "model", "value": "a"}, {"name": "Model", "value": "b"}]},
            "RepeatedSetting",
            "Model",
        ),
        ({"metadata": []}, "MissingSetting", "needs key"),
        ({"metadata": [KEY, {"name": "maxTokens", "value": "many"}]}, "MalformedSetting", "a whole number"),
        ({"resilience": {"fallback": ["b", "gpt"]}}, "FallbackToItself", "names gpt itself"),
        ({"resilience": {"fallback": ["b", "c", "b"]}}, "RepeatedFallback", "names b twice"),
        (
            {"resilience": {"timeout": 0, "idleTimeout": "0s"}},
            "ZeroTimeout",
            "timeout, spec.resilience.idleTimeout of 0",
        ),
    ],
)
def test_each_fault_has_its_reason(difference: Mapping[str, Any], reason: str, words: str) -> None:
    """A component with one fault is given that reason, and a sentence that names the place."""
    (problem,) = check(component(**difference))

    assert reason == problem.reason
    assert words in problem.message


def metadata(**values: str) -> list[dict[str, str]]:
    """Return settings in the open."""
    return [{"name": name, "value": value} for name, value in values.items()]


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        (metadata(transport="http"), ["key"]),
        (metadata(transport="sdk"), []),
        (metadata(transport="sdk", apiType="azure"), []),
        ([KEY, *metadata(apiType="azure")], ["endpoint", "apiVersion"]),
        ([KEY, *metadata(APITYPE="azure", transport="http", endpoint="https://a.example")], ["apiVersion"]),
        ([KEY, *metadata(apiType="open_ai")], []),
    ],
)
def test_a_setting_may_need_another(given: list[dict[str, str]], missing: list[str]) -> None:
    """What the provider needs for some values of its settings is known without it."""
    sentences = [problem.message for problem in check(component(metadata=given)) if problem.reason == "MissingSetting"]
    expected = [f"conversation.openai needs {', '.join(missing)} in spec.metadata"] if missing else []

    assert expected == sentences


def test_a_good_component_has_no_problem() -> None:
    """The smallest useful component passes."""
    assert check(component()) == ()


def test_a_misspelt_setting_is_a_warning() -> None:
    """What the provider would ignore is said, and does not stop the component."""
    problems = check(component(metadata=[KEY, {"name": "modle", "value": "a"}]))

    assert ["UnknownSetting"] == [problem.reason for problem in problems]
    assert blocking(problems) is None


@pytest.mark.parametrize("field", ["attemptTimeout", "idleTimeout"])
def test_a_limit_that_is_never_reached_is_a_warning(field: str) -> None:
    """A part that is longer than the whole is said, and does not stop the component; as long as the whole is fine."""
    problems = check(component(resilience={"timeout": "10s", field: "11s"}))

    assert [("LimitNeverReached", False)] == [(problem.reason, problem.blocks) for problem in problems]
    assert f"spec.resilience.{field} longer than" in problems[0].message
    assert check(component(resilience={"timeout": "10s", field: "10s"})) == ()


def test_resilience_has_no_problem() -> None:
    """Everything that the section offers can be used together."""
    everything = {
        "timeout": "60s", "attemptTimeout": "20s", "idleTimeout": "10s", "retries": 10, "retryMaxWait": "0s",
        "breakerFaults": 0, "breakerPause": "1m", "concurrency": 1, "fallback": ["b", "c"],
    }  # fmt: skip

    assert check(component(resilience=everything)) == ()


def test_all_faults_are_found_in_the_order_of_the_list() -> None:
    """One fault does not hide the next, and the first one decides the condition's reason."""
    problems = check(component(version="v2", metadata=[], resilience={"timeout": 0}))

    assert ["UnknownVersion", "MissingSetting", "ZeroTimeout"] == [problem.reason for problem in problems]
    assert problems[0] == blocking(problems)


def test_no_sentence_shows_a_value() -> None:
    """Settings may be secrets, wherever their author put them."""
    problems = check(
        component(metadata=[{"name": "maxTokens", "value": "sk-secret"}, {"name": "odd", "value": "sk-secret"}])
    )

    assert problems
    assert not any("sk-secret" in problem.message for problem in problems)


def test_every_check_is_named_after_what_it_finds() -> None:
    """The list reads as a table of faults, and each says what it makes sure of."""
    assert all((check.__doc__ or "").startswith(("Make sure", "Warn")) for check in CHECKS)
    assert all(isinstance(check(component()), Problem | None) for check in CHECKS)
