"""From a `ConverseRequest` to the body of a chat completion. Pure; what a vendor lacks is in its `Dialect`.

Source: the chat completions reference of OpenAI, "Create chat completion".
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from parley_sidecar.completions.dialect import Dialect
from parley_sidecar.errors import InvalidParameters
from parley_sidecar.model import ConverseRequest, Message, NamedTool, ResponseFormat, Tool, ToolCall, ToolChoice

OWN_FIELDS: Final = frozenset(
    {
        "messages", "model", "n", "stream", "stream_options", "temperature", "max_tokens", "max_completion_tokens",
        "tools", "tool_choice", "functions", "function_call", "response_format", "prompt_cache_retention",
    }
)  # fmt: skip
"""Fields of the body that are Parley's to set; `parameters` may not name them."""
SHORT_RETENTION_S: Final = 3600.0
"""A prompt is kept in memory for an hour at most. Source: OpenAI, "Prompt caching", in-memory retention."""
NO_PARAMETERS: Final[Mapping[str, Any]] = {"type": "object", "properties": {}}

_NAME: Final = re.compile(r"[^\s<|\\/>]{1,64}")
"""A participant's name. Source: the errors of OpenAI's API for `messages[].name`."""
_ENCODER: Final = msgspec.json.Encoder()


class WireFunction(msgspec.Struct):
    """The function of a tool call."""

    name: str
    arguments: str


class WireCall(msgspec.Struct):
    """A tool call of an earlier turn."""

    id: str
    function: WireFunction
    type: str = "function"
    extra_content: Mapping[str, object] | msgspec.UnsetType = msgspec.UNSET


class WireMessage(msgspec.Struct, omit_defaults=True):
    """A message on its way out."""

    role: str
    content: str | None
    name: str | None = None
    tool_calls: Sequence[WireCall] | None = None
    tool_call_id: str | None = None


def body(request: ConverseRequest, dialect: Dialect, model: str, max_tokens: int | None) -> bytes:
    """Return the body of a request; `model` and `max_tokens` are the component's.

    Raises:
        InvalidParameters: when `parameters` name a field that is ours, or the request asks for what makes no sense.
    """
    if request.parameters and (taken := OWN_FIELDS.intersection(request.parameters)):
        raise InvalidParameters(f"parameters may not name {', '.join(sorted(taken))}")
    document: dict[str, Any] = {
        "model": request.overrides.model or model,
        "messages": _messages(request, dialect, request.overrides.model or model),
        **request.parameters,
    }
    if request.temperature is not None:
        document["temperature"] = request.temperature
    most = request.max_tokens if request.max_tokens is not None else max_tokens
    if most is not None and most > 0:
        document[dialect.max_tokens] = most
    if request.tools or request.tool_choice is not None:
        document |= _tools(request, dialect)
    if request.response_format is not None:
        _ask_for(request.response_format, document, dialect)
    if request.prompt_cache_retention_s is not None and dialect.keeps_prompts:
        document["prompt_cache_retention"] = _retention(request.prompt_cache_retention_s)
    if request.wants_stream:
        document |= _STREAM_WITH_USAGE if dialect.asks_for_usage else _STREAM
    return _ENCODER.encode(document)


def must_call(request: ConverseRequest) -> bool:
    """Say whether the model is not to answer without asking for a tool."""
    return request.tool_choice == "required" or isinstance(request.tool_choice, NamedTool)


_STREAM: Final[Mapping[str, Any]] = {"stream": True}
_STREAM_WITH_USAGE: Final[Mapping[str, Any]] = {"stream": True, "stream_options": {"include_usage": True}}


def _messages(request: ConverseRequest, dialect: Dialect, model: str) -> list[WireMessage]:
    written = [_message(message, dialect) for message in request.messages]
    if dialect.has_result_names:
        _name_results(written)
    if extra := dialect.call_extra(model):
        for call in _calls(written):
            call.extra_content = extra
    return written if dialect.bridge is None else list(_bridged(written, dialect.bridge))


def _calls(messages: Iterable[WireMessage]) -> Iterator[WireCall]:
    return (call for message in messages for call in message.tool_calls or ())


def _name_results(messages: Sequence[WireMessage]) -> None:
    """Give results that came without it the name of the tool that was called."""
    names = {call.id: call.function.name for call in _calls(messages)}
    for message in messages:
        if message.role == "tool" and not message.name:
            message.name = names.get(message.tool_call_id or "")


def _message(message: Message, dialect: Dialect) -> WireMessage:
    role = message.role
    if role == "tool":
        return _result(message, dialect)
    if role == "developer":
        role = dialect.developer
    name, text = (None, message.text) if message.name is None else _named(message.name, message, dialect)
    if not message.tool_calls:
        return WireMessage(role, text, name)
    calls = [_call(call, dialect) for call in message.tool_calls]
    return WireMessage(role, text or dialect.no_content, name, calls)


def _named(name: str, message: Message, dialect: Dialect) -> tuple[str | None, str]:
    """Return name and text; where there is no place for a user's name, it is told in the text."""
    if dialect.has_names and _NAME.fullmatch(name):
        return name, message.text
    return None, f"{name}: {message.text}" if message.role == "user" else message.text


def _result(message: Message, dialect: Dialect) -> WireMessage:
    if not message.tool_call_id:
        raise InvalidParameters("a tool's result must say which call it answers")
    name = message.name if dialect.has_result_names else None
    return WireMessage("tool", message.text, name, None, dialect.call_id(message.tool_call_id))


def _call(call: ToolCall, dialect: Dialect) -> WireCall:
    return WireCall(dialect.call_id(call.id), WireFunction(call.name, call.arguments or "{}"))


def _bridged(messages: Iterable[WireMessage], bridge: str) -> Iterator[WireMessage]:
    """Put an assistant's word between a tool's result and what is neither another result nor an assistant's turn."""
    before = ""
    for message in messages:
        if before == "tool" and message.role not in {"tool", "assistant"}:
            yield WireMessage("assistant", bridge)
        yield message
        before = message.role


def _tools(request: ConverseRequest, dialect: Dialect) -> dict[str, Any]:
    """Return the fields for tools and the choice among them."""
    choice = request.tool_choice
    if not request.tools:
        if choice in {"auto", "none"}:
            return {}
        raise InvalidParameters("a tool choice needs tools to choose from")
    if not dialect.chooses_tools:
        offered = _offered(request.tools, choice)
        return {"tools": [_tool(tool, dialect) for tool in offered]} if offered else {}
    fields: dict[str, Any] = {"tools": [_tool(tool, dialect) for tool in request.tools]}
    if choice is not None:
        fields["tool_choice"] = _choice(choice, dialect)
    return fields


def _offered(tools: Sequence[Tool], choice: ToolChoice | None) -> list[Tool]:
    """Return the tools that a model without a tool choice may know of."""
    if choice == "none":
        return []
    return [tool for tool in tools if not isinstance(choice, NamedTool) or tool.name == choice.name]


def _tool(tool: Tool, dialect: Dialect) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parameters"] = tool.parameters
    elif dialect.bare_tools_need_parameters:
        function["parameters"] = NO_PARAMETERS
    if tool.strict is not None and dialect.has_strict_tools:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _choice(choice: ToolChoice, dialect: Dialect) -> object:
    if isinstance(choice, NamedTool):
        return {"type": "function", "function": {"name": choice.name}}
    return dialect.required if choice == "required" else choice


def _ask_for(wanted: ResponseFormat, document: dict[str, Any], dialect: Dialect) -> None:
    """Set the response format; where there are no schemas, a system message says what JSON is wanted."""
    if wanted.schema is not None and dialect.has_schemas:
        document["response_format"] = {"type": "json_schema", "json_schema": _json_schema(wanted, wanted.schema)}
        return
    document["response_format"] = {"type": "json_object"}
    if not dialect.has_schemas:
        document["messages"].insert(0, WireMessage("system", _in_words(wanted)))


def _json_schema(wanted: ResponseFormat, schema: Mapping[str, object]) -> dict[str, Any]:
    described: dict[str, Any] = {"name": wanted.name, "schema": schema}
    if wanted.description is not None:
        described["description"] = wanted.description
    if wanted.strict is not None:
        described["strict"] = wanted.strict
    return described


def _in_words(wanted: ResponseFormat) -> str:
    if wanted.schema is None:
        return "Answer with one JSON object and nothing else."
    schema = _ENCODER.encode(wanted.schema).decode()
    about = f" ({wanted.description})" if wanted.description else ""
    return f"Answer with one JSON object{about} and nothing else. It must fit this JSON schema: {schema}"


def _retention(seconds: float) -> str:
    """Return OpenAI's word for a retention; it knows two."""
    return "24h" if seconds > SHORT_RETENTION_S else "in_memory"
