"""The cache key: what alters an answer alters the key, and nothing else does."""

import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from parley_crds.component import Component
from parley_crds.resource import Cache
from parley_sidecar.identity import Identity
from parley_sidecar.model import (
    CachePolicy,
    ConverseRequest,
    Message,
    NamedTool,
    Overrides,
    Partition,
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


def key(
    request: ConverseRequest = HELLO, component: Component = GPT, app_id: str = "web", epoch: bytes = b"e"
) -> bytes:
    """Return the key of a request to a component."""
    return Identity(component, app_id).key(request, epoch)


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
    assert re.fullmatch(rb"[0-9a-f]{64}", key(paid))


def test_an_epoch_begins_anew() -> None:
    """A purge is a new epoch: no key from before it is met again."""
    assert key(epoch=b"e") != key(epoch=b"f")


def test_a_chat_room_has_its_own_answers() -> None:
    """The same request in another room, in a room made anew, or in none, has another key."""
    requests = [
        HELLO,
        *(replace(HELLO, partition=room(*names)) for names in ((b"a", b"1"), (b"b", b"1"), (b"a", b"2"))),
    ]

    assert 4 == len(set(map(key, requests)))


def room(tag: bytes, epoch: bytes) -> Partition:
    """Return a room's part of the store."""
    return Partition(tag, epoch, bytes, bytes)


@given(st.tuples(st.text(max_size=5), st.text(min_size=1, max_size=5)))
def test_different_texts_have_different_keys(texts: tuple[str, str]) -> None:
    """Whatever the characters are, where one message ends is part of the key."""
    first, second = texts

    assert key(replace(HELLO, messages=(Message("user", first), Message("user", second)))) != key(
        replace(HELLO, messages=(Message("user", first + second), Message("user", "")))
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=3), JSON, max_size=4)
TEXTS = st.text(max_size=5)
CALLS = st.builds(ToolCall, TEXTS, TEXTS, TEXTS)
MESSAGES = st.builds(
    Message,
    st.sampled_from(("system", "developer", "user", "assistant", "tool")),
    TEXTS,
    name=st.none() | TEXTS,
    tool_calls=st.lists(CALLS, max_size=2).map(tuple),
    tool_call_id=st.none() | TEXTS,
)
TOOLS = st.builds(Tool, TEXTS, st.none() | TEXTS, st.none() | OBJECTS, st.none() | st.booleans())
ALTERING: dict[str, st.SearchStrategy[Any]] = {
    "messages": st.lists(MESSAGES, min_size=1, max_size=3).map(tuple),
    "temperature": st.none() | st.floats(0, 2),
    "max_tokens": st.none() | st.integers(1, 9),
    "tools": st.lists(TOOLS, max_size=2).map(tuple),
    "tool_choice": st.none() | st.sampled_from(("auto", "none", "required")) | st.builds(NamedTool, TEXTS),
    "response_format": st.none() | st.builds(ResponseFormat, st.none() | OBJECTS, TEXTS, st.none() | TEXTS),
    "parameters": OBJECTS,
    "overrides": st.builds(Overrides, st.none() | TEXTS, st.none() | TEXTS, st.none() | TEXTS),
}
IRRELEVANT: dict[str, st.SearchStrategy[Any]] = {
    "trace": st.builds(Trace, TEXTS),
    "wants_stream": st.booleans(),
    "cache": st.builds(CachePolicy, st.none() | st.floats(1, 9)),
    "scrub_answer": st.booleans(),
    "context_id": st.none() | TEXTS,
    "prompt_cache_retention_s": st.none() | st.floats(1, 9),
}
REQUESTS = st.builds(ConverseRequest, trace=st.just(Trace("1")), **ALTERING)


def shuffled(value: Any, shuffle: Callable[[list[Any]], object]) -> Any:
    """Return the same JSON with the keys of its objects in another order."""
    if isinstance(value, dict):
        items = [(name, shuffled(inner, shuffle)) for name, inner in value.items()]
        shuffle(items)
        return dict(items)
    return [shuffled(inner, shuffle) for inner in value] if isinstance(value, list) else value


@given(REQUESTS, st.randoms(use_true_random=False), st.data())
def test_requests_that_mean_the_same_have_one_key(request: ConverseRequest, chance: Any, data: st.DataObject) -> None:
    """Keys of JSON in any order, and whatever does not alter an answer, lead to the same key."""
    tools = tuple(replace(tool, parameters=shuffled(tool.parameters, chance.shuffle)) for tool in request.tools)
    wanted = request.response_format
    same = replace(
        request,
        parameters=shuffled(request.parameters, chance.shuffle),
        tools=tools,
        response_format=wanted and replace(wanted, schema=shuffled(wanted.schema, chance.shuffle)),
        **{name: data.draw(strategy) for name, strategy in IRRELEVANT.items()},
    )

    assert key(request) == key(same)


@given(REQUESTS, st.sampled_from(sorted(ALTERING)), st.data())
def test_requests_that_differ_have_different_keys(request: ConverseRequest, name: str, data: st.DataObject) -> None:
    """A change of any field that alters an answer leads to another key, whatever else the request says."""
    other = data.draw(ALTERING[name])
    before = getattr(request, name)

    assert (canonical(before) == canonical(other)) == (key(request) == key(replace(request, **{name: other})))


def canonical(value: Any) -> bytes:
    """Return a value as JSON tells it: there 1 and true differ, and 0.0 and -0.0."""
    return msgspec.json.encode(value, order="deterministic")
