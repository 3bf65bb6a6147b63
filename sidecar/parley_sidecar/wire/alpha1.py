"""/v1.0-alpha1/conversation/{name}/converse: the API reference's early form, and Dapr's object form.

The early form has inputs that are plain strings: each is a request of its own, answered 202. In the object form all
inputs are one prompt, answered 200. Source: the API reference; Dapr's ConversationRequest.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from parley_sidecar.errors import InvalidParameters, MissingInputs
from parley_sidecar.model import Answer, ConverseRequest, Message, Role
from parley_sidecar.wire import numbers, overrides, parameters
from parley_sidecar.wire.call import Call
from parley_sidecar.wire.json import EMPTY, decode, empty, encode
from parley_sidecar.wire.spellings import InContext, Scrubbable, not_built

MAX_INPUTS: Final = 64
"""The largest number of inputs of the early form."""
_ROLES: Final[Mapping[str, Role]] = {"system": "system", "assistant": "assistant", "ai": "assistant"}
"""Every other role speaks for the user. Source: Dapr's ConvertLangchaingoRole."""
_TOOL_ROLES: Final = frozenset({"tool", "function"})


class Input(Scrubbable):
    """One input of the object form."""

    content: str | None = None
    role: str | None = None


class Body(InContext):
    """A request's body."""

    inputs: list[str | Input] | None = None
    parameters: msgspec.Raw = msgspec.field(default_factory=empty)
    metadata: dict[str, str] | None = None
    temperature: float | str | None = None


class Output(msgspec.Struct):
    """One output; the object form leaves out what is empty."""

    result: str | msgspec.UnsetType = msgspec.UNSET
    parameters: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Reply(msgspec.Struct):
    """A reply's body."""

    context_id: str | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name="contextID")
    outputs: list[Output] | msgspec.UnsetType = msgspec.UNSET


_decoder = msgspec.json.Decoder(Body)


def read(body: bytes) -> Body:
    """Decode a body; raises MalformedBody."""
    return decode(_decoder, body)


def is_early(body: Body) -> bool:
    """Say whether a body has the early form: its first input is a plain string."""
    return bool(body.inputs) and isinstance(body.inputs[0], str)  # type: ignore[index]


def requests(body: Body, call: Call) -> tuple[ConverseRequest, ...]:
    """Return what the component is to be asked: one request for each input of the early form, else one in all.

    Raises:
        MissingInputs: when there are none.
        InvalidParameters: when something is asked for that the component forbids or that means nothing here.
        MalformedBody: when a parameter or a number is not of its documented form.
    """
    asked = overrides.read(body.metadata, call.terms)
    inputs = body.inputs
    if not inputs:
        raise MissingInputs("missing inputs in request")
    body.refuse_scrub()
    body.check_context()
    early = is_early(body)
    prompts = tuple(_early_prompts(inputs)) if early else (tuple(_messages(inputs)),)
    raw = parameters.given(body.parameters)
    fields = parameters.plain(raw) if early else parameters.unboxed(raw)
    temperature = numbers.temperature(body.temperature)
    return tuple(call.request(messages, asked, parameters=fields, temperature=temperature) for messages in prompts)


def early_reply(body: Body, answers: Sequence[Answer]) -> bytes:
    """Return the body of a 202: one output for each input, its parameters printed even where they are empty."""
    raw = parameters.given(body.parameters)
    return encode(Reply(_context_id(body), [Output(_text(answer), raw) for answer in answers]))


def reply(body: Body, answer: Answer) -> bytes:
    """Return the body of a 200: one output for each of the provider's choices, as Dapr."""
    raw = parameters.given(body.parameters)
    printed = msgspec.UNSET if raw == EMPTY else raw
    outputs = [Output(choice.text or msgspec.UNSET, printed) for choice in answer.choices]
    return encode(Reply(_context_id(body), outputs or msgspec.UNSET))


def _early_prompts(inputs: Sequence[str | Input]) -> Iterator[tuple[Message, ...]]:
    if len(inputs) > MAX_INPUTS:
        raise InvalidParameters(f"at most {MAX_INPUTS} inputs in one request")
    for text in inputs:
        if not isinstance(text, str):
            raise _mixed()
        yield (Message("user", text),)


def _messages(inputs: Sequence[str | Input]) -> Iterator[Message]:
    for given in inputs:
        if isinstance(given, str):
            raise _mixed()
        given.refuse_scrub()
        role = given.role or "user"
        if role in _TOOL_ROLES:
            raise not_built(f"the role {role}")
        yield Message(_ROLES.get(role, "user"), given.content or "")


def _mixed() -> InvalidParameters:
    return InvalidParameters("inputs must be all plain strings, or all objects")


def _text(answer: Answer) -> str:
    return answer.choices[0].text if answer.choices else ""


def _context_id(body: Body) -> str | msgspec.UnsetType:
    return body.context_id or msgspec.UNSET
