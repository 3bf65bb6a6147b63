"""alpha2 requests: Dapr's current form."""

import json
from typing import Any

import pytest

from parley_sidecar.errors import InvalidParameters, MalformedBody, MissingInputs
from parley_sidecar.model import CachePolicy, ConverseRequest, Message, Overrides, Trace
from parley_sidecar.wire import alpha2
from parley_sidecar.wire.call import Call

CALL = Call("alpha2", "id-1", cache_control=b"no-cache")
USER = {"ofUser": {"content": [{"text": "hi"}]}}


def request(**fields: Any) -> ConverseRequest:
    """Return what a body asks for."""
    return alpha2.request(alpha2.read(json.dumps(fields).encode()), CALL)


def asking(*messages: Any, **fields: Any) -> ConverseRequest:
    """Return what a body with one input asks for."""
    return request(inputs=[{"messages": messages}], **fields)


def test_all_messages_are_one_request() -> None:
    """The messages of all inputs follow each other; parts of a message are lines, names are kept."""
    asked = request(
        name="ignored",
        inputs=[
            {
                "messages": [
                    {"ofSystem": {"content": [{"text": "be"}, {"text": "kind"}]}},
                    {"of_developer": {"name": "d"}},
                ]
            },
            {},
            {"messages": [{"ofUser": {"name": "u", "content": [{"text": "hi"}]}}, {"ofAssistant": {"content": [{}]}}]},
        ],
        parameters={"seed": {"@type": "type.googleapis.com/google.protobuf.Int64Value", "value": "5"}},
        metadata={"model": "m", "user": "u-1"},
        temperature=0.5,
        maxTokens="100",
    )

    expected = ConverseRequest(
        (
            Message("system", "be\nkind"),
            Message("developer", "", "d"),
            Message("user", "hi", "u"),
            Message("assistant", ""),
        ),
        Trace("id-1", "alpha2"),
        temperature=0.5,
        max_tokens=100,
        parameters={"metadata": {"user": "u-1"}, "seed": 5},
        overrides=Overrides(model="m"),
        cache=CachePolicy(may_read=False),
    )
    assert expected == asked


@pytest.mark.parametrize("kind", ["ofUser", "of_user", "ofSystem", "of_system", "ofDeveloper", "of_developer"])
def test_kinds_have_two_names(kind: str) -> None:
    """Each kind of message is known by its JSON name and its proto name."""
    role = kind.removeprefix("of").removeprefix("_").lower()

    assert role == asking({kind: {"content": [{"text": "hi"}]}}).messages[0].role


@pytest.mark.parametrize("inputs", [None, []])
def test_nothing_to_say_is_refused(inputs: list[Any] | None) -> None:
    """A request needs an input."""
    with pytest.raises(MissingInputs):
        request(inputs=inputs)


def test_an_input_may_be_empty() -> None:
    """An input without messages is an empty prompt, as in Dapr."""
    assert () == request(inputs=[{}]).messages


@pytest.mark.parametrize("message", [{}, {"invalidField": {"content": "invalid"}}, {"ofUser": None}])
def test_a_message_has_a_type(message: dict[str, Any]) -> None:
    """A message of no known kind is refused in Dapr's words."""
    with pytest.raises(InvalidParameters, match="message type cannot be nil"):
        asking(message)


@pytest.mark.parametrize("other", ["of_user", "ofSystem"])
def test_a_message_has_one_type(other: str) -> None:
    """Two kinds in one message are malformed, as two members of a protobuf oneof."""
    with pytest.raises(MalformedBody, match="a message has one type"):
        asking({**USER, other: {}})


@pytest.mark.parametrize(
    "fields",
    [
        {"scrubPii": True},
        {"scrubPII": True},
        {"scrub_pii": True},
        {"conversationContext": "room-1"},
        {"tools": [{"function": {"name": "f"}}]},
        {"toolChoice": "auto"},
        {"tool_choice": "auto"},
        {"responseFormat": {"type": "object"}},
        {"response_format": {"type": "object"}},
        {"promptCacheRetention": "86400s"},
        {"prompt_cache_retention": "86400s"},
    ],
)
def test_what_is_not_built_is_refused(fields: dict[str, Any]) -> None:
    """Privacy flags under any name, rooms, tools and formats are refused, never dropped."""
    with pytest.raises(InvalidParameters, match=r"does not have .* yet: leave it out"):
        asking(USER, **fields)


@pytest.mark.parametrize(
    "message",
    [
        {"ofTool": {"toolId": "1", "name": "f", "content": [{"text": "hi"}]}},
        {"of_tool": {}},
        {"ofAssistant": {"toolCalls": [{"id": "call_123"}]}},
        {"of_assistant": {"tool_calls": [{"id": "call_123"}]}},
    ],
)
def test_tool_messages_are_refused(message: dict[str, Any]) -> None:
    """Tool results and tool calls are refused, never dropped."""
    with pytest.raises(InvalidParameters, match=r"does not have tool .* yet"):
        asking(message)


@pytest.mark.parametrize("spelling", ["scrubPii", "scrubPII", "scrub_pii"])
def test_an_input_may_not_ask_for_scrubbing(spelling: str) -> None:
    """The privacy flag of an input counts in every spelling."""
    with pytest.raises(InvalidParameters, match="does not have scrubPii yet"):
        request(inputs=[{"messages": [USER]}, {"messages": [USER], spelling: True}])


def test_what_asks_nothing_is_taken() -> None:
    """Empty lists, nulls and false flags ask for nothing."""
    asked = asking(
        {"ofAssistant": {"content": [{"text": "hi"}], "toolCalls": []}, "ofUser": None},
        scrubPii=False,
        tools=[],
        toolChoice=None,
        responseFormat={},
        parameters=None,
        metadata={},
    )

    assert (Message("assistant", "hi"),) == asked.messages


@pytest.mark.parametrize(
    ("fields", "limit"),
    [({}, None), ({"maxTokens": 2}, 2), ({"max_tokens": 2}, 2), ({"maxTokens": 2, "max_tokens": 2}, 2)],
)
def test_the_token_limit_has_two_names(fields: dict[str, Any], limit: int | None) -> None:
    """The limit is known by its JSON name and its proto name."""
    assert limit == asking(USER, **fields).max_tokens


@pytest.mark.parametrize(
    "fields",
    [
        {"inputs": ["hi"]},
        {"inputs": [{"messages": [{"ofUser": {"content": "hi"}}]}]},
        {"inputs": [{"messages": [USER]}], "maxTokens": 2, "max_tokens": 3},
        {"inputs": [{"messages": [USER]}], "maxTokens": True},
        {"inputs": [{"messages": [USER]}], "contextId": "a", "context_id": "b"},
        {"inputs": [{"messages": [USER]}], "promptCacheRetention": 5},
        {"inputs": [{"messages": [USER]}], "parameters": {"plain": 1}},
        {"inputs": [{"messages": [USER]}], "metadata": {"version": 1.0}},
    ],
)
def test_another_shape_is_malformed(fields: dict[str, Any]) -> None:
    """Values of other types, and contradictions, are malformed."""
    with pytest.raises(MalformedBody):
        request(**fields)


@pytest.mark.parametrize("spelling", ["contextId", "contextID", "context_id"])
def test_a_context_id_has_three_names(spelling: str) -> None:
    """The id to echo is known under all its names."""
    assert "c" == alpha2.read(json.dumps({spelling: "c"}).encode()).context_id
