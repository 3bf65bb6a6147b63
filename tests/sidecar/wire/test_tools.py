"""Tools, their choice and the format of the answer."""

from typing import Any

import pytest

from parley_sidecar.errors import InvalidParameters, ToolNotCalled
from parley_sidecar.model import (
    Answer,
    Choice,
    ConverseRequest,
    NamedTool,
    ResponseFormat,
    Tool,
    ToolCall,
    ToolChoice,
    Trace,
)
from parley_sidecar.wire.tools import (
    Called,
    CalledFunction,
    Function,
    Offer,
    called,
    expect_call,
    offered,
    response_format,
    tool_choice,
)

F = Tool("f")
OPTIONS = "must be 'auto', 'none', 'required', or a specific tool name matching the tools available to be used"
CALL = Choice("", "tool_calls", tool_calls=(ToolCall("1", "f"),))


def test_tools_are_passed_on() -> None:
    """A tool keeps its whole schema; what is unset or empty is left out."""
    schema = {"type": "object", "$defs": {"x": {"minimum": 3}}}
    tools = offered([Offer(Function("f", "d", schema, strict=True)), Offer(Function("g", ""))])

    assert (Tool("f", "d", schema, strict=True), Tool("g")) == tools


def test_a_tool_has_a_type() -> None:
    """A tool that is no function would be dropped by Dapr, and is refused here."""
    with pytest.raises(InvalidParameters, match="tool types cannot be nil"):
        offered([Offer()])


def test_calls_are_passed_on() -> None:
    """A tool call keeps its arguments as text, which may be broken JSON."""
    assert (ToolCall("1", "f", "{"), ToolCall("", "")) == called(
        [Called("1", CalledFunction("f", "{")), Called(None, CalledFunction())]
    )


@pytest.mark.parametrize(
    ("said", "tools", "expected"),
    [
        (None, (), None),
        (None, (F,), None),
        ("", (F,), None),
        ("auto", (F,), "auto"),
        ("none", (F,), "none"),
        ("required", (F,), "required"),
        ("f", (F,), NamedTool("f")),
        ("auto", (), None),
        ("none", (), None),
        ("f", (), NamedTool("f")),
    ],
)
def test_a_choice_is_a_word_or_a_name(said: str | None, tools: tuple[Tool, ...], expected: ToolChoice | None) -> None:
    """Unset is the provider's default; a choice among nothing is none, but for a name, which passes as in Dapr."""
    assert expected == tool_choice(said, tools)


@pytest.mark.parametrize(
    ("said", "tools", "sentence"),
    [
        ("required", (), f"tool choice {OPTIONS}"),
        ("F", (F,), f"tool choice selected was not found. M{OPTIONS[1:]}"),
        ("any", (F,), f"tool choice selected was not found. M{OPTIONS[1:]}"),
    ],
)
def test_a_choice_of_nothing_is_refused(said: str, tools: tuple[Tool, ...], sentence: str) -> None:
    """What no tool can fulfil is refused in Dapr's words; names have an exact case."""
    with pytest.raises(InvalidParameters) as raised:
        tool_choice(said, tools)

    assert sentence == raised.value.message


def test_a_format_is_a_whole_schema() -> None:
    """Nothing is lost of a schema; a name and strict at its root are about it, and no part of it."""
    schema = {"description": "d", "$ref": "#/$defs/x", "$defs": {"x": {"anyOf": [{"type": "null"}]}}}

    assert ResponseFormat(schema, "response", "d") == response_format(schema)
    assert ResponseFormat(schema, "sum", "d", strict=True) == response_format({**schema, "name": "sum", "strict": True})
    assert ResponseFormat({"description": 5}) == response_format({"description": 5, "name": "", "strict": None})


@pytest.mark.parametrize(
    ("schema", "sentence"), [({"name": 5}, "must be text"), ({"strict": "yes"}, "must be true or false")]
)
def test_a_format_s_own_words_have_types(schema: dict[str, Any], sentence: str) -> None:
    """A name that is no text, or a strict that is no truth value, is refused."""
    with pytest.raises(InvalidParameters, match=sentence):
        response_format(schema)


def test_a_required_call_is_expected() -> None:
    """An answer without the call that was required is an error, whichever choice lacks it; otherwise it is none."""
    required = ConverseRequest((), Trace("1"), tools=(F,), tool_choice="required")
    free = ConverseRequest((), Trace("1"), tools=(F,), tool_choice="auto")

    expect_call(required, Answer((Choice("hm"), CALL)))
    expect_call(free, Answer((Choice("hm"),)))
    with pytest.raises(ToolNotCalled):
        expect_call(required, Answer((Choice("hm"),)))
