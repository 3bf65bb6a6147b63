"""/v1.0-alpha2/conversation/{name}/converse as server-sent events, for a request with `Accept: text/event-stream`.

Dapr has no such form. Three kinds of event: `delta`, then one `complete` or one `error`. Numbers are text, and what is
empty is left out, as in the complete reply; `index` alone is always there, so that pieces can be put together.
"""

from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from parley_sidecar.errors import ParleyError
from parley_sidecar.model import Answer, ConverseRequest, Delta, ToolCallDelta
from parley_sidecar.wire import alpha2_reply
from parley_sidecar.wire import errors as wire_errors
from parley_sidecar.wire.alpha2_reply import ReplyFunction
from parley_sidecar.wire.json import Text, encode
from parley_sidecar.wire.tools import expect_call

KINDS: Final = ("delta", "complete", "error")
"""The events' names, in the order in which they can come."""


class CallPiece(msgspec.Struct):
    """A piece of a tool call, of the one at `index` among the choice's; id and name come with its first piece."""

    index: str
    function: ReplyFunction
    id: Text = UNSET


class Piece(msgspec.Struct, rename="camel"):
    """A piece of a choice's message: text to append, pieces of tool calls, or both."""

    content: Text = UNSET
    tool_calls: list[CallPiece] | UnsetType = UNSET


class PieceChoice(msgspec.Struct):
    """The piece, and the place of its choice among the provider's."""

    index: str
    delta: Piece


class PieceOutput(msgspec.Struct):
    """One choice, as in a reply."""

    choices: list[PieceChoice]


class DeltaEvent(msgspec.Struct):
    """The data of a `delta` event."""

    outputs: list[PieceOutput]


class Events:
    """The events of one request. A `streaming.Renderer`."""

    def __init__(self, request: ConverseRequest, component_name: str, context_id: str | None) -> None:
        self._request = request
        self._component_name = component_name
        self._context_id = context_id

    def delta(self, delta: Delta) -> bytes:
        """Render a piece; nothing for an empty one."""
        if not delta.text and not delta.tool_calls:
            return b""
        piece = Piece(delta.text or UNSET, _pieces(delta.tool_calls) or UNSET)
        return _frame(b"delta", encode(DeltaEvent([PieceOutput([PieceChoice(str(delta.index), piece)])])))

    def complete(self, answer: Answer) -> bytes:
        """Render the end: finish reasons, usage and model.

        Raises:
            ToolNotCalled: when one was required and is missing; it becomes the error event.
        """
        expect_call(self._request, answer)
        return _frame(b"complete", encode(alpha2_reply.ending(self._context_id, answer)))

    def error(self, error: ParleyError) -> bytes:
        """Render what broke the stream, in the body that it would have had before the first byte."""
        return _frame(b"error", wire_errors.body(error, self._component_name))


def _pieces(pieces: Iterable[ToolCallDelta]) -> list[CallPiece]:
    return [
        CallPiece(str(piece.place), ReplyFunction(piece.name or UNSET, piece.arguments or UNSET), piece.id or UNSET)
        for piece in pieces
    ]


def _frame(kind: bytes, data: bytes) -> bytes:
    """Frame JSON, which has no line breaks of its own. Source: HTML, server-sent events."""
    return b"event: %b\ndata: %b\n\n" % (kind, data)
