"""From resource and Secrets to the loaded component, and its version."""

from typing import Any

import pytest

from parley_crds.loading import SecretData, load, secret_names, secret_problem
from parley_crds.resource import ConversationComponent

SECRETS = {"openai": SecretData("uid-1", "7", {"apiKey": "sk-secret"})}


def component(name: str = "gpt", **spec: Any) -> ConversationComponent:
    """Return a component with a setting of each kind."""
    settings = [
        {"name": "key", "secretKeyRef": {"name": "openai", "key": "apiKey"}},
        {"name": "maxTokens", "value": 100},
        {"name": "stream", "value": True},
        {"name": "Model", "envRef": "MODEL"},
    ]
    whole = {"type": "conversation.openai", "metadata": settings, **spec}
    return ConversationComponent.model_validate({"metadata": {"name": name, "namespace": "shop"}, "spec": whole})


def test_settings_are_resolved_by_lower_case_name() -> None:
    """Secrets become text, numbers and booleans their text, and environment variables stay names."""
    loaded = load(component(), SECRETS)

    assert {"key": "sk-secret", "maxtokens": "100", "stream": "true"} == loaded.settings
    assert {"model": "MODEL"} == loaded.environment


def test_the_version_follows_the_secret_and_the_spec_but_not_the_status() -> None:
    """Replicas that see the same objects compute the same version; what alters an answer alters it."""
    version = load(component(), SECRETS).version
    rotated = {"openai": SecretData("uid-1", "8", {"apiKey": "sk-other"})}

    assert version == load(component(), SECRETS).version
    assert version != load(component(), rotated).version
    assert version != load(component(cache={"ttl": "1m"}), SECRETS).version


def test_the_version_gives_no_key_away() -> None:
    """The same Secret identity with another key has the same version: no hash of a key is shown in a status."""
    other = {"openai": SecretData("uid-1", "7", {"apiKey": "sk-other"})}

    assert load(component(), SECRETS).version == load(component(), other).version


def test_neither_component_nor_secret_shows_its_content() -> None:
    """Printing them in a log or a traceback leaks nothing."""
    assert "sk-secret" not in repr(load(component(), SECRETS)) + repr(SECRETS)


@pytest.mark.parametrize(
    ("secrets", "reason"),
    [
        ({}, "SecretNotFound"),
        ({"openai": SecretData("u", "1", {"other": "x"})}, "SecretKeyNotFound"),
        (SECRETS, None),
    ],
)
def test_what_is_missing_is_named(secrets: dict[str, SecretData], reason: str | None) -> None:
    """A missing Secret and a missing key in it are told apart."""
    problem = secret_problem(component(), secrets)

    assert reason == (problem.reason if problem else None)
    assert {"openai"} == secret_names(component())


@pytest.mark.parametrize(
    ("app_id", "account", "expected"),
    [("checkout", "web", True), ("cart", "web", False), ("checkout", "other", False), ("checkout", None, True)],
)
def test_scopes_and_service_accounts_both_must_admit(app_id: str, account: str | None, *, expected: bool) -> None:
    """A pod is admitted by its application id and by its service account; a laptop has no account."""
    resource = component(serviceAccounts=["web"]).model_copy(update={"scopes": ["checkout"]})

    assert expected == load(resource, SECRETS).may_be_used_by(app_id, account)
