"""/v1.0-alpha2/conversation/{name}/converse, the request: Dapr's current form, text messages.

Source: Dapr's ConversationRequestAlpha2 and protobuf's JSON mapping: two spellings a field, unknown keys dropped.
"""

from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Raw, field

from parley_sidecar.errors import InvalidParameters, MalformedBody, MissingInputs
from parley_sidecar.model import ConverseRequest, Message, Role
from parley_sidecar.wire import numbers, overrides, parameters
from parley_sidecar.wire.call import Call
from parley_sidecar.wire.json import decode, empty
from parley_sidecar.wire.spellings import InContext, Scrubbable, not_built


class Part(msgspec.Struct):
    """A piece of a message's content."""

    text: str | None = None


class Turn(msgspec.Struct):
    """A message's content and participant, whoever speaks."""

    name: str | None = None
    content: list[Part] | None = None
    tool_calls: list[Raw] | None = field(default=None, name="toolCalls")
    tool_calls_proto: list[Raw] | None = field(default=None, name="tool_calls")


class OneOf(msgspec.Struct):
    """A message: exactly one of its kinds, under one of its two names."""

    user: Turn | None = field(default=None, name="ofUser")
    user_proto: Turn | None = field(default=None, name="of_user")
    system: Turn | None = field(default=None, name="ofSystem")
    system_proto: Turn | None = field(default=None, name="of_system")
    developer: Turn | None = field(default=None, name="ofDeveloper")
    developer_proto: Turn | None = field(default=None, name="of_developer")
    assistant: Turn | None = field(default=None, name="ofAssistant")
    assistant_proto: Turn | None = field(default=None, name="of_assistant")
    tool: Turn | None = field(default=None, name="ofTool")
    tool_proto: Turn | None = field(default=None, name="of_tool")

    def turns(self) -> list[tuple[Role, Turn]]:
        """Return the kinds that are set, with their roles."""
        kinds: tuple[tuple[Role, Turn | None], ...] = (
            ("user", self.user),
            ("user", self.user_proto),
            ("system", self.system),
            ("system", self.system_proto),
            ("developer", self.developer),
            ("developer", self.developer_proto),
            ("assistant", self.assistant),
            ("assistant", self.assistant_proto),
            ("tool", self.tool),
            ("tool", self.tool_proto),
        )
        return [(role, turn) for role, turn in kinds if turn is not None]


class Input(Scrubbable):
    """Messages that share a privacy flag."""

    messages: list[OneOf] | None = None


class Body(InContext):
    """A request's body. `name` is not read: the path has it."""

    inputs: list[Input] | None = None
    parameters: Raw = field(default_factory=empty)
    metadata: dict[str, str] | None = None
    temperature: float | str | None = None
    max_tokens: numbers.Number | None = field(default=None, name="maxTokens")
    max_tokens_proto: numbers.Number | None = field(default=None, name="max_tokens")
    tools: list[Raw] | None = None
    tool_choice: str | None = field(default=None, name="toolChoice")
    tool_choice_proto: str | None = field(default=None, name="tool_choice")
    response_format: dict[str, Raw] | None = field(default=None, name="responseFormat")
    response_format_proto: dict[str, Raw] | None = field(default=None, name="response_format")
    retention: str | None = field(default=None, name="promptCacheRetention")
    retention_proto: str | None = field(default=None, name="prompt_cache_retention")

    def refuse_unbuilt(self) -> None:
        """Raise InvalidParameters for what this version would otherwise leave undone in silence."""
        asked = {
            "tools": self.tools,
            "toolChoice": self.tool_choice or self.tool_choice_proto,
            "responseFormat": self.response_format or self.response_format_proto,
            "promptCacheRetention": self.retention or self.retention_proto,
        }
        for name, value in asked.items():
            if value:
                raise not_built(name)

    def token_limit(self) -> int | None:
        """Return maxTokens, under either name.

        Raises:
            MalformedBody: when it is no whole number, or its two names say different things.
            InvalidParameters: when it is out of range.
        """
        if self.max_tokens is None or self.max_tokens_proto is None:
            return numbers.max_tokens(self.max_tokens if self.max_tokens_proto is None else self.max_tokens_proto)
        if self.max_tokens != self.max_tokens_proto:
            raise MalformedBody("maxTokens is given twice, and differs")
        return numbers.max_tokens(self.max_tokens)


_decoder: Final = msgspec.json.Decoder(Body)


def read(body: bytes) -> Body:
    """Decode a body; raises MalformedBody."""
    return decode(_decoder, body)


def request(body: Body, call: Call) -> ConverseRequest:
    """Return what the component is to be asked: the messages of all inputs, in order, as one prompt.

    Raises:
        MissingInputs: when there are none.
        InvalidParameters: when something is asked for that the component forbids or that means nothing here.
        MalformedBody: when a message, a parameter or a number is not of its documented form.
    """
    asked = overrides.read(body.metadata, call.terms)
    if not body.inputs:
        raise MissingInputs("missing inputs in request")
    body.refuse_scrub()
    body.check_context()
    body.refuse_unbuilt()
    fields = parameters.unboxed(parameters.given(body.parameters))
    if asked.others:  # Dapr hands them to the provider as its `metadata`
        fields = {"metadata": asked.others, **fields}
    return call.request(
        tuple(_messages(body.inputs)),
        asked,
        parameters=fields,
        temperature=numbers.temperature(body.temperature),
        max_tokens=body.token_limit(),
    )


def _messages(inputs: list[Input]) -> Iterator[Message]:
    for given in inputs:
        given.refuse_scrub()
        for message in given.messages or ():
            yield _message(message)


def _message(message: OneOf) -> Message:
    turns = message.turns()
    if not turns:
        raise InvalidParameters("message type cannot be nil")
    if len(turns) > 1:
        raise MalformedBody("a message has one type")
    role, turn = turns[0]
    if role == "tool":
        raise not_built("tool messages")
    if turn.tool_calls or turn.tool_calls_proto:
        raise not_built("tool calls")
    return Message(role, "\n".join(part.text or "" for part in turn.content or ()), turn.name or None)
