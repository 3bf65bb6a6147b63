"""POST /v1/chat/completions, the request: OpenAI's chat completions, with a component's name as the model.

Source: OpenAI's chat completions reference. Fields that mean nothing to Parley go to the provider as parameters; null
is unset, as there. Of its own Parley reads scrubPii, cacheTTL and contextId.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec

from parley_sidecar.model import NO_PARAMETERS, ConverseRequest, NamedTool, ResponseFormat, Tool, ToolChoice
from parley_sidecar.wire import overrides
from parley_sidecar.wire.call import Call
from parley_sidecar.wire.json import decode
from parley_sidecar.wire.numbers import MAX_TOKENS
from parley_sidecar.wire.openai_messages import Turn, messages, wrong
from parley_sidecar.wire.spellings import InContext

RETENTIONS_S: Final[Mapping[str, float]] = {"24h": 86400.0, "in_memory": 3600.0, "in-memory": 3600.0}
"""How long a prompt is kept by the provider's cache, in seconds; in memory that is an hour at most, and its older
spelling is still in use. Source: OpenAI's guide to prompt caching."""
TokenLimit = Annotated[int, msgspec.Meta(ge=1, le=MAX_TOKENS)]


class Function(msgspec.Struct):
    """A function that the model may ask for."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class OfferedTool(msgspec.Struct):
    """A tool, of whatever type."""

    type: str
    function: Function | None = None


class ChosenFunction(msgspec.Struct):
    """The function that the model must ask for."""

    name: str


class Chosen(msgspec.Struct):
    """A tool choice that is no word."""

    type: str
    function: ChosenFunction | None = None


class JsonSchema(msgspec.Struct):
    """What the answer must look like."""

    name: str
    schema: dict[str, Any] | None = None
    description: str | None = None
    strict: bool | None = None


class Format(msgspec.Struct):
    """The answer's form."""

    type: str
    json_schema: JsonSchema | None = None


class StreamOptions(msgspec.Struct):
    """What a stream has besides the answer."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ChatRequest(InContext, kw_only=True):
    """A request's body, as far as Parley reads it."""

    model: str
    messages: list[Turn]
    temperature: float | None = None
    max_tokens: TokenLimit | None = None
    max_completion_tokens: TokenLimit | None = None
    n: int | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: list[OfferedTool] | None = None
    tool_choice: str | Chosen | None = None
    functions: Any = None
    function_call: Any = None
    response_format: Format | None = None
    prompt_cache_retention: str | None = None
    metadata: dict[str, str] | None = None
    cache_ttl: str | None = msgspec.field(default=None, name="cacheTTL")

    @property
    def includes_usage(self) -> bool:
        """Whether a stream tells the tokens at its end."""
        return bool(self.stream_options and self.stream_options.include_usage)


class Posted(msgspec.Struct, frozen=True):
    """A body, and beside it what the provider gets as it came."""

    body: ChatRequest
    parameters: Mapping[str, object]


_body: Final = msgspec.json.Decoder(ChatRequest)
_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_value: Final = msgspec.json.Decoder()
_READ: Final = frozenset(field.encode_name for field in msgspec.structs.fields(ChatRequest))
_WORDS: Final[Mapping[str, ToolChoice]] = {"auto": "auto", "none": "none", "required": "required"}


def read(content: bytes) -> Posted:
    """Decode a body; raises MalformedBody."""
    body = decode(_body, content)
    others = {name: raw for name, raw in decode(_fields, content).items() if name not in _READ}
    if not others:
        return Posted(body, NO_PARAMETERS)
    values = {name: decode(_value, raw) for name, raw in others.items()}
    return Posted(body, {name: value for name, value in values.items() if value is not None})


def request(posted: Posted, call: Call) -> ConverseRequest:
    """Return what the component is to be asked.

    Raises:
        MissingInputs: when there is no message.
        InvalidParameters: when something is asked for that the component forbids, or that means nothing here.
    """
    body = posted.body
    _refuse_unsupported(body)
    asked = overrides.read(_metadata(body), call.terms)
    fields = posted.parameters
    tools = tuple(_tools(body))
    return call.request(
        messages(body.messages, scrub=body.wants_scrub),
        asked,
        temperature=body.temperature,
        max_tokens=_max_tokens(body),
        tools=tools,
        tool_choice=_tool_choice(body.tool_choice, tools),
        response_format=_response_format(body.response_format),
        prompt_cache_retention_s=_retention_s(body.prompt_cache_retention),
        scrub_answer=body.wants_scrub,
        context_id=body.room_id(keeps_rooms=True),  # OpenAI's API echoes no id: each name asks for a room
        parameters={"metadata": asked.others, **fields} if asked.others else fields,
    )


def _refuse_unsupported(body: ChatRequest) -> None:
    """Raise InvalidParameters for what would otherwise be left undone in silence."""
    for name in ("functions", "function_call"):
        if getattr(body, name) is not None:
            raise wrong(f"{name} is deprecated: use tools and tool_choice", name)
    if body.n not in {None, 1}:
        raise wrong("only one choice is given: n must be 1", "n")
    if body.stream_options and not body.stream:
        raise wrong("stream_options mean nothing without stream", "stream_options")
    if body.stream_options and body.stream_options.include_obfuscation:
        raise wrong("the chunks of a stream are not obfuscated", "stream_options.include_obfuscation")


def _metadata(body: ChatRequest) -> Mapping[str, str] | None:
    """Return the metadata with cacheTTL in it, which may stand beside it too."""
    if not body.cache_ttl:
        return body.metadata
    others = {name: value for name, value in (body.metadata or {}).items() if name.lower() != "cachettl"}
    if len(others) < len(body.metadata or {}):
        raise wrong("cacheTTL is given twice: in metadata, and beside it", "cacheTTL")
    return {**others, "cacheTTL": body.cache_ttl}


def _max_tokens(body: ChatRequest) -> int | None:
    older, newer = body.max_tokens, body.max_completion_tokens
    if older is not None and newer is not None and older != newer:
        raise wrong("max_tokens and max_completion_tokens differ", "max_tokens")
    return older if newer is None else newer


def _tools(body: ChatRequest) -> list[Tool]:
    return [_tool(tool, f"tools[{number}]") for number, tool in enumerate(body.tools or ())]


def _tool(tool: OfferedTool, place: str) -> Tool:
    function = tool.function
    if tool.type != "function":
        raise wrong("only tools of the type function are taken", f"{place}.type")
    if function is None or not function.name:
        raise wrong("a tool needs a function with a name", f"{place}.function")
    return Tool(function.name, function.description, function.parameters, function.strict)


def _tool_choice(given: str | Chosen | None, tools: tuple[Tool, ...]) -> ToolChoice | None:
    if given is None:
        return None
    choice = _word(given) if isinstance(given, str) else _named(given, tools)
    if tools:
        return choice
    if choice in {"auto", "none"}:
        return None
    raise wrong("tool_choice asks for a tool, but there are no tools", "tool_choice")


def _word(given: str) -> ToolChoice:
    choice = _WORDS.get(given)
    if choice is None:
        raise wrong("tool_choice is auto, none, required or a function by its name", "tool_choice")
    return choice


def _named(given: Chosen, tools: tuple[Tool, ...]) -> NamedTool:
    if given.type != "function" or given.function is None:
        raise wrong("a tool_choice that is an object must name a function", "tool_choice")
    name = given.function.name
    if tools and name not in {tool.name for tool in tools}:
        raise wrong("tool_choice names none of the tools", "tool_choice.function.name")
    return NamedTool(name)


def _response_format(given: Format | None) -> ResponseFormat | None:
    if given is None or given.type == "text":
        return None
    if given.type == "json_object":
        return ResponseFormat()
    if given.type != "json_schema":
        raise wrong("response_format is text, json_object or json_schema", "response_format.type")
    wanted = given.json_schema
    if wanted is None:
        raise wrong("a response_format of the type json_schema needs it", "response_format.json_schema")
    return ResponseFormat(wanted.schema, wanted.name, wanted.description, wanted.strict)


def _retention_s(given: str | None) -> float | None:
    if given is None:
        return None
    if given not in RETENTIONS_S:
        raise wrong("prompt_cache_retention is in_memory or 24h", "prompt_cache_retention")
    return RETENTIONS_S[given]
