"""A chat room as its owner reads it: what was said in it, values and all. `upkeep` answers with it."""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, UnsetType, field

from parley_sidecar.model import Message, Role, ToolCall
from parley_sidecar.wire.alpha2_reply import ReplyCall, ReplyFunction
from parley_sidecar.wire.json import Text, encode


class Said(msgspec.Struct, rename="camel"):
    """A message of the history; tool calls are as in alpha2's replies."""

    role: Role
    content: str
    name: Text = UNSET
    tool_calls: list[ReplyCall] | UnsetType = UNSET
    tool_call_id: Text = UNSET


class Room(msgspec.Struct, rename="camel"):
    """A chat room. `turns` is how many of its turns are still stored: each is a request and its answer."""

    context_id: str
    component: str
    messages: list[Said]
    turns: int
    expires_in_seconds: int | UnsetType = field(default=UNSET)


def said(message: Message) -> Said:
    """Return a message as it is shown."""
    return Said(
        message.role,
        message.text,
        message.name or UNSET,
        [_call(call) for call in message.tool_calls] or UNSET,
        message.tool_call_id or UNSET,
    )


def body(context_id: str, component_name: str, messages: Sequence[Message], turns: int) -> bytes:
    """Return the body of a 200."""
    return encode(Room(context_id, component_name, [said(message) for message in messages], turns))


def _call(call: ToolCall) -> ReplyCall:
    return ReplyCall(ReplyFunction(call.name, call.arguments), call.id or UNSET)
