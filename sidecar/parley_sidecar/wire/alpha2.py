"""/v1.0-alpha2/conversation/{name}/converse, the request: Dapr's current form.

Source: Dapr's ConversationRequestAlpha2 and protobuf's JSON mapping: two spellings a field, null is unset, unknown keys
are dropped. Over gRPC the same structs are made from protobuf messages.
"""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, field

from parley_sidecar.errors import InvalidParameters, MalformedBody, MissingInputs
from parley_sidecar.model import ConverseRequest, Message, Role
from parley_sidecar.wire import numbers, overrides, parameters
from parley_sidecar.wire.call import Call, Wishes
from parley_sidecar.wire.json import EMPTY, decode, empty
from parley_sidecar.wire.parameters import AnyObject
from parley_sidecar.wire.spellings import InContext, Metadata, Scrubbable, one_of, same
from parley_sidecar.wire.tools import Called, Offer, called, offered, response_format, tool_choice


class Part(msgspec.Struct):
    """A piece of a message's content."""

    text: str | None = None


class Turn(msgspec.Struct):
    """A message's content and participant, whoever speaks."""

    name: str | None = None
    content: list[Part] | None = None


class AssistantTurn(Turn):
    """What the model said, and what it asked for."""

    tool_calls: list[Called] | None = field(default=None, name="toolCalls")
    tool_calls_proto: list[Called] | None = field(default=None, name="tool_calls")


class ToolTurn(Turn):
    """A tool's result: `name` is the tool's."""

    tool_id: str | None = field(default=None, name="toolId")
    tool_id_proto: str | None = field(default=None, name="tool_id")


class OneOf(msgspec.Struct):
    """A message: exactly one of its kinds, under one of its two names."""

    user: Turn | None = field(default=None, name="ofUser")
    user_proto: Turn | None = field(default=None, name="of_user")
    system: Turn | None = field(default=None, name="ofSystem")
    system_proto: Turn | None = field(default=None, name="of_system")
    developer: Turn | None = field(default=None, name="ofDeveloper")
    developer_proto: Turn | None = field(default=None, name="of_developer")
    assistant: AssistantTurn | None = field(default=None, name="ofAssistant")
    assistant_proto: AssistantTurn | None = field(default=None, name="of_assistant")
    tool: ToolTurn | None = field(default=None, name="ofTool")
    tool_proto: ToolTurn | None = field(default=None, name="of_tool")


_KINDS: Final[tuple[Role, ...]] = (
    "user", "user", "system", "system", "developer", "developer", "assistant", "assistant", "tool", "tool",
)  # fmt: skip
"""The role of each field of OneOf, in their order."""


class Input(Scrubbable):
    """Messages that share a privacy flag."""

    messages: list[OneOf] | None = None


Inputs = Annotated[list[Input], Meta(extra_json_schema={"minItems": 1})]
Choice = Annotated[str, Meta(description="auto, none, required, or the name of one of the tools.")]
Schema = Annotated[
    dict[str, Any],
    Meta(description="The JSON schema of the answer, passed on whole; a name and strict at its root are about it."),
]


class Body(InContext):
    """A request's body. `name` is not read: the path has it."""

    inputs: Inputs | None = None
    parameters: AnyObject = field(default_factory=empty)
    metadata: Metadata | None = None
    temperature: numbers.Temperature | None = None
    max_tokens: numbers.Limit | None = field(default=None, name="maxTokens")
    max_tokens_proto: numbers.Limit | None = field(default=None, name="max_tokens")
    tools: list[Offer] | None = None
    tool_choice: Choice | None = field(default=None, name="toolChoice")
    tool_choice_proto: Choice | None = field(default=None, name="tool_choice")
    response_format: Schema | None = field(default=None, name="responseFormat")
    response_format_proto: Schema | None = field(default=None, name="response_format")
    retention: numbers.Duration | None = field(default=None, name="promptCacheRetention")
    retention_proto: numbers.Duration | None = field(default=None, name="prompt_cache_retention")


_decoder: Final = msgspec.json.Decoder(Body)


def read(body: bytes) -> Body:
    """Decode a body.

    Raises:
        MalformedBody: when it is not of the documented form; whatever it says, this comes before all else.
    """
    return decode(_decoder, body)


def request(body: Body, call: Call) -> ConverseRequest:
    """Return what the component is to be asked: the messages of all inputs, in order, as one prompt.

    The order of the checks is Dapr's: inputs, messages, tools and their choice; ours come after them.

    Raises:
        MissingInputs: when there are none.
        InvalidParameters: when something is asked for that the component forbids or that means nothing here.
        MalformedBody: when a message, a parameter or a number is not of its documented form.
    """
    if not body.inputs:
        raise MissingInputs("missing inputs in request")
    messages = tuple(
        [_message(each, scrub=given.wants_scrub) for given in body.inputs for each in given.messages or ()]
    )
    wishes = Wishes()
    if body.tools or body.tool_choice or body.tool_choice_proto:
        _add_tools(body, wishes)
    if body.temperature is not None:
        wishes["temperature"] = numbers.temperature(body.temperature)
    if body.max_tokens is not None or body.max_tokens_proto is not None:
        limits = (numbers.max_tokens(body.max_tokens), numbers.max_tokens(body.max_tokens_proto))
        wishes["max_tokens"] = same("maxTokens", *limits)
    if body.response_format or body.response_format_proto:
        _add_format(body, wishes)
    if body.retention is not None or body.retention_proto is not None:
        _add_retention(body, wishes)
    if body.wants_scrub:
        wishes["scrub_answer"] = True
    if room_id := body.room_id(keeps_rooms=call.terms.keeps_rooms):
        wishes["context_id"] = room_id
    asked = overrides.read(body.metadata, call.terms)
    _add_parameters(body, asked, wishes)
    return call.request(messages, asked, **wishes)


def _turn(message: OneOf) -> tuple[Role, Turn]:
    """Return the one kind that a message has, and what it holds."""
    kinds: tuple[Turn | None, ...] = msgspec.structs.astuple(message)
    turn = next(filter(None, kinds), None)
    if turn is None:
        raise InvalidParameters("message type cannot be nil")
    if kinds.count(None) < len(kinds) - 1:
        raise MalformedBody("a message has one type")
    return _KINDS[kinds.index(turn)], turn


def _message(message: OneOf, *, scrub: bool) -> Message:
    role, turn = _turn(message)
    parts = turn.content or ()
    text = parts[0].text or "" if len(parts) == 1 else "\n".join(part.text or "" for part in parts)
    name = turn.name or None
    if isinstance(turn, AssistantTurn):
        calls = same("toolCalls", turn.tool_calls, turn.tool_calls_proto)
        return Message(role, text, name, called(calls or ()), scrub=scrub)
    if isinstance(turn, ToolTurn):
        call_id = one_of("toolId", turn.tool_id, turn.tool_id_proto)
        return Message(role, text, name, tool_call_id=call_id or "", scrub=scrub)
    return Message(role, text, name, scrub=scrub)


def _add_tools(body: Body, wishes: Wishes) -> None:
    wishes["tools"] = offered(body.tools or ())
    said = one_of("toolChoice", body.tool_choice, body.tool_choice_proto)
    wishes["tool_choice"] = tool_choice(said, wishes["tools"])


def _add_format(body: Body, wishes: Wishes) -> None:
    schema = same("responseFormat", body.response_format, body.response_format_proto)
    wishes["response_format"] = response_format(schema or {})


def _add_retention(body: Body, wishes: Wishes) -> None:
    retention_s = numbers.duration_s(same("promptCacheRetention", body.retention, body.retention_proto) or "")
    if retention_s < 0:
        raise InvalidParameters("promptCacheRetention must not be negative")
    wishes["prompt_cache_retention_s"] = retention_s


def _add_parameters(body: Body, asked: overrides.Asked, wishes: Wishes) -> None:
    raw = parameters.given(body.parameters)
    if asked.others:  # Dapr hands them to the provider as its `metadata`
        wishes["parameters"] = {"metadata": asked.others, **parameters.unboxed(raw)}
    elif raw != EMPTY:
        wishes["parameters"] = parameters.unboxed(raw)
