"""From the events of the Messages API to deltas; called by `providers.anthropic`.

Source: "Streaming messages" and "Errors" of the Messages API's documentation.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from parley_sidecar.drafts import Draft
from parley_sidecar.faults import cut_off, fault, understood
from parley_sidecar.messages_api.reply import WireBlock, WireMessage, WireUsage, to_reason, to_usage
from parley_sidecar.model import Delta, ToolCallDelta

STATUS_OF_KIND: Final[Mapping[str, int]] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The status that a kind of error has before the first event. Source: "Errors", HTTP errors."""


class WireDelta(msgspec.Struct):
    """A piece of a block, or what is said at the end."""

    type: str | None = None
    text: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None


class WireError(msgspec.Struct):
    """An error after the first byte; its text is not read, it may hold what nobody should see."""

    type: str = ""


class WireEvent(msgspec.Struct):
    """An event of any type; unknown ones may be added at any time and are ignored."""

    type: str
    index: int = 0
    message: WireMessage | None = None
    content_block: WireBlock | None = None
    delta: WireDelta | None = None
    usage: WireUsage | None = None
    error: WireError | None = None


_DECODER: Final = msgspec.json.Decoder(WireEvent)
_NO_USAGE: Final = WireUsage()


class _Call:
    """A tool call whose arguments are coming in."""

    def __init__(self, place: int, block: WireBlock) -> None:
        self.place = place
        self.whole = bytes(block.input).decode()
        self.is_in_pieces = False


class Reading:
    """One stream as it is read; notes in the draft what is not a delta."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._usage = WireUsage()
        self._calls: dict[int, _Call] = {}
        self._is_complete = False

    def take(self, data: bytes) -> Delta | None:
        """Take the data of one event in, and return the delta that it is, if it is one.

        Raises:
            ParleyError: the one that an error event stands for; ProviderGarbled when it is not an event.
        """
        delta = self._read(understood(_DECODER, data, "a stream of messages"))
        return delta and self._draft.add(delta)

    def end(self) -> None:
        """Check that the stream came to its end.

        Raises:
            ProviderUnavailable: when it was cut off.
        """
        if not self._is_complete:
            raise cut_off()

    def _read(self, event: WireEvent) -> Delta | None:
        match event.type:
            case "content_block_delta":
                return self._piece(event.index, event.delta or WireDelta())
            case "content_block_start":
                return self._begun(event.index, event.content_block)
            case "content_block_stop":
                return self._ended(event.index)
            case "error":
                raise fault(STATUS_OF_KIND.get(event.error.type if event.error else "", 500), None)
            case "message_start" | "message_delta":
                self._note(event)
            case "message_stop":
                self._is_complete = True
        return None

    def _begun(self, index: int, block: WireBlock | None) -> Delta | None:
        if block and block.type == "tool_use":
            call = self._calls[index] = _Call(len(self._calls), block)
            return Delta(tool_calls=(ToolCallDelta(call.place, block.id or "", block.name or ""),))
        return Delta(block.text) if block and block.type == "text" and block.text else None

    def _piece(self, index: int, piece: WireDelta) -> Delta | None:
        if piece.type == "text_delta" and piece.text:
            return Delta(piece.text)
        call = self._calls.get(index)
        if piece.type == "input_json_delta" and piece.partial_json and call:
            call.is_in_pieces = True
            return _arguments(call, piece.partial_json)
        return None

    def _ended(self, index: int) -> Delta | None:
        """Give a call without a piece of arguments those it began with: an empty object, as a whole answer has."""
        call = self._calls.get(index)
        return _arguments(call, call.whole) if call and not call.is_in_pieces else None

    def _note(self, event: WireEvent) -> None:
        message = event.message
        if message:
            self._draft.model = message.model
        self._add((message.usage if message else event.usage) or _NO_USAGE)
        if event.delta and event.delta.stop_reason:
            self._draft.finish(to_reason(event.delta.stop_reason), event.delta.stop_reason)

    def _add(self, later: WireUsage) -> None:
        """Take the later counts, which are sums; what is not said again stays."""
        for name in WireUsage.__struct_fields__:
            if (count := getattr(later, name)) is not None:
                setattr(self._usage, name, count)
        self._draft.usage = to_usage(self._usage)


def _arguments(call: _Call, piece: str) -> Delta:
    return Delta(tool_calls=(ToolCallDelta(call.place, arguments=piece),))
