"""A turn of a chat room as bytes for the store: a version byte, and MessagePack of a fixed form."""

from collections.abc import Sequence
from typing import Final

import msgspec

from parley_sidecar.errors import InvalidParameters, RoomSealed
from parley_sidecar.model import Answer, Message, Role, ToolCall

MAX_TURN_BYTES: Final = 1024 * 1024
"""The longest turn: question and answer together, as packed."""
_VERSION: Final = b"\x01"
_INSTRUCTIONS: Final = frozenset({"system", "developer"})


class Said(msgspec.Struct, array_like=True, frozen=True):
    """One message."""

    role: Role
    text: str
    name: str | None = None
    calls: tuple[tuple[str, str, str], ...] = ()
    """Of each tool call: id, name, arguments."""
    call_id: str | None = None


class TurnRecord(msgspec.Struct, array_like=True, frozen=True):
    """What one request and its answer add to a room."""

    at_s: float
    """Unix time, in seconds, when the answer was there."""
    said: tuple[Said, ...]
    """The new messages, and the answer."""
    prompt_tokens: int = 0
    """What the provider counted of its whole prompt; 0 where that says nothing about the messages."""
    prompt_bytes: int = 0
    """The messages of that prompt, in UTF-8."""

    @property
    def messages(self) -> tuple[Message, ...]:
        """The messages as layers know them."""
        return tuple(map(_message, self.said))


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(TurnRecord)


def said(messages: Sequence[Message], answer: Answer) -> tuple[Said, ...]:
    """Return what is stored of a request's messages and its answer: no instructions, and the first choice."""
    asked = tuple(_said(message) for message in messages if not is_instruction(message))
    return asked + tuple(
        Said("assistant", choice.text, None, _calls(choice.tool_calls)) for choice in answer.choices[:1]
    )


def is_instruction(message: Message) -> bool:
    """Say whether a message belongs to its request alone: a system's or a developer's."""
    return message.role in _INSTRUCTIONS


def pack(turn: TurnRecord) -> bytes:
    """Return a turn's bytes.

    Raises:
        InvalidParameters: when there are too many.
    """
    packed = _VERSION + _ENCODER.encode(turn)
    check_size(len(packed))
    return packed


def check_size(turn_bytes: int) -> None:
    """Refuse a turn that is too long; of its messages alone, before anything was spent on an answer.

    Raises:
        InvalidParameters: when it is.
    """
    if turn_bytes > MAX_TURN_BYTES:
        raise InvalidParameters(f"a turn of a chat room has at most {MAX_TURN_BYTES} bytes, its answer included")


def unpack(data: bytes) -> TurnRecord:
    """Return a turn.

    Raises:
        RoomSealed: when a version that is not known here wrote it.
    """
    if data.startswith(_VERSION):
        try:
            return _DECODER.decode(data[1:])
        except msgspec.MsgspecError:
            pass
    raise RoomSealed("a turn of the chat room was stored in a form that this version cannot read")


def _said(message: Message) -> Said:
    return Said(message.role, message.text, message.name, _calls(message.tool_calls), message.tool_call_id)


def _calls(calls: Sequence[ToolCall]) -> tuple[tuple[str, str, str], ...]:
    return tuple((call.id, call.name, call.arguments) for call in calls)


def _message(spoken: Said) -> Message:
    calls = tuple(ToolCall(*call) for call in spoken.calls)
    return Message(spoken.role, spoken.text, spoken.name, calls, spoken.call_id)
