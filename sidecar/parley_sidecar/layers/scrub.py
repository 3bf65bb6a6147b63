"""Scrub: personal data that a caller marked is replaced by tokens, before the provider or before the caller sees it.

Directly inside `observe`, outside `cache`: the key of an answer and what is kept of a prompt are made of scrubbed text.
Without a flag the request passes untouched. It needs no store; when it fails, the request fails.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Final, Literal, ParamSpec, TypeVar

from parley_sidecar.drafts import Draft
from parley_sidecar.model import (
    Answer,
    Choice,
    Converse,
    ConverseRequest,
    Delta,
    Message,
    Reply,
    Stream,
    ToolCall,
    ToolCallDelta,
)
from parley_sidecar.pii import replaced, spans, token
from parley_sidecar.pii.arguments import replaced_in_json
from parley_sidecar.pii.kinds import Kind
from parley_sidecar.pii.tail import Tail

Direction = Literal["prompt", "answer"]
CountPii = Callable[[Direction, Kind, int], None]
"""Takes which way the values went, their kind, and how many there were."""

OFF_LOOP_CHARACTERS: Final = 32 * 1024
"""From this size on a thread scans, since the event loop would stand still for several milliseconds."""
P = ParamSpec("P")
T = TypeVar("T")


class Masking:
    """Names values by Dapr's tokens, and counts them."""

    def __init__(self) -> None:
        self.counts: Counter[Kind] = Counter()

    def __call__(self, kind: Kind, value: str) -> str:
        """Return what stands in the value's place."""
        self.counts[kind] += 1
        return token(kind, value)

    def text(self, text: str) -> str:
        """Return a text without personal data."""
        return replaced(text, spans(text), self)

    def message(self, message: Message) -> Message:
        """Return a message without personal data; the name of a tool's result is the tool's, and stays."""
        name = message.name if message.role == "tool" or not message.name else self.text(message.name)
        return replace(message, text=self.text(message.text), name=name, tool_calls=self.calls(message.tool_calls))

    def calls(self, calls: tuple[ToolCall, ...]) -> tuple[ToolCall, ...]:
        """Return tool calls without personal data in their arguments."""
        return tuple(replace(call, arguments=replaced_in_json(call.arguments, self)) for call in calls)

    def answer(self, answer: Answer) -> Answer:
        """Return an answer without personal data."""
        choices = (
            replace(choice, text=self.text(choice.text), tool_calls=self.calls(choice.tool_calls))
            for choice in answer.choices
        )
        return replace(answer, choices=tuple(choices))


class ScrubLayer:
    """Mask the messages that are marked, and the answer where the request says so."""

    def __init__(self, inner: Converse, count: CountPii) -> None:
        self._inner = inner
        self._count = count

    async def __call__(self, request: ConverseRequest, /) -> Reply:
        """Ask the inner one with scrubbed messages; return a scrubbed reply."""
        if any(message.scrub for message in request.messages):
            request = await self._prompt(request)
        reply = await self._inner(request)
        if not request.scrub_answer:
            return reply
        if not isinstance(reply, Answer):
            return ScrubbedStream(reply, self._count)
        masking = Masking()
        scrubbed = await _scanned(sum(map(_length, reply.choices)), masking.answer, reply)
        self._report("answer", masking)
        return scrubbed

    async def _prompt(self, request: ConverseRequest) -> ConverseRequest:
        masking = Masking()
        size = sum(_length(message) for message in request.messages if message.scrub)
        messages = await _scanned(size, _scrubbed, request.messages, masking)
        self._report("prompt", masking)
        return replace(request, messages=messages)

    def _report(self, direction: Direction, masking: Masking) -> None:
        for kind, times in masking.counts.items():
            self._count(direction, kind, times)


class ScrubbedStream:
    """A stream without personal data: text leaves as its tail allows, the arguments of tool calls at the end."""

    def __init__(self, inner: Stream, count: CountPii) -> None:
        self._inner = inner
        self._count = count
        self._masking = Masking()
        self._shown = Draft()
        self._tails: dict[int, Tail] = {}
        self._arguments: dict[tuple[int, int], list[str]] = {}

    @property
    def answer(self) -> Answer:
        """The inner stream's, with what was shown; raises RuntimeError before the last delta was read."""
        answer = self._inner.answer
        shown = self._shown.answer().choices
        if len(shown) != len(answer.choices):
            return Masking().answer(answer)
        return replace(answer, choices=tuple(map(_as_shown, answer.choices, shown)))

    async def __aiter__(self) -> AsyncIterator[Delta]:
        """Iterate the deltas, fewer and larger ones."""
        try:
            async for delta in self._inner:
                shown = self._shown.add(await self._released(delta))
                if shown.text or shown.tool_calls:
                    yield shown
            async for shown in self._rest():
                yield self._shown.add(shown)
        finally:
            for kind, times in self._masking.counts.items():
                self._count("answer", kind, times)

    async def aclose(self) -> None:
        """Close the inner stream."""
        await self._inner.aclose()

    async def _released(self, delta: Delta) -> Delta:
        """Return what can be shown now: text, and which tools are asked for."""
        text = ""
        if delta.text:
            tail = self._tails.setdefault(delta.index, Tail(self._masking))
            text = await _scanned(tail.waiting, tail.add, delta.text)
        for piece in delta.tool_calls:
            self._arguments.setdefault((delta.index, piece.place), []).append(piece.arguments)
        calls = tuple(replace(piece, arguments="") for piece in delta.tool_calls if piece.id or piece.name)
        return Delta(text, delta.index, calls)

    async def _rest(self) -> AsyncIterator[Delta]:
        for index, tail in self._tails.items():
            text = await _scanned(tail.waiting, tail.finish)
            if text:
                yield Delta(text, index)
        for (index, place), pieces in self._arguments.items():
            raw = "".join(pieces)
            arguments = await _scanned(len(raw), replaced_in_json, raw, self._masking)
            yield Delta("", index, (ToolCallDelta(place, arguments=arguments),))


def _scrubbed(messages: tuple[Message, ...], masking: Masking) -> tuple[Message, ...]:
    return tuple(masking.message(message) if message.scrub else message for message in messages)


def _length(said: Message | Choice) -> int:
    return len(said.text) + sum(len(call.arguments) for call in said.tool_calls)


def _as_shown(choice: Choice, shown: Choice) -> Choice:
    return replace(choice, text=shown.text, tool_calls=shown.tool_calls)


async def _scanned(characters: int, scan: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a scan of so many characters says: at once if they are few, from a thread if not."""
    if characters < OFF_LOOP_CHARACTERS:
        return scan(*args, **kwargs)
    return await asyncio.to_thread(scan, *args, **kwargs)
