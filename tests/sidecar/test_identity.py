"""The cache key: what alters an answer alters the key, and nothing else does."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley_crds.component import Component
from parley_crds.resource import Cache
from parley_sidecar.identity import Identity
from parley_sidecar.model import (
    CachePolicy,
    ConverseRequest,
    Message,
    NamedTool,
    Overrides,
    ResponseFormat,
    Tool,
    ToolCall,
    Trace,
)

GPT = Component(
    name="gpt", namespace="shop", type="conversation.openai", version="1", settings={"key": "sk-1", "model": "a"}
)
HELLO = ConverseRequest((Message("user", "hello"),), Trace("1"), parameters={"a": 1, "b": [1, 2]})


WEATHER = Tool("weather", "what it is like outside", {"type": "object", "properties": {"city": {"type": "string"}}})


def key(request: ConverseRequest = HELLO, component: Component = GPT, app_id: str = "web") -> bytes:
    """Return the key of a request to a component."""
    return Identity(component, app_id).key(request)


@pytest.mark.parametrize(
    "other",
    [
        replace(HELLO, trace=Trace("2")),
        replace(HELLO, wants_stream=True),
        replace(HELLO, cache=CachePolicy(ttl_s=5)),
        replace(HELLO, parameters={"b": [1, 2], "a": 1}),
    ],
    ids=["trace", "stream", "lifetime", "order of keys"],
)
def test_what_does_not_alter_the_answer_does_not_alter_the_key(other: ConverseRequest) -> None:
    """Ids, lifetimes, the form of the reply and the order of JSON keys never cause a miss."""
    assert key() == key(other)


DIFFERENCES: list[dict[str, Any]] = [
    {"messages": (Message("user", "hello!"),)},
    {"messages": (Message("system", "hello"),)},
    {"messages": (Message("user", "hello", "ann"),)},
    {"messages": (Message("user", "hello"), Message("user", ""))},
    {"messages": (Message("user", "hello", tool_calls=(ToolCall("1", "f", "{}"),)),)},
    {"messages": (Message("tool", "hello", tool_call_id="1"),)},
    {"tools": (WEATHER,)},
    {"tools": (WEATHER,), "tool_choice": "required"},
    {"tools": (WEATHER,), "tool_choice": NamedTool("required")},
    {"tools": (replace(WEATHER, parameters={"type": "object"}),)},
    {"tool_choice": "none"},
    {"response_format": ResponseFormat()},
    {"response_format": ResponseFormat({"type": "object"})},
    {"temperature": 0.0},
    {"max_tokens": 5},
    {"parameters": {"a": 2, "b": [1, 2]}},
    {"parameters": {"a": 1, "b": [2, 1]}},
    {"overrides": Overrides(model="b")},
    {"overrides": Overrides(key="sk-2")},
    {"overrides": Overrides(key="sk-2", endpoint="http://else")},
]


@pytest.mark.parametrize("difference", DIFFERENCES, ids=str)
def test_what_alters_the_answer_alters_the_key(difference: dict[str, Any]) -> None:
    """Two requests that differ in one of these never share an answer."""
    others = [replace(HELLO, **other) for other in DIFFERENCES if other is not difference]

    assert key(replace(HELLO, **difference)) not in {key(), *map(key, others)}


def test_the_provider_key_chooses_who_pays_not_what_is_answered() -> None:
    """A rotated key keeps the cache warm; another model, namespace or component does not share it."""
    rotated = GPT.model_copy(update={"settings": {"key": "sk-9", "model": "a"}, "version": "2"})

    assert key() == key(component=rotated)
    for other in ({"settings": {"model": "b"}}, {"namespace": "bank"}, {"name": "gpt2"}):
        assert key() != key(component=GPT.model_copy(update=other))


def test_what_pays_is_what_the_providers_schema_calls_secret() -> None:
    """A setting that no schema calls secret is part of the identity, whatever its name is."""
    echo = GPT.model_copy(update={"type": "conversation.echo"})

    assert key(component=echo) != key(component=echo.model_copy(update={"settings": {"key": "sk-9", "model": "a"}}))


def test_applications_share_unless_the_component_keeps_them_apart() -> None:
    """The scope is the namespace by default, and narrows to the application."""
    apart = GPT.model_copy(update={"cache": Cache(scope="application")})

    assert key(app_id="web") == key(app_id="batch")
    assert key(component=apart, app_id="web") != key(component=apart, app_id="batch")


def test_a_request_key_is_not_in_the_key() -> None:
    """Whoever reads the store learns nothing of it: equal keys give equal HMACs within one component only."""
    paid = replace(HELLO, overrides=Overrides(key="sk-2"))

    assert key(paid) == key(paid)
    assert b"sk-2" not in key(paid)
    assert 32 == len(key(paid))


@given(st.tuples(st.text(max_size=5), st.text(min_size=1, max_size=5)))
def test_different_texts_have_different_keys(texts: tuple[str, str]) -> None:
    """Whatever the characters are, where one message ends is part of the key."""
    first, second = texts

    assert key(replace(HELLO, messages=(Message("user", first), Message("user", second)))) != key(
        replace(HELLO, messages=(Message("user", first + second), Message("user", "")))
    )
