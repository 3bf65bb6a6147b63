"""POST /v1/chat/completions with `stream`: a reply as server-sent events, each a chat completion chunk.

Source: OpenAI's chat completions reference, the chat completion chunk object. `openai_routes` makes one `Chunks` for
each stream and gives it to `streaming.frames`.
"""

from typing import Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from parley_sidecar.errors import ParleyError
from parley_sidecar.model import Answer, Delta, ToolCallDelta
from parley_sidecar.wire import openai_errors
from parley_sidecar.wire.json import encode
from parley_sidecar.wire.openai_reply import OpenAIFinishReason, ReplyUsage, finish_reason, fresh_id, now_s, usage

DONE: Final = b"data: [DONE]\n\n"
"""The end of a stream that was not broken."""


class FunctionPiece(msgspec.Struct):
    """A piece of what is to be called; the name comes with the first."""

    arguments: str
    name: str | UnsetType = UNSET


class CallPiece(msgspec.Struct):
    """A piece of a tool call; id and type come with the first."""

    index: int
    function: FunctionPiece
    id: str | UnsetType = UNSET
    type: Literal["function"] | UnsetType = UNSET


class Piece(msgspec.Struct):
    """A piece of a message; the role comes with the first."""

    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType | None = UNSET
    tool_calls: list[CallPiece] | UnsetType = UNSET


class ChunkChoice(msgspec.Struct):
    """A choice's part in a chunk."""

    index: int
    delta: Piece
    finish_reason: OpenAIFinishReason | None = None
    logprobs: None = None


class Chunk(msgspec.Struct):
    """One event. `usage` is null until the last one where it was asked for, and else left out."""

    id: str
    created: int
    model: str
    choices: list[ChunkChoice]
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    usage: ReplyUsage | UnsetType | None = UNSET


class Chunks:
    """Renders one stream. Its model is the component in every chunk: which one answers is known at the end only."""

    def __init__(self, component_name: str, *, includes_usage: bool) -> None:
        self._id = fresh_id()
        self._created = now_s()
        self._model = component_name
        self._includes_usage = includes_usage
        self._begun: set[int] = set()
        self._called: set[tuple[int, int]] = set()

    def delta(self, delta: Delta) -> bytes:
        """Render a piece of the answer; an empty one is not sent."""
        if not delta.text and not delta.tool_calls:
            return b""
        piece = self._begin(delta.index, delta.text or None)
        if delta.text:
            piece.content = delta.text
        if delta.tool_calls:
            piece.tool_calls = [self._call(delta.index, call) for call in delta.tool_calls]
        return self._chunk([ChunkChoice(delta.index, piece)])

    def complete(self, answer: Answer) -> bytes:
        """Render how each choice ended, the tokens if they were asked for and counted, and the end."""
        ends = [
            self._chunk([ChunkChoice(index, self._begin(index), finish_reason(choice))])
            for index, choice in enumerate(answer.choices)
        ]
        counted = usage(answer.usage) if self._includes_usage else None
        tokens = self._chunk([], counted) if counted else b""
        return b"".join([*ends, tokens, DONE])

    def error(self, error: ParleyError) -> bytes:
        """Render what broke the stream; clients take the body of an error for one, and no end follows it."""
        return _event(openai_errors.body(error, self._model))

    def _begin(self, index: int, content: str | None = "") -> Piece:
        """Return a choice's next piece: its first one has the role and content, null where a tool call comes first."""
        if index in self._begun:
            return Piece()
        self._begun.add(index)
        return Piece("assistant", content)

    def _call(self, index: int, piece: ToolCallDelta) -> CallPiece:
        if (index, piece.place) in self._called:
            return CallPiece(piece.place, FunctionPiece(piece.arguments))
        self._called.add((index, piece.place))
        return CallPiece(piece.place, FunctionPiece(piece.arguments, piece.name), piece.id, "function")

    def _chunk(self, choices: list[ChunkChoice], counted: ReplyUsage | None = None) -> bytes:
        told = counted if self._includes_usage else UNSET
        return _event(encode(Chunk(self._id, self._created, self._model, choices, usage=told)))


def _event(data: bytes) -> bytes:
    return b"data: %s\n\n" % data
