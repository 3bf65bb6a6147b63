"""Dapr's gRPC requests -> the bodies of `alpha1` and `alpha2`: every rule about them stands there, once. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

import msgspec
from google.protobuf import any_pb2, json_format, struct_pb2, timestamp_pb2, wrappers_pb2
from google.protobuf.message import DecodeError, Message

from parley_sidecar.errors import MalformedBody
from parley_sidecar.rpc import ai_pb2
from parley_sidecar.wire import alpha1, alpha2, tools
from parley_sidecar.wire.json import EMPTY, encode

PARAMETER_FILES: Final = (struct_pb2, timestamp_pb2, wrappers_pb2)
"""What a parameter may be packed from is what was imported here; alpha2's own messages bring Duration."""

M = TypeVar("M", bound=Message)


def read(kind: type[M], content: bytes) -> M:
    """Decode a message; raises MalformedBody."""
    try:
        return kind.FromString(content)
    except DecodeError:
        raise MalformedBody("it is not the method's message") from None


def alpha1_body(asked: ai_pb2.ConversationRequest) -> alpha1.Body:
    """Return the body that says the same; raises MalformedBody for a parameter that no type can be found for."""
    return alpha1.Body(
        inputs=[
            alpha1.Input(content=given.content, role=given.role, scrub_dapr1=given.scrubPII) for given in asked.inputs
        ],
        parameters=_boxed(asked.parameters),
        metadata=dict(asked.metadata),
        temperature=asked.temperature if asked.HasField("temperature") else None,
        scrub_dapr1=asked.scrubPII,
        context_dapr1=asked.contextID,
    )


def alpha2_body(asked: ai_pb2.ConversationRequestAlpha2) -> alpha2.Body:
    """Return the body that says the same; raises MalformedBody for a value that JSON cannot carry."""
    return alpha2.Body(
        inputs=[
            alpha2.Input(messages=[_message(message) for message in given.messages], scrub_dapr2=given.scrub_pii)
            for given in asked.inputs
        ],
        parameters=_boxed(asked.parameters),
        metadata=dict(asked.metadata) if asked.metadata else None,
        temperature=asked.temperature if asked.HasField("temperature") else None,
        max_tokens=asked.max_tokens if asked.HasField("max_tokens") else None,
        tools=[_offer(offer) for offer in asked.tools] if asked.tools else None,
        tool_choice=asked.tool_choice,
        response_format=_plain(asked.response_format) if asked.HasField("response_format") else None,
        retention=_retention(asked),
        scrub_dapr2=asked.scrub_pii,
        context_dapr2=asked.context_id,
    )


def _message(message: ai_pb2.ConversationMessage) -> alpha2.OneOf:
    match message.WhichOneof("message_types"):
        case "of_user":
            return alpha2.OneOf(user=_turn(message.of_user))
        case "of_system":
            return alpha2.OneOf(system=_turn(message.of_system))
        case "of_developer":
            return alpha2.OneOf(developer=_turn(message.of_developer))
        case "of_assistant":
            assistant = message.of_assistant
            calls = [*map(_call, assistant.tool_calls)]
            return alpha2.OneOf(assistant=alpha2.AssistantTurn(assistant.name, _parts(assistant.content), calls))
        case "of_tool":
            tool = message.of_tool
            return alpha2.OneOf(tool=alpha2.ToolTurn(tool.name, _parts(tool.content), tool.tool_id))
        case _:
            return alpha2.OneOf()


def _turn(
    turn: ai_pb2.ConversationMessageOfUser | ai_pb2.ConversationMessageOfSystem | ai_pb2.ConversationMessageOfDeveloper,
) -> alpha2.Turn:
    return alpha2.Turn(turn.name, _parts(turn.content))


def _parts(content: Iterable[ai_pb2.ConversationMessageContent]) -> list[alpha2.Part]:
    return [alpha2.Part(part.text) for part in content]


def _call(call: ai_pb2.ConversationToolCalls) -> tools.Called:
    if not call.HasField("function"):
        return tools.Called(call.id)
    return tools.Called(call.id, tools.CalledFunction(call.function.name, call.function.arguments))


def _offer(offer: ai_pb2.ConversationTools) -> tools.Offer:
    if not offer.HasField("function"):
        return tools.Offer()
    function = offer.function
    parameters = _plain(function.parameters) if function.HasField("parameters") else None
    return tools.Offer(tools.Function(function.name, function.description, parameters))


def _retention(asked: ai_pb2.ConversationRequestAlpha2) -> str | None:
    if not asked.HasField("prompt_cache_retention"):
        return None
    try:
        return asked.prompt_cache_retention.ToJsonString()
    except ValueError:
        raise MalformedBody("prompt_cache_retention is no Duration") from None


def _boxed(parameters: Mapping[str, any_pb2.Any]) -> msgspec.Raw:
    return msgspec.Raw(encode({name: _plain(value) for name, value in parameters.items()})) if parameters else EMPTY


def _plain(message: Message) -> dict[str, Any]:
    """Return a message in protobuf's JSON mapping."""
    try:
        return json_format.MessageToDict(message)
    except (json_format.Error, TypeError, ValueError, DecodeError):
        raise MalformedBody("a value is not of a known type, or JSON cannot carry it") from None
