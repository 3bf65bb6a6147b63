"""From ConverseStream's event stream to deltas: frames of botocore's decoder, and what each event in them means.

Source: the API reference of Amazon Bedrock Runtime, 2023-09-30; the event stream encoding of AWS (Smithy).
"""

import struct
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from typing import Any, Final

import msgspec
from botocore.eventstream import EventStreamBuffer, EventStreamMessage, ParserError

from parley_sidecar.bedrock.reply import REASONS, Tokens, named_fault, usage
from parley_sidecar.drafts import Draft
from parley_sidecar.errors import ParleyError, ProviderGarbled
from parley_sidecar.faults import cut_off, understood
from parley_sidecar.model import Delta, ToolCallDelta


class ToolStart(msgspec.Struct, rename="camel"):
    """The beginning of a tool's call."""

    tool_use_id: str
    name: str


class Start(msgspec.Struct, rename="camel"):
    """What kind of block begins; a text has none."""

    tool_use: ToolStart | None = None


class BlockStart(msgspec.Struct, rename="camel"):
    """`contentBlockStart`."""

    content_block_index: int
    start: Start


class ToolPiece(msgspec.Struct):
    """A piece of a call's arguments, as JSON text."""

    input: str = ""


class Piece(msgspec.Struct, rename="camel"):
    """A piece of a block; what is neither text nor a tool's call is left aside."""

    text: str | None = None
    tool_use: ToolPiece | None = None


class BlockDelta(msgspec.Struct, rename="camel"):
    """`contentBlockDelta`."""

    content_block_index: int
    delta: Piece


class BlockStop(msgspec.Struct, rename="camel"):
    """`contentBlockStop`."""

    content_block_index: int


class MessageStop(msgspec.Struct, rename="camel"):
    """`messageStop`."""

    stop_reason: str


class Metadata(msgspec.Struct):
    """`metadata`, the last event."""

    usage: Tokens | None = None


_DECODERS: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    "contentBlockStart": msgspec.json.Decoder(BlockStart),
    "contentBlockDelta": msgspec.json.Decoder(BlockDelta),
    "contentBlockStop": msgspec.json.Decoder(BlockStop),
    "messageStop": msgspec.json.Decoder(MessageStop),
    "metadata": msgspec.json.Decoder(Metadata),
}
_UNTYPED_FAULT_STATUS: Final = 500


class Events:
    """What the events of one stream add up to: deltas out, the rest into the draft."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._places: dict[int, int] = {}
        """Of a block, which tool call it is."""
        self._silent: set[int] = set()
        """Blocks of calls without a piece of their arguments so far."""

    def read(self, message: EventStreamMessage) -> Delta | None:
        """Return the delta of one message, or None where it has none.

        Raises:
            ParleyError: when the message is an exception, or not the documented form.
        """
        headers = message.headers
        if headers.get(":message-type") != "event":
            raise _fault(headers)
        name = str(headers.get(":event-type"))
        decoder = _DECODERS.get(name)
        if decoder is None:
            return None  # messageStart, and what a later version of the API adds
        return self._take(understood(decoder, message.payload, f"a {name} of ConverseStream"))

    def _take(self, event: BlockStart | BlockDelta | BlockStop | MessageStop | Metadata) -> Delta | None:
        match event:
            case BlockStart(index, Start(ToolStart(call_id, name))):
                self._places[index] = len(self._places)
                self._silent.add(index)
                return self._call(index, call_id, name)
            case BlockDelta(index, Piece(_, ToolPiece(arguments))) if arguments and index in self._places:
                self._silent.discard(index)
                return self._call(index, arguments=arguments)
            case BlockDelta(_, Piece(str(text))) if text:
                return self._draft.add(Delta(text))
            case BlockStop(index) if index in self._silent:
                return self._call(index, arguments="{}")
            case MessageStop(reason):
                self._draft.finish(REASONS.get(reason, "unknown"), reason)
            case Metadata(tokens):
                self._draft.usage = usage(tokens)
        return None

    def _call(self, index: int, call_id: str = "", name: str = "", arguments: str = "") -> Delta:
        return self._draft.add(Delta(tool_calls=(ToolCallDelta(self._places[index], call_id, name, arguments),)))


async def deltas(chunks: AsyncIterable[bytes], draft: Draft) -> AsyncGenerator[Delta, None]:
    """Yield the deltas of a stream and note the rest in `draft`.

    Raises:
        ProviderGarbled: when a frame's checksum or form is wrong.
        ProviderUnavailable: when the stream ends before the answer does.
        ParleyError: what an exception within the stream means.
    """
    events, frames = Events(draft), EventStreamBuffer()
    async for chunk in chunks:
        frames.add_data(chunk)
        for message in _complete(frames):
            if delta := events.read(message):
                yield delta
    if not draft.is_finished:
        raise cut_off()


def _complete(frames: EventStreamBuffer) -> Iterator[EventStreamMessage]:
    """Iterate the messages that are complete; a broken one raises ProviderGarbled."""
    while True:
        try:
            message = next(frames, None)
        except (ParserError, struct.error, KeyError, UnicodeDecodeError) as error:
            raise ProviderGarbled("the provider's stream is not an event stream of AWS") from error
        if message is None:
            return
        yield message


def _fault(headers: dict[str, object]) -> ParleyError:
    """Return what an exception, or an error that no model describes, means."""
    name = headers.get(":exception-type") or headers.get(":error-code") or ""
    return named_fault(str(name), _UNTYPED_FAULT_STATUS)
