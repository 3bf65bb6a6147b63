"""From the server-sent events of a streamed chat completion to deltas and their `Draft`.

Source: the chat completions reference of OpenAI, "Streaming".
"""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

import msgspec

from parley_sidecar.completions import reply
from parley_sidecar.completions.reply import WireCall, WireError, WireMessage, WireUsage
from parley_sidecar.drafts import Draft, replayed
from parley_sidecar.errors import ProviderGarbled
from parley_sidecar.faults import OK, cut_off, fault, understood
from parley_sidecar.http_client import Exchange, HttpClient
from parley_sidecar.model import Delta, ToolCallDelta
from parley_sidecar.sse import Event, events
from parley_sidecar.targets import Headers

DONE: Final = b"[DONE]"
"""The data of the last event."""


class WireChunkChoice(msgspec.Struct):
    """A piece of a choice."""

    index: int | None = None
    delta: WireMessage | None = None
    finish_reason: str | None = None


class WireChunk(msgspec.Struct):
    """One event; the last one before the end has usage and no choices."""

    choices: list[WireChunkChoice] | None = None
    model: str | None = None
    usage: WireUsage | None = None
    error: WireError | str | None = None


_DECODER: Final = msgspec.json.Decoder(WireChunk)


@dataclass(frozen=True, slots=True)
class Post:
    """A request that is ready to be sent."""

    url: str
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    must_call: bool = False
    """Whether an answer without a tool call is a fault, though the vendor knows nothing of it."""


async def deltas(http: HttpClient, post: Post, draft: Draft) -> AsyncGenerator[Delta, None]:
    """Send a request, and iterate the deltas of its answer; closing the generator ends the call.

    Raises:
        ProviderUnavailable: when the answer stops before `[DONE]` or a finish reason.
        ToolNotCalled: when the model had to ask for a tool, and did not.
        ParleyError: the one that its status, or an error among its events, stands for.
    """
    async with http.exchange(post.url, post.headers, post.body) as exchange:
        if exchange.status != OK:
            raise fault(exchange.status, exchange.retry_after_s)
        if exchange.headers.get("Content-Type", "").startswith("application/json"):
            for delta in await _whole(exchange, draft):  # a server that does not stream, or an error without a status
                yield delta
        else:
            async with aclosing(_streamed(exchange, draft)) as pieces:
                async for delta in pieces:
                    yield delta
    if post.must_call:
        reply.expect_call(draft.answer())


async def _whole(exchange: Exchange, draft: Draft) -> Iterator[Delta]:
    answer = reply.answer(await exchange.read())
    draft.usage, draft.model = answer.usage, answer.model
    pieces = [draft.add(delta) for delta in replayed(answer)]
    for index, choice in enumerate(answer.choices):
        draft.finish(choice.finish_reason, choice.raw_finish_reason, index)
    return iter(pieces)


async def _streamed(exchange: Exchange, draft: Draft) -> AsyncGenerator[Delta, None]:
    reader = Reader(draft)
    async for event in events(exchange.chunks()):
        if event.data == DONE:
            await exchange.finish()
            break
        for delta in reader.read(event):
            yield delta
    else:
        if not draft.is_finished:
            raise cut_off()
    if not reader.has_choices:
        raise ProviderGarbled("the provider's answer has no choices")


class Reader:
    """Reads one stream's events into its draft."""

    def __init__(self, draft: Draft) -> None:
        self.has_choices = False
        self._draft = draft
        self._places: dict[int, Places] = {}

    def read(self, event: Event) -> Iterator[Delta]:
        """Return the deltas of one event.

        Raises:
            ProviderGarbled: when it is not the documented form.
            ParleyError: the fault that it reports.
        """
        chunk = understood(_DECODER, event.data, "a chat completion")
        if chunk.error is not None or event.name == "error":
            raise reply.reported(chunk.error or WireError())
        draft = self._draft
        if chunk.model:
            draft.model = chunk.model
        if chunk.usage is not None:
            draft.usage = reply.usage(chunk.usage)
        for choice in chunk.choices or ():
            self.has_choices = True
            index = choice.index or 0
            if choice.delta is not None and (delta := self._delta(index, choice.delta)):
                yield draft.add(delta)
            if raw := choice.finish_reason:
                draft.finish(reply.finish_reason(raw, has_calls=index in self._places), raw, index)

    def _delta(self, index: int, message: WireMessage) -> Delta | None:
        calls = self._calls(index, message.tool_calls) if message.tool_calls else ()
        text = reply.text(message)
        return Delta(text, index, calls) if text or calls else None

    def _calls(self, index: int, calls: list[WireCall]) -> tuple[ToolCallDelta, ...]:
        places = self._places.setdefault(index, Places())
        return tuple(places.piece(call) for call in calls)


class Places:
    """Which tool call of a choice a piece belongs to.

    By its index; but some servers give whole calls without one, or one for all of them: then a new id is a new call.
    """

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._by_index: dict[int | None, int] = {}

    def piece(self, call: WireCall) -> ToolCallDelta:
        """Return the piece with its place; the first of a call has its id."""
        place = self._by_index.get(call.index)
        if place is not None and call.id in {None, "", self._ids[place]}:
            return ToolCallDelta(place, "", reply.name(call), reply.arguments(call))
        place = self._by_index[call.index] = len(self._ids)
        self._ids.append(call.id or reply.fresh_call_id())
        return ToolCallDelta(place, self._ids[place], reply.name(call), reply.arguments(call))
