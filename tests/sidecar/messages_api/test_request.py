"""The body of the Messages API: what each part of a request becomes, and what is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from parley_sidecar.errors import InvalidParameters
from parley_sidecar.messages_api.request import to_body
from parley_sidecar.model import (
    ConverseRequest,
    Message,
    NamedTool,
    Overrides,
    ResponseFormat,
    Tool,
    ToolCall,
    ToolChoice,
    Trace,
)
from tests.vendors import anthropic_rules

HELLO = ConverseRequest((Message("user", "hello"),), Trace("1"))
WEATHER = Tool(
    "weather", "Says how it is.", {"type": "object", "properties": {"city": {"type": "string"}}}, strict=False
)
WORDS = st.text(st.sampled_from("ab \n\u00e9"), max_size=3)
ROUNDS = st.one_of(
    st.tuples(st.builds(Message, st.sampled_from(["system", "developer", "user", "assistant"]), WORDS)),
    st.builds(
        lambda call, said, result: (
            Message("user", "call"),
            Message("assistant", said, tool_calls=(ToolCall(f"c{call}", "f"), ToolCall(f"d{call}", "f"))),
            Message("tool", result, "f", tool_call_id=f"d{call}"),
            Message("user", said, "ann"),
            Message("tool", result, "f", tool_call_id=f"c{call}"),
            Message("assistant", "done"),
        ),
        st.integers(0, 999),
        WORDS,
        WORDS,
    ),
)
"""A message of any role, or a call with its results, as a part of a conversation."""
SCHEMA = {"type": "object", "properties": {"result": {"type": "number"}}, "additionalProperties": False}


def body(request: ConverseRequest) -> dict[str, Any]:
    """Return the body, which the strict reading of the API takes."""
    raw = to_body(request, "claude-x", 100)
    anthropic_rules.read(raw)
    return dict(json.loads(raw))


def talk(*messages: Message) -> list[dict[str, Any]]:
    """Return the turns of a conversation."""
    return list(body(replace(HELLO, messages=messages))["messages"])


def text(words: str) -> dict[str, str]:
    """Return a block of text."""
    return {"type": "text", "text": words}


def test_only_what_was_asked_is_in_the_body() -> None:
    """A plain question is model, limit and one turn."""
    expected = {"model": "claude-x", "max_tokens": 100, "messages": [{"role": "user", "content": [text("hello")]}]}

    assert expected == body(HELLO)


def test_model_temperature_stream_and_parameters_are_in_the_body() -> None:
    """The request's model replaces the component's; custom fields stand at the top, and so does what we set."""
    request = replace(
        HELLO,
        temperature=0.5,
        wants_stream=True,
        parameters={"top_k": 5, "metadata": {"user_id": "u-1"}},
        overrides=Overrides(model="claude-y"),
    )
    sent = body(request)

    assert {
        "model": "claude-y",
        "temperature": 0.5,
        "stream": True,
        "top_k": 5,
        "metadata": {"user_id": "u-1"},
    }.items() <= sent.items()


@pytest.mark.parametrize(
    ("metadata", "sent"),
    [
        ({"prompt_cache_retention": "24h"}, {}),
        ({"user_id": "u-1", "trace": "t"}, {"metadata": {"user_id": "u-1"}}),
    ],
)
def test_of_metadata_the_api_gets_what_it_knows(metadata: dict[str, str], sent: dict[str, object]) -> None:
    """Dapr forwards all that a request has there, and the API refuses the rest."""
    plain = body(HELLO)

    assert plain | sent | {"top_k": 1} == body(replace(HELLO, parameters={"metadata": metadata, "top_k": 1}))


def test_system_and_developer_messages_go_to_the_top() -> None:
    """In their order, wherever they stood; blank ones are left out, and what they parted is one turn."""
    messages = (
        Message("system", "be brief"),
        Message("user", "hi"),
        Message("developer", "be kind"),
        Message("system", " "),
        Message("user", "there"),
    )
    sent = body(replace(HELLO, messages=messages))

    assert [text("be brief"), text("be kind")] == sent["system"]
    assert [{"role": "user", "content": [text("hi"), text("there")]}] == sent["messages"]


def test_roles_alternate_and_begin_with_a_user() -> None:
    """Messages of one role in a row are one turn; before an assistant's beginning stands one; blanks are left out."""
    turns = talk(
        Message("assistant", "hello"),
        Message("assistant", "I am here"),
        Message("user", ""),
        Message("user", "good"),
        Message("user", "so?"),
    )

    assert [
        {"role": "user", "content": [text(".")]},
        {"role": "assistant", "content": [text("hello"), text("I am here")]},
        {"role": "user", "content": [text("good"), text("so?")]},
    ] == turns


def test_a_last_turn_of_an_assistant_is_gone_on_with() -> None:
    """Blanks at its end are taken off, as the API refuses them; calls have none."""
    said = Message("assistant", "It is \n")
    called = Message("assistant", "", tool_calls=(ToolCall("c1", "now"),))

    assert {"role": "assistant", "content": [text("It is")]} == talk(Message("user", "Go on."), said)[-1]
    assert b'"tool_use"' in to_body(replace(HELLO, messages=(called,)), "claude-x", 100)


@given(st.lists(ROUNDS, max_size=6))
def test_any_conversation_is_one_that_the_api_takes(rounds: list[tuple[Message, ...]]) -> None:
    """Whatever the order of the roles, and whatever is blank; the strict reading is in `body`."""
    messages = (Message("user", "hello"), *(message for one in rounds for message in one))
    turns = talk(*messages)

    assert ["user", "assistant"] * (len(turns) // 2) == [turn["role"] for turn in turns][: len(turns) // 2 * 2]


def test_a_users_name_stands_before_the_text() -> None:
    """The API has no names; an assistant's would be imitated, and a blank text has nobody's."""
    turns = talk(
        Message("user", "hi", "ann"),
        Message("user", " ", "cy"),
        Message("assistant", "hello", "bot"),
        Message("user", "hey", "ben"),
    )

    assert [[text("ann: hi")], [text("hello")], [text("ben: hey")]] == [turn["content"] for turn in turns]


def test_an_assistants_turn_keeps_text_and_calls() -> None:
    """Arguments are an object with every digit they had; none at all are an empty one."""
    calls = (ToolCall("c1", "pay", '{"amount": 0.10000000000000000001}'), ToolCall("c2", "now"))
    messages = (
        Message("user", "pay"),
        Message("assistant", "Right away.", tool_calls=calls),
        Message("tool", "done", "pay", tool_call_id="c1"),
        Message("tool", "noon", "now", tool_call_id="c2"),
    )
    raw = to_body(replace(HELLO, messages=messages), "claude-x", 100)

    assert b'{"amount": 0.10000000000000000001}' in raw
    assert [
        text("Right away."),
        {"type": "tool_use", "id": "c1", "name": "pay", "input": {"amount": 0.1}},
        {"type": "tool_use", "id": "c2", "name": "now", "input": {}},
    ] == json.loads(raw)["messages"][1]["content"]


def test_all_results_of_a_turn_come_first_in_one_turn() -> None:
    """Even if the user said something between them; a result without a text has no content."""
    turns = talk(
        Message("user", "go"),
        Message("assistant", "", tool_calls=(ToolCall("c1", "a"), ToolCall("c2", "b"))),
        Message("tool", "one", "a", tool_call_id="c1"),
        Message("user", "wait"),
        Message("tool", "", "b", tool_call_id="c2"),
        Message("user", "go on"),
    )

    assert [
        {"type": "tool_result", "tool_use_id": "c1", "content": "one"},
        {"type": "tool_result", "tool_use_id": "c2"},
        text("wait"),
        text("go on"),
    ] == turns[2]["content"]


def test_a_tool_has_a_schema_whatever_was_given() -> None:
    """Schemas are passed whole; where none is given, or it has no type, it is of an object."""
    tools = (WEATHER, Tool("now"), Tool("loose", parameters={"properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {}}))
    sent = body(replace(HELLO, tools=tools))

    assert [
        {"name": "weather", "description": "Says how it is.", "input_schema": WEATHER.parameters, "strict": False},
        {"name": "now", "input_schema": {"type": "object", "properties": {}}},
        {
            "name": "loose",
            "input_schema": {"type": "object", "properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {}},
        },
    ] == sent["tools"]
    assert "tool_choice" not in sent


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", {"type": "auto"}),
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        (NamedTool("weather"), {"type": "tool", "name": "weather"}),
    ],
)
def test_a_tool_choice_is_an_object(choice: ToolChoice, expected: dict[str, str]) -> None:
    """Each of the four has the API's own word."""
    assert expected == body(replace(HELLO, tools=(WEATHER,), tool_choice=choice))["tool_choice"]


@pytest.mark.parametrize("choice", ["auto", "none"])
def test_a_choice_without_tools_is_left_out(choice: ToolChoice) -> None:
    """It asks for nothing, and the API refuses it."""
    assert {"model", "max_tokens", "messages"} == body(replace(HELLO, tool_choice=choice)).keys()


@pytest.mark.parametrize(
    ("wanted", "schema"),
    [
        (ResponseFormat(SCHEMA, "sum", strict=True), SCHEMA),
        (ResponseFormat(SCHEMA, description="A sum."), {"description": "A sum.", **SCHEMA}),
        (ResponseFormat({**SCHEMA, "description": "Mine."}, description="A sum."), {**SCHEMA, "description": "Mine."}),
    ],
)
def test_a_response_format_passes_the_schema_whole(wanted: ResponseFormat, schema: dict[str, Any]) -> None:
    """As a structured output; the description is the schema's own, or becomes it."""
    sent = body(replace(HELLO, response_format=wanted))

    assert {"format": {"type": "json_schema", "schema": schema}} == sent["output_config"]


@pytest.mark.parametrize(("seconds", "life"), [(1.0, "5m"), (300.0, "5m"), (301.0, "1h"), (86400.0, "1h")])
def test_a_prompts_retention_is_the_next_life_that_there_is(seconds: float, life: str) -> None:
    """The instructions are a breakpoint, and the last turn; nothing else is."""
    messages = (Message("system", "a"), Message("system", "b"), *HELLO.messages)
    sent = body(replace(HELLO, messages=messages, tools=(WEATHER,), prompt_cache_retention_s=seconds))
    control = {"cache_control": {"type": "ephemeral", "ttl": life}}

    assert [text("a"), text("b") | control] == sent["system"]
    assert [text("hello") | control] == sent["messages"][0]["content"]
    assert "cache_control" not in sent["tools"][0]


def test_tools_are_kept_where_there_are_no_instructions() -> None:
    """The last of them ends what stays the same."""
    sent = body(replace(HELLO, tools=(WEATHER, Tool("now")), prompt_cache_retention_s=60.0))

    assert [False, True] == ["cache_control" in tool for tool in sent["tools"]]


@pytest.mark.parametrize("seconds", [None, 0.0])
def test_no_retention_asks_for_none(seconds: float | None) -> None:
    """What the API keeps costs more to write."""
    assert "cache_control" not in json.dumps(body(replace(HELLO, prompt_cache_retention_s=seconds)))


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (replace(HELLO, parameters={"system": "x", "tools": [], "top_k": 1}), "parameters may not name system, tools"),
        (replace(HELLO, parameters={"output_format": {}}), "parameters may not name output_format"),
        (replace(HELLO, messages=(Message("system", "x"),)), "the Messages API needs a message of a user"),
        (replace(HELLO, messages=(Message("user", " "),)), "the Messages API needs a message of a user"),
        (
            replace(HELLO, messages=(Message("tool", "x", "f"),)),
            "a tool's result must say which call it answers",
        ),
        (replace(HELLO, tool_choice="required"), "a tool choice needs tools to choose from"),
        (replace(HELLO, tool_choice=NamedTool("f")), "a tool choice needs tools to choose from"),
        (
            replace(HELLO, response_format=ResponseFormat()),
            "the Messages API answers JSON by a schema only: give the response format a schema",
        ),
    ],
)
def test_what_the_api_does_not_have_is_refused(request_: ConverseRequest, sentence: str) -> None:
    """In a sentence that says what to change."""
    with pytest.raises(InvalidParameters) as caught:
        to_body(request_, "claude-x", 100)

    assert sentence == caught.value.message


@pytest.mark.parametrize("arguments", ["{", "[]", "1", "nothing", "[" * 100_000])
def test_arguments_that_are_no_object_are_refused(arguments: str) -> None:
    """Naming the function, never the arguments."""
    messages = (Message("assistant", "", tool_calls=(ToolCall("c1", "pay", arguments),)),)

    with pytest.raises(InvalidParameters) as caught:
        to_body(replace(HELLO, messages=messages), "claude-x", 100)
    assert "the arguments of the call of pay are not a JSON object" == caught.value.message
