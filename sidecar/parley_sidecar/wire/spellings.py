"""Fields that callers spell in several ways, for the sake of two API versions, protobuf's names and old documents.

msgspec gives a field one name, so each spelling is a field. The privacy flags are OR-ed, since a dropped one is a
leak, and other spellings may not contradict each other.
"""

from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from parley_sidecar.errors import MalformedBody

T = TypeVar("T")

Flag = Annotated[bool, Meta(description="Hide personal data; one true spelling is enough.")]
Id = Annotated[
    str,
    Meta(
        description="The id of a chat room, echoed; a component that keeps none does no more than that. "
        "Spellings may not contradict each other."
    ),
]
Room = Annotated[str, Meta(description="The id of a chat room; a component that keeps none refuses it.")]
Metadata = Annotated[
    dict[str, str],
    Meta(
        description="What this request replaces in its component: model, key, endpoint, cacheTTL, in any case. "
        "Over alpha2 other entries reach the provider as its metadata."
    ),
]


class Scrubbable(msgspec.Struct):
    """What can be asked to hide personal data: an input, or the answer. Every spelling counts in every version."""

    scrub_dapr1: Flag | None = msgspec.field(default=None, name="scrubPII")
    scrub_dapr2: Flag | None = msgspec.field(default=None, name="scrubPii")
    scrub_proto: Flag | None = msgspec.field(default=None, name="scrub_pii")

    @property
    def wants_scrub(self) -> bool:
        """Whether personal data is to be hidden."""
        return bool(self.scrub_dapr1 or self.scrub_dapr2 or self.scrub_proto)


class InContext(Scrubbable):
    """A request that may name a chat room: by Dapr's names, echoed by a component without rooms, or the reference's."""

    context_dapr1: Id | None = msgspec.field(default=None, name="contextID")
    context_dapr2: Id | None = msgspec.field(default=None, name="contextId")
    context_proto: Id | None = msgspec.field(default=None, name="context_id")
    room: Room | None = msgspec.field(default=None, name="conversationContext")

    @property
    def context_id(self) -> str | None:
        """The id by Dapr's names, which is echoed, or None.

        Raises:
            MalformedBody: when two spellings name different ids.
        """
        if self.context_dapr1 is self.context_dapr2 is self.context_proto is None:
            return None
        return one_of("contextId", self.context_dapr1, self.context_dapr2, self.context_proto)

    def room_id(self, *, keeps_rooms: bool) -> str | None:
        """Return the id of the chat room that is asked for, or None.

        The reference's name always asks for one; Dapr's names, which there are only echoed, do where the component
        keeps rooms.

        Raises:
            MalformedBody: when two spellings name different ids.
        """
        asked = self.context_id
        if self.room:
            return one_of("contextId", asked, self.room)
        return asked if keeps_rooms else None


def one_of(field: str, *spellings: str | None) -> str | None:
    """Return what the spellings of one field say; an empty text says nothing.

    Raises:
        MalformedBody: when they say different things.
    """
    said = {value for value in spellings if value}
    if len(said) > 1:
        raise MalformedBody(f"{field} is given twice, and differs")
    return said.pop() if said else None


def same(field: str, json_named: T | None, proto_named: T | None) -> T | None:
    """Return what a field says under its JSON name or its proto name.

    Raises:
        MalformedBody: when both say something, and differ.
    """
    if proto_named is None:
        return json_named
    if json_named is not None and json_named != proto_named:
        raise MalformedBody(f"{field} is given twice, and differs")
    return proto_named
