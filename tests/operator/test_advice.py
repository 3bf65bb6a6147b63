"""Advice: what only an operator has to say of a good component."""

from typing import Any

import pytest

from parley_crds.resource import ConversationComponent
from parley_operator.advice import advice

SECRET = {"name": "key", "secretKeyRef": {"name": "openai", "key": "apiKey"}}


def given(**spec: Any) -> ConversationComponent:
    """Return a component of OpenAI's."""
    whole = {"type": "conversation.openai", "metadata": [SECRET], **spec}
    return ConversationComponent.model_validate({"metadata": {"name": "gpt"}, "spec": whole})


@pytest.mark.parametrize(
    ("spec", "alone", "with_store"),
    [
        ({}, [], []),
        ({"metadata": [{"name": "Key", "value": "sk-hush"}]}, ["SecretInTheOpen"], ["SecretInTheOpen"]),
        ({"metadata": [{"name": "key", "value": ""}, {"name": "model", "value": "m"}]}, [], []),
        ({"context": {"ttl": "1h"}}, ["NoStore"], []),
        ({"cache": {"ttl": "1h"}, "context": {"ttl": "1h"}}, ["NoStore", "NoStore"], []),
        ({"cache": {"maxTTL": "1h"}}, [], []),
    ],
)
def test_what_is_advised(spec: dict[str, Any], alone: list[str], with_store: list[str]) -> None:
    """A secret in the open, and what needs a store that is not there; never a reason to refuse, never the secret."""
    told = {has_store: list(advice(given(**spec), has_store=has_store)) for has_store in (False, True)}

    assert alone == [problem.reason for problem in told[False]]
    assert with_store == [problem.reason for problem in told[True]]
    assert not any(problem.blocks or "sk-hush" in problem.message for problem in told[False])
