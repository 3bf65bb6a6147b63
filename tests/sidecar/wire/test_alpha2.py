"""alpha2 requests: Dapr's current form."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from parley_sidecar.errors import InvalidParameters, MalformedBody, MissingInputs, ParleyError
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
from parley_sidecar.wire import alpha2
from parley_sidecar.wire.call import Call
from parley_sidecar.wire.overrides import Terms

CALL = Call("alpha2", "id-1", cache_control=b"no-cache")
KEEPING = replace(CALL, terms=Terms(keeps_rooms=True))
USER: dict[str, Any] = {"ofUser": {"content": [{"text": "hi"}]}}


def request(call: Call = CALL, /, **fields: Any) -> ConverseRequest:
    """Return what a body asks for."""
    return alpha2.request(alpha2.read(json.dumps(fields).encode()), call)


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


def test_only_the_reference_s_name_asks_for_a_room_that_nobody_keeps() -> None:
    """Forgetting it in silence is worse; Dapr's names promise an echo alone."""
    assert ["r"] == [asking(USER, conversationContext="r").context_id]
    assert [None] == [asking(USER, contextId="r").context_id]


@pytest.mark.parametrize("spelling", ["contextId", "contextID", "context_id", "conversationContext"])
def test_a_room_has_four_names(spelling: str) -> None:
    """Each of them names the room where the component keeps some; an empty one names none."""
    asked, none = (request(KEEPING, inputs=[{"messages": [USER]}], **{spelling: said}) for said in ("r", ""))

    assert ("r", None) == (asked.context_id, none.context_id)


@pytest.mark.parametrize("spelling", ["scrubPII", "scrubPii", "scrub_pii"])
def test_a_flag_counts_in_every_spelling(spelling: str) -> None:
    """The flag of an input holds for all its messages, that of the request for the answer."""
    asked = request(inputs=[{"messages": [USER]}, {"messages": [USER, USER], spelling: True}])
    answer = asking(USER, **{spelling: True})

    assert [False, True, True] == [message.scrub for message in asked.messages]
    assert ([False, True], [False]) == (
        [asked.scrub_answer, answer.scrub_answer],
        [message.scrub for message in answer.messages],
    )


@pytest.mark.parametrize(
    ("kind", "calls", "tool", "tool_id"),
    [("ofAssistant", "toolCalls", "ofTool", "toolId"), ("of_assistant", "tool_calls", "of_tool", "tool_id")],
)
def test_calls_and_results_have_two_names(kind: str, calls: str, tool: str, tool_id: str) -> None:
    """An assistant's calls and a tool's result are read under their JSON names and their proto names."""
    called = {"id": "1", "function": {"name": "f", "arguments": "{}"}}
    asked = asking(
        {kind: {"content": [{"text": "hm"}], calls: [called, {"function": {}}]}},
        {tool: {tool_id: "1", "name": "f", "content": [{"text": "a"}, {"text": "b"}]}},
        {tool: {}},
    )

    expected = (
        Message("assistant", "hm", tool_calls=(ToolCall("1", "f", "{}"), ToolCall("", ""))),
        Message("tool", "a\nb", "f", tool_call_id="1"),
        Message("tool", "", tool_call_id=""),
    )
    assert expected == asked.messages


def test_a_call_has_a_type() -> None:
    """A tool call of no known kind is refused in Dapr's words."""
    with pytest.raises(InvalidParameters, match="tool types cannot be nil"):
        asking({"ofAssistant": {"toolCalls": [{"id": "call_123"}]}})


@pytest.mark.parametrize(
    ("choice", "format_", "retention"),
    [
        ("toolChoice", "responseFormat", "promptCacheRetention"),
        ("tool_choice", "response_format", "prompt_cache_retention"),
    ],
)
def test_tools_and_formats_have_two_names(choice: str, format_: str, retention: str) -> None:
    """Tools, their choice, the format and the retention reach the provider, under either name."""
    tools = [{"function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}}]
    asked = asking(USER, tools=tools, **{choice: "f", format_: {"type": "object", "name": "sum"}, retention: "86400s"})

    assert (Tool("f", "d", {"type": "object"}, strict=True),) == asked.tools
    assert NamedTool("f") == asked.tool_choice
    assert ResponseFormat({"type": "object"}, "sum") == asked.response_format
    assert 86400.0 == asked.prompt_cache_retention_s


def test_the_order_of_the_checks_is_dapr_s() -> None:
    """Inputs, then messages in their order, then toolChoice, then what Dapr does not check."""
    wrong: dict[str, Any] = {"metadata": {"cacheTTL": "soon"}}
    said = []
    more: dict[str, Any]
    for more in ({}, {"toolChoice": "required"}, {"inputs": [{"messages": [USER, {}]}]}, {"inputs": []}):
        wrong = {"inputs": [{"messages": [USER]}], **wrong, **more}
        with pytest.raises(ParleyError) as raised:
            request(**wrong)
        said.append(raised.value.message.split(" ")[0])

    assert ["cacheTTL:", "tool", "message", "missing"] == said


@pytest.mark.parametrize("value", ["-1s", "-0.5s"])
def test_a_retention_is_not_negative(value: str) -> None:
    """A duration that ends before it begins means nothing."""
    with pytest.raises(InvalidParameters, match="must not be negative"):
        asking(USER, promptCacheRetention=value)


def test_what_another_kind_has_is_unknown() -> None:
    """Tool calls of a user are an unknown key, and dropped like any other."""
    assert (Message("user", "hi"),) == asking({"ofUser": {**USER["ofUser"], "toolCalls": 5, "toolId": 5}}).messages


def test_a_stream_is_asked_for_by_the_call() -> None:
    """The door says whether pieces are wanted, the body does not."""
    body = alpha2.read(json.dumps({"inputs": [{"messages": [USER]}]}).encode())

    assert alpha2.request(body, Call("alpha2", "id-1", wants_stream=True)).wants_stream


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
        {"inputs": [{"messages": [USER]}], "promptCacheRetention": "24h"},
        {"inputs": [{"messages": [USER]}], "promptCacheRetention": ""},
        {"inputs": [{"messages": [USER]}], "promptCacheRetention": "1s", "prompt_cache_retention": "2s"},
        {"inputs": [{"messages": [USER]}], "responseFormat": {"a": 1}, "response_format": {"a": 2}},
        {"inputs": [{"messages": [USER]}], "toolChoice": "auto", "tool_choice": "none"},
        {"inputs": [{"messages": [USER]}], "tools": [{"function": {"name": "f", "parameters": [1]}}]},
        {"inputs": [{"messages": [{"ofAssistant": {"toolCalls": [None]}}]}]},
        {"inputs": [{"messages": [{"ofTool": {"toolId": "a", "tool_id": "b"}}]}]},
        {"inputs": [{"messages": [{"ofAssistant": {"toolCalls": [], "tool_calls": [{"id": "1"}]}}]}]},
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
