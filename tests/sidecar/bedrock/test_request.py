"""The body of Converse: what each part of a request becomes, and what is refused."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from parley_sidecar.bedrock.request import cache_point, to_wire
from parley_sidecar.errors import InvalidParameters
from parley_sidecar.model import (
    ConverseRequest,
    Message,
    NamedTool,
    ResponseFormat,
    Tool,
    ToolCall,
    ToolChoice,
    Trace,
)
from tests.vendors import bedrock

HELLO = ConverseRequest((Message("user", "hello"),), Trace("1"))
NOVA = "amazon.nova-lite-v1:0"
CITY = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = Tool("weather", "Says how it is.", CITY)
ASKED = Message("assistant", "", tool_calls=(ToolCall("c1", "weather", '{"city":"Bonn"}'),))
TOLD = Message("tool", "rain", "weather", tool_call_id="c1")


def body(request: ConverseRequest, model: str = NOVA, most: int | None = None) -> dict[str, Any]:
    """Return the body, which AWS's own service model takes."""
    written = dict(json.loads(to_wire(request, model, most)))
    bedrock.judge(written, "ConverseRequest", model)
    return written


def talk(*messages: Message) -> list[dict[str, Any]]:
    """Return the turns of a conversation."""
    return list(body(replace(HELLO, messages=messages))["messages"])


def said(role: str, *blocks: Mapping[str, Any] | str) -> dict[str, Any]:
    """Return a turn; a text is a block."""
    return {"role": role, "content": [{"text": block} if isinstance(block, str) else block for block in blocks]}


def test_only_what_was_asked_is_in_the_body() -> None:
    """A plain question is one turn and nothing else."""
    assert {"messages": [said("user", "hello")]} == body(HELLO)


def test_instructions_stand_apart_wherever_they_came() -> None:
    """System and developer messages are `system`, in their order; blank ones are left out."""
    messages = (
        Message("system", "be kind"), Message("user", "hi"), Message("developer", "be brief"), Message("system", " "),
    )  # fmt: skip
    written = body(replace(HELLO, messages=messages))

    assert [{"text": "be kind"}, {"text": "be brief"}] == written["system"]
    assert [said("user", "hi")] == written["messages"]


def test_neighbours_of_one_side_are_one_turn() -> None:
    """Bedrock wants user and assistant by turns."""
    expected = [said("user", "a", "b"), said("assistant", "c"), said("user", "d")]

    assert expected == talk(
        Message("user", "a"), Message("user", "b"), Message("user", ""), Message("assistant", "c"), Message("user", "d")
    )


def test_a_conversation_that_the_assistant_begins_gets_a_first_turn() -> None:
    """The first turn must be a user's."""
    assert [said("user", "."), said("assistant", "a"), said("user", "b")] == talk(
        Message("assistant", "a"), Message("user", "b")
    )


def test_a_users_name_stands_before_the_text_and_an_assistants_nowhere() -> None:
    """There is no field for it; an assistant that sees its name would write it too."""
    assert [said("user", "ann: hi"), said("assistant", "yes"), said("user", "bo: ok")] == talk(
        Message("user", "hi", "ann"), Message("assistant", "yes", "bot"), Message("user", "ok", "bo")
    )


def test_calls_and_results_keep_their_ids() -> None:
    """A result comes first in its turn, as some models want it; empty arguments are an empty object."""
    two = Message("assistant", "look", tool_calls=(*ASKED.tool_calls, ToolCall("c2", "now", "")))
    results = (TOLD, Message("user", "well?"), Message("tool", "", tool_call_id="c2"))
    use = {"toolUse": {"toolUseId": "c1", "name": "weather", "input": {"city": "Bonn"}}}
    empty = {"toolUse": {"toolUseId": "c2", "name": "now", "input": {}}}
    first = {"toolResult": {"toolUseId": "c1", "content": [{"text": "rain"}]}}
    second = {"toolResult": {"toolUseId": "c2", "content": []}}

    assert [
        said("user", "hi"), said("assistant", "look", use, empty), said("user", first, second, "well?")
    ] == talk(Message("user", "hi"), two, *results)  # fmt: skip


def test_arguments_keep_every_digit() -> None:
    """They go out as they were written, even a number that no float can hold."""
    call = Message("assistant", "", tool_calls=(ToolCall("c1", "weather", '{"n":0.12345678901234567890}'),))
    request = replace(HELLO, messages=(Message("user", "hi"), call, TOLD))

    assert b"0.12345678901234567890" in to_wire(request, NOVA, None)


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ((Message("system", "be kind"),), "needs a message of a user"),
        ((Message("user", " "),), "needs a message of a user"),
        ((Message("user", "hi"), Message("tool", "rain")), "must name the call"),
        ((Message("assistant", "", tool_calls=(ToolCall("1", "f", "[1]"),)),), "call of f are not a JSON object"),
        ((Message("assistant", "", tool_calls=(ToolCall("1", "f", "{"),)),), "call of f are not a JSON object"),
    ],
)
def test_a_conversation_that_bedrock_cannot_have_is_refused(messages: tuple[Message, ...], words: str) -> None:
    """Each with a sentence of ours, before anything is sent."""
    with pytest.raises(InvalidParameters, match=words):
        to_wire(replace(HELLO, messages=messages), NOVA, None)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, None),
        ("auto", {"auto": {}}),
        ("required", {"any": {}}),
        (NamedTool("weather"), {"tool": {"name": "weather"}}),
    ],
)
def test_a_tool_choice_is_bedrocks(choice: ToolChoice | None, expected: object) -> None:
    """Auto, any and a tool's name; none of these where the caller left it open."""
    config = body(replace(HELLO, tools=(WEATHER,), tool_choice=choice))["toolConfig"]
    spec = {"name": "weather", "inputSchema": {"json": CITY}, "description": "Says how it is."}

    assert [{"toolSpec": spec}] == config["tools"]
    assert expected == config.get("toolChoice")


def test_tools_that_are_forbidden_are_not_sent() -> None:
    """Converse has no choice `none`, so there are no tools at all."""
    assert "toolConfig" not in body(replace(HELLO, tools=(WEATHER,), tool_choice="none"))


@pytest.mark.parametrize("tools", [(WEATHER,), ()])
def test_tools_stay_where_the_conversation_used_them(tools: tuple[Tool, ...]) -> None:
    """Bedrock wants them named then, even if they are forbidden now, or no longer offered."""
    messages = (Message("user", "hi"), ASKED, TOLD)
    config = body(replace(HELLO, messages=messages, tools=tools, tool_choice="none"))["toolConfig"]

    assert ["weather"] == [tool["toolSpec"]["name"] for tool in config["tools"]]
    assert "toolChoice" not in config


def test_a_choice_without_tools_is_refused() -> None:
    """Nothing could be called."""
    with pytest.raises(InvalidParameters, match="no tools are given"):
        to_wire(replace(HELLO, tool_choice="required"), NOVA, None)


def test_a_tools_schema_has_its_type_and_strictness() -> None:
    """A tool without parameters says so, and one that is strict too."""
    tools = (Tool("now", strict=True), Tool("then", "", {"properties": {}}, strict=False))
    specs = [tool["toolSpec"] for tool in body(replace(HELLO, tools=tools))["toolConfig"]["tools"]]
    nothing = {"json": {"type": "object", "properties": {}}}

    assert [
        {"name": "now", "inputSchema": nothing, "strict": True}, {"name": "then", "inputSchema": nothing}
    ] == specs  # fmt: skip


def test_the_inference_config_has_what_was_asked() -> None:
    """The request's limit goes before the component's; top_p and stop are understood in both spellings."""
    request = replace(HELLO, temperature=0.0, max_tokens=7, parameters={"top_p": 0.9, "stop": "END"})
    other = replace(HELLO, parameters={"topP": 0.8, "stopSequences": ["a", "b"]})

    assert {"temperature": 0.0, "maxTokens": 7, "topP": 0.9, "stopSequences": ["END"]} == body(request, most=9)[
        "inferenceConfig"
    ]
    assert {"maxTokens": 9, "topP": 0.8, "stopSequences": ["a", "b"]} == body(other, most=9)["inferenceConfig"]


def test_a_limit_of_nothing_is_no_limit() -> None:
    """A component's default that is not positive is left out."""
    assert "inferenceConfig" not in body(HELLO, most=0)


def test_a_temperature_over_one_is_refused() -> None:
    """Bedrock would refuse it without a word that a caller may see."""
    with pytest.raises(InvalidParameters, match="at most 1"):
        to_wire(replace(HELLO, temperature=1.2), NOVA, None)


def test_parameters_are_the_models_unless_they_are_converses() -> None:
    """Guardrails and the like stand at the top; everything else is the model's own."""
    guardrail = {"guardrailIdentifier": "g", "guardrailVersion": "1"}
    written = body(replace(HELLO, parameters={"top_k": 5, "guardrailConfig": guardrail}))

    assert guardrail == written["guardrailConfig"]
    assert {"top_k": 5} == written["additionalModelRequestFields"]


@pytest.mark.parametrize("name", ["messages", "system", "toolConfig", "maxTokens", "additionalModelRequestFields"])
def test_parameters_may_not_name_what_is_ours(name: str) -> None:
    """A caller cannot say things twice."""
    with pytest.raises(InvalidParameters, match=name):
        to_wire(replace(HELLO, parameters={name: 1}), NOVA, None)


def test_a_response_format_is_a_schema_as_text() -> None:
    """Name, description and the whole schema."""
    wanted = ResponseFormat(CITY, "place", "Where it is.", strict=True)
    form = body(replace(HELLO, response_format=wanted))["outputConfig"]["textFormat"]

    assert "json_schema" == form["type"]
    assert {"name": "place", "description": "Where it is.", "schema": json.dumps(CITY, separators=(",", ":"))} == form[
        "structure"
    ]["jsonSchema"]


def test_any_json_object_is_no_format() -> None:
    """Bedrock promises JSON by a schema only."""
    with pytest.raises(InvalidParameters, match="needs a schema"):
        to_wire(replace(HELLO, response_format=ResponseFormat()), NOVA, None)


def test_a_retention_ends_the_instructions_and_the_turns_with_a_cache_point() -> None:
    """What stands before each of the two is kept."""
    messages = (Message("system", "be kind"), Message("user", "hi"))
    written = body(replace(HELLO, messages=messages, prompt_cache_retention_s=60.0))
    point = {"cachePoint": {"type": "default"}}

    assert [{"text": "be kind"}, point] == written["system"]
    assert [said("user", "hi", point)] == written["messages"]
    assert [said("user", "hello", point)] == body(replace(HELLO, prompt_cache_retention_s=60.0))["messages"]


@pytest.mark.parametrize(
    ("retention_s", "model", "expected"),
    [
        (None, NOVA, None),
        (0.0, NOVA, None),
        (86400.0, NOVA, {"type": "default"}),
        (86400.0, "us.anthropic.claude-sonnet-4-20250514-v1:0", {"type": "default"}),
        (86400.0, "us.anthropic.claude-3-7-sonnet-20250219-v1:0", {"type": "default"}),
        (86400.0, "us.anthropic.claude-sonnet-4-5-20250929-v1:0", {"type": "default", "ttl": "1h"}),
        (300.0, "us.anthropic.claude-sonnet-4-5-20250929-v1:0", {"type": "default"}),
        (86400.0, "anthropic.claude-opus-5-v1:0", {"type": "default", "ttl": "1h"}),
        (86400.0, "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/mine", {"type": "default"}),
        (86400.0, "meta.llama3-70b-instruct-v1:0", None),
    ],
)
def test_a_cache_point_is_what_the_model_has(retention_s: float | None, model: str, expected: object) -> None:
    """An hour only of the models that document it, and none of those without a cache."""
    point = cache_point(retention_s, model)

    assert expected == (point and point["cachePoint"])
