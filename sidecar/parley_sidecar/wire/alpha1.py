"""/v1.0-alpha1/conversation/{name}/converse: the API reference's early form, and Dapr's object form.

The early form has inputs that are plain strings: each is a request of its own, answered 202. In the object form all
inputs are one prompt, answered 200. Source: the API reference; Dapr's ConversationRequest.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType, field

from parley_sidecar.errors import InvalidParameters, MissingInputs
from parley_sidecar.model import Answer, ConverseRequest, Message, Role
from parley_sidecar.wire import numbers, overrides, parameters
from parley_sidecar.wire.call import Call, Wishes
from parley_sidecar.wire.json import EMPTY, Text, decode, empty, encode
from parley_sidecar.wire.parameters import AnyObject
from parley_sidecar.wire.spellings import InContext, Metadata, Scrubbable

MAX_INPUTS: Final = 64
"""The largest number of inputs of the early form."""
_ROLES: Final[Mapping[str, Role]] = {"system": "system", "assistant": "assistant", "ai": "assistant"}
"""Every other role speaks for the user: `human` and `generic` as in Dapr; `tool` and `function` too, for an input has
no id of a call, without which no provider takes it for a tool's result."""


class Input(Scrubbable):
    """One input of the object form."""

    content: str | None = None
    role: str | None = None


Inputs = Annotated[
    list[str | Input],
    Meta(description="All plain texts, each asked apart, or all objects.", extra_json_schema={"minItems": 1}),
]


class Body(InContext):
    """A request's body."""

    inputs: Inputs | None = None
    parameters: AnyObject = field(default_factory=empty)
    metadata: Metadata | None = None
    temperature: numbers.Temperature | None = None


class Output(msgspec.Struct):
    """One output of the object form, without what is empty."""

    result: Text = UNSET
    parameters: Raw | UnsetType = UNSET


class Reply(msgspec.Struct):
    """The body of a 200."""

    context_id: Text = field(default=UNSET, name="contextID")
    outputs: list[Output] | UnsetType = UNSET


class EarlyOutput(msgspec.Struct):
    """The answer to one input of the early form, its parameters printed even where they are empty."""

    result: str
    parameters: AnyObject


class EarlyReply(msgspec.Struct, kw_only=True):
    """The body of a 202: the outputs are in the order of the inputs."""

    context_id: Text = field(default=UNSET, name="contextID")
    outputs: list[EarlyOutput]


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
    room_id = body.room_id(keeps_rooms=call.terms.keeps_rooms)
    early = is_early(body)
    prompts = tuple(_early_prompts(inputs)) if early else (tuple(_messages(inputs)),)
    wishes = _wishes(body, parameters.plain if early else parameters.unboxed)
    if room_id:
        wishes["context_id"] = room_id
    return tuple([call.request(messages, asked, **wishes) for messages in prompts])


def early_reply(body: Body, answers: Sequence[Answer]) -> bytes:
    """Return the body of a 202: one output for each input."""
    raw = parameters.given(body.parameters)
    outputs = [EarlyOutput(_text(answer), raw) for answer in answers]
    return encode(EarlyReply(context_id=_context_id(body), outputs=outputs))


def reply(body: Body, answer: Answer) -> bytes:
    """Return the body of a 200: one output for each of the provider's choices, as Dapr."""
    raw = parameters.given(body.parameters)
    printed = UNSET if raw == EMPTY else raw
    outputs = [Output(choice.text or UNSET, printed) for choice in answer.choices]
    return encode(Reply(_context_id(body), outputs or UNSET))


def _wishes(body: Body, read_fields: Callable[[Raw], Mapping[str, object]]) -> Wishes:
    wishes = Wishes()
    raw = parameters.given(body.parameters)
    if raw != EMPTY:
        wishes["parameters"] = read_fields(raw)
    if body.temperature is not None:
        wishes["temperature"] = numbers.temperature(body.temperature)
    if body.wants_scrub:
        wishes["scrub_answer"] = True
    return wishes


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
        yield Message(_ROLES.get(given.role or "user", "user"), given.content or "", scrub=given.wants_scrub)


def _mixed() -> InvalidParameters:
    return InvalidParameters("inputs must be all plain strings, or all objects")


def _text(answer: Answer) -> str:
    return answer.choices[0].text if answer.choices else ""


def _context_id(body: Body) -> Text:
    return body.context_id or UNSET
