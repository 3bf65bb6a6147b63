"""Tools, tool calls, tool choice and response format of alpha2, on their way in; and the promise of `required`.

Source: Dapr's ConversationTools and ConversationToolCalls, whose oneof has one member: a function.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from parley_sidecar.errors import InvalidParameters, ToolNotCalled
from parley_sidecar.model import (
    Answer,
    ConverseRequest,
    NamedTool,
    ResponseFormat,
    Tool,
    ToolCall,
    ToolChoice,
)

_OPTIONS: Final = "must be 'auto', 'none', 'required', or a specific tool name matching the tools available to be used"
"""Dapr's words, which its own suite looks for."""
_WORDS: Final[Mapping[str, Literal["auto", "none", "required"]]] = {
    "auto": "auto",
    "none": "none",
    "required": "required",
}
_NIL_TYPE: Final = "tool types cannot be nil"
"""As above."""


class Function(msgspec.Struct):
    """A function that the model may ask for; `strict` is OpenAI's, and not in Dapr's form."""

    name: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Offer(msgspec.Struct):
    """One of a request's tools."""

    function: Function | None = None


class CalledFunction(msgspec.Struct):
    """A function that the model asked for; `arguments` is JSON text."""

    name: str | None = None
    arguments: str | None = None


class Called(msgspec.Struct):
    """One tool call of an assistant's message."""

    id: str | None = None
    function: CalledFunction | None = None


def offered(offers: Sequence[Offer]) -> tuple[Tool, ...]:
    """Return the tools; raises InvalidParameters for one without a function."""
    return tuple(_tool(offer.function) for offer in offers)


def _tool(function: Function | None) -> Tool:
    if function is None:
        raise InvalidParameters(_NIL_TYPE)
    return Tool(function.name or "", function.description or None, function.parameters, function.strict)


def called(calls: Sequence[Called]) -> tuple[ToolCall, ...]:
    """Return the tool calls; raises InvalidParameters for one without a function."""
    return tuple(_call(call.id, call.function) for call in calls)


def _call(call_id: str | None, function: CalledFunction | None) -> ToolCall:
    if function is None:
        raise InvalidParameters(_NIL_TYPE)
    return ToolCall(call_id or "", function.name or "", function.arguments or "")


def tool_choice(said: str | None, tools: Sequence[Tool]) -> ToolChoice | None:
    """Read toolChoice: a word, or the exact name of a tool; without tools a name passes, as in Dapr.

    Raises:
        InvalidParameters: when a call is required and there are no tools, or none has that name.
    """
    if not said:
        return None
    if word := _WORDS.get(said):
        if word == "required" and not tools:
            raise InvalidParameters(f"tool choice {_OPTIONS}")
        return word if tools else None  # providers refuse a choice among nothing
    if tools and said not in {tool.name for tool in tools}:
        raise InvalidParameters(f"tool choice selected was not found. {_OPTIONS[0].upper()}{_OPTIONS[1:]}")
    return NamedTool(said)


def response_format(schema: Mapping[str, Any]) -> ResponseFormat:
    """Read responseFormat, a JSON schema that is passed on whole.

    Its root may also have a `name` and `strict`, as in Dapr; both are about the schema and no words of JSON Schema,
    which strict providers refuse, so they are taken out. `description` is one of its words, and stays.

    Raises:
        InvalidParameters: when `name` is no text, or `strict` no truth value.
    """
    name, strict, description = (schema.get(word) for word in ("name", "strict", "description"))
    if not isinstance(name, str | None):
        raise InvalidParameters("the name of a responseFormat must be text")
    if not isinstance(strict, bool | None):
        raise InvalidParameters("strict of a responseFormat must be true or false")
    return ResponseFormat(
        schema={word: value for word, value in schema.items() if word not in {"name", "strict"}},
        name=name or "response",
        description=description if isinstance(description, str) else None,
        strict=strict,
    )


def expect_call(request: ConverseRequest, answer: Answer) -> None:
    """Raise ToolNotCalled if the model had to ask for a tool and did not; every Dapr door asks this, as Dapr does."""
    if request.tool_choice == "required" and not any(choice.tool_calls for choice in answer.choices):
        raise ToolNotCalled("the model did not ask for a tool, and toolChoice is required")
