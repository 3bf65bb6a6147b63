"""What the Messages API refuses, as its reference documents it: unknown fields, roles out of order, missing results.

`anthropic.py` asks before it answers. Source: the Messages API's reference, "Tool use", "Structured outputs", "Prompt
caching", "Errors".
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

NameText = Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,128}$")]
IdText = Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]+$")]
MOST_BREAKPOINTS: Final = 4
UNSUPPORTED_WORDS: Final = frozenset({"minimum", "maximum", "multipleOf", "minLength", "maxLength", "maxItems"})
"""Words of JSON Schema that structured outputs do not know."""


class Refused(Exception):
    """The request is not one that the API takes."""


class CacheControl(msgspec.Struct, tag="ephemeral", forbid_unknown_fields=True):
    """A breakpoint of the prompt cache."""

    ttl: Literal["5m", "1h"] = "5m"


class Part(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What every block may have."""

    cache_control: CacheControl | None = None


class Text(Part, tag="text"):
    """A text."""

    text: str


class ToolUse(Part, tag="tool_use"):
    """A call that the assistant asked for."""

    id: IdText
    name: NameText
    input: dict[str, Any]


class ToolResult(Part, tag="tool_result"):
    """What a call came to."""

    tool_use_id: IdText
    content: str | list[Text] = ""
    is_error: bool = False


Block = Text | ToolUse | ToolResult


class Turn(msgspec.Struct, forbid_unknown_fields=True):
    """A message of the conversation."""

    role: Literal["user", "assistant"]
    content: str | list[Block]

    @property
    def blocks(self) -> Sequence[Block]:
        """The content; a string is shorthand for one block of text."""
        return [Text(text=self.content)] if isinstance(self.content, str) else self.content


class Tool(Part):
    """A tool of the client's."""

    name: NameText
    input_schema: dict[str, Any]
    description: str = ""
    strict: bool = False
    type: Literal["custom"] = "custom"


class Auto(msgspec.Struct, tag="auto", forbid_unknown_fields=True):
    """The model decides."""

    disable_parallel_tool_use: bool = False


class AnyTool(msgspec.Struct, tag="any", forbid_unknown_fields=True):
    """The model must call one of them."""

    disable_parallel_tool_use: bool = False


class Named(msgspec.Struct, tag="tool", forbid_unknown_fields=True):
    """The model must call this one."""

    name: str
    disable_parallel_tool_use: bool = False


class Never(msgspec.Struct, tag="none", forbid_unknown_fields=True):
    """The model may not call any."""


class Format(msgspec.Struct, tag="json_schema", forbid_unknown_fields=True):
    """The form of the answer."""

    schema: dict[str, Any]


class OutputConfig(msgspec.Struct, forbid_unknown_fields=True):
    """How the answer should be."""

    format: Format | None = None
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None


class Metadata(msgspec.Struct, forbid_unknown_fields=True):
    """What is known of the request."""

    user_id: str | None = None


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a request."""

    model: Annotated[str, Meta(min_length=1)]
    max_tokens: Annotated[int, Meta(ge=1)]
    messages: Annotated[list[Turn], Meta(min_length=1)]
    system: str | list[Text] = ""
    stream: bool = False
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: int | None = None
    stop_sequences: list[str] = []
    metadata: Metadata | None = None
    service_tier: Literal["auto", "standard_only"] = "auto"
    thinking: dict[str, Any] | None = None
    tools: list[Tool] = []
    tool_choice: Auto | AnyTool | Named | Never | None = None
    output_config: OutputConfig | None = None


def read(raw: bytes) -> Body:
    """Return the request.

    Raises:
        Refused: in the words of the API, as far as they are known.
    """
    try:
        body = msgspec.json.decode(raw, type=Body)
    except msgspec.MsgspecError as error:
        raise Refused(str(error)) from error
    for problem in (*_of_turns(body.messages), *_of_results(body.messages), *_of_tools(body), *_of_the_rest(body)):
        raise Refused(problem)
    return body


def _of_turns(turns: Sequence[Turn]) -> Iterator[str]:
    if turns[0].role != "user":
        yield 'messages: first message must use the "user" role'
    for before, after in pairwise(turns):
        if before.role == after.role:
            yield f'messages: roles must alternate, but found multiple "{after.role}" roles in a row'
    for place, turn in enumerate(turns):
        if not turn.blocks:
            yield f"messages.{place}: all messages must have non-empty content"
        if any(isinstance(block, ToolUse if turn.role == "user" else ToolResult) for block in turn.blocks):
            yield f"messages.{place}: a {turn.role} may not have such a block"
        yield from _of_texts(f"messages.{place}.content", turn.blocks)
    last = turns[-1].blocks[-1:]
    if turns[-1].role == "assistant" and any(isinstance(block, Text) and block.text[-1:].isspace() for block in last):
        yield "messages: final assistant content cannot end with trailing whitespace"


def _of_texts(where: str, blocks: Sequence[Block]) -> Iterator[str]:
    for block in blocks:
        if isinstance(block, Text) and not block.text.strip():
            yield f"{where}: text content blocks must contain non-whitespace text"


def _of_results(turns: Sequence[Turn]) -> Iterator[str]:
    asked: list[str] = []
    for place, turn in enumerate(turns):
        kinds = [isinstance(block, ToolResult) for block in turn.blocks]
        answered = [block.tool_use_id for block in turn.blocks if isinstance(block, ToolResult)]
        if missing := set(asked) - set(answered):
            yield f"messages.{place}: `tool_use` ids without `tool_result` blocks immediately after: {missing}"
        if set(answered) - set(asked):
            yield f"messages.{place}: unexpected `tool_use_id` found in `tool_result` blocks"
        if len(answered) != len(set(answered)):
            yield f"messages.{place}: each tool_use must have a single result"
        if kinds != sorted(kinds, reverse=True):
            yield f"messages.{place}: `tool_result` blocks come first"
        asked = [block.id for block in turn.blocks if isinstance(block, ToolUse)]
        if len(asked) != len(set(asked)):
            yield f"messages.{place}: `tool_use` ids must be unique"
    if asked:
        yield "messages: `tool_use` ids without `tool_result` blocks immediately after"


def _of_tools(body: Body) -> Iterator[str]:
    names = [tool.name for tool in body.tools]
    if len(names) != len(set(names)):
        yield "tools: Tool names must be unique."
    if body.tool_choice and not names:
        yield "tool_choice may only be specified while providing tools"
    if isinstance(body.tool_choice, Named) and body.tool_choice.name not in names:
        yield f"Tool '{body.tool_choice.name}' not found in provided tools"
    for tool in body.tools:
        if tool.input_schema.get("type") != "object":
            yield f"tools.{tool.name}.input_schema.type: Input should be 'object'"
        if tool.strict:
            yield from _of_schema(f"tools.{tool.name}.input_schema", tool.input_schema)


def _of_schema(where: str, schema: Mapping[str, Any]) -> Iterator[str]:
    """Judge what constrains the model."""
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        yield f"{where}: For 'object' type, 'additionalProperties' must be explicitly set to false"
    if strange := UNSUPPORTED_WORDS.intersection(schema):
        yield f"{where}: properties {sorted(strange)} are not supported"
    inner = [*schema.get("properties", {}).items(), ("items", schema.get("items"))]
    for name, part in inner:
        if isinstance(part, dict):
            yield from _of_schema(f"{where}.{name}", part)


def _of_the_rest(body: Body) -> Iterator[str]:
    system = [] if isinstance(body.system, str) else body.system
    yield from _of_texts("system", system)
    parts = [*body.tools, *system, *(block for turn in body.messages for block in turn.blocks)]
    lives = [part.cache_control.ttl for part in parts if part.cache_control]
    if len(lives) > MOST_BREAKPOINTS:
        yield f"A maximum of {MOST_BREAKPOINTS} blocks with cache_control may be provided."
    if lives != sorted(lives):
        yield "cache_control: a ttl='1h' block must not come after a ttl='5m' block"
    if body.output_config and body.output_config.format:
        yield from _of_schema("output_config.format.schema", body.output_config.format.schema)
