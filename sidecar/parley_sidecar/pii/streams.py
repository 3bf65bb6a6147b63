"""The streams that `layers.scrub` wraps around a provider's: one hides what is new, the other puts values back."""

from collections.abc import AsyncIterator, Iterator

from msgspec.structs import replace

from parley_sidecar.drafts import Draft
from parley_sidecar.model import Answer, Choice, Delta, Stream, ToolCallDelta
from parley_sidecar.pii.answering import Masking
from parley_sidecar.pii.arguments import in_json
from parley_sidecar.pii.counted import CountPii
from parley_sidecar.pii.held import HeldArguments, HeldText
from parley_sidecar.pii.off_loop import scanned
from parley_sidecar.pii.reach import in_answer
from parley_sidecar.pii.restore import Restorer
from parley_sidecar.pii.tail import Tail


class MaskedStream:
    """A stream without new personal data: text leaves as its tail allows, the arguments of tool calls at the end."""

    def __init__(self, inner: Stream, masking: Masking, count: CountPii) -> None:
        self._inner = inner
        self._count = count
        self._masking = masking
        self._shown = Draft()
        self._tails: dict[int, Tail] = {}
        self._arguments: dict[tuple[int, int], list[str]] = {}

    @property
    def answer(self) -> Answer:
        """The inner stream's, with what was shown; raises RuntimeError before the last delta was read."""
        answer = self._inner.answer
        shown = self._shown.answer().choices
        if len(shown) != len(answer.choices):
            return in_answer(answer, self._masking.rewrite)
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
            self._masking.report(self._count)

    async def aclose(self) -> None:
        """Close the inner stream."""
        await self._inner.aclose()

    async def _released(self, delta: Delta) -> Delta:
        """Return what can be shown now: text, and which tools are asked for."""
        text = ""
        if delta.text:
            tail = self._tails.setdefault(delta.index, Tail(self._masking, self._masking.spans))
            text = await scanned(tail.waiting, self._masking.off_loop_characters, tail.add, delta.text)
        for piece in delta.tool_calls:
            self._arguments.setdefault((delta.index, piece.place), []).append(piece.arguments)
        calls = tuple(replace(piece, arguments="") for piece in delta.tool_calls if piece.id or piece.name)
        return Delta(text, delta.index, calls)

    async def _rest(self) -> AsyncIterator[Delta]:
        limit = self._masking.off_loop_characters
        for index, tail in self._tails.items():
            text = await scanned(tail.waiting, limit, tail.finish)
            if text:
                yield Delta(text, index)
        for (index, place), pieces in self._arguments.items():
            raw = "".join(pieces)
            arguments = await scanned(len(raw), limit, in_json, raw, self._masking.rewrite)
            yield Delta("", index, (ToolCallDelta(place, arguments=arguments),))


class RestoredStream:
    """A stream with its values back: what may become a token waits, and nothing else."""

    def __init__(self, inner: Stream, restorer: Restorer, count: CountPii) -> None:
        self._inner = inner
        self._count = count
        self._restorer = restorer
        self._texts: dict[int, HeldText] = {}
        self._arguments: dict[tuple[int, int], HeldArguments] = {}

    @property
    def answer(self) -> Answer:
        """The inner stream's, with what was shown; raises RuntimeError before the last delta was read."""
        restorer = self._restorer.apart()
        return restorer.answer(self._inner.answer, restorer.within_json)

    async def __aiter__(self) -> AsyncIterator[Delta]:
        """Iterate the deltas."""
        try:
            async for delta in self._inner:
                shown = self._released(delta)
                if shown.text or shown.tool_calls:
                    yield shown
            for shown in self._rest():
                yield shown
        finally:
            self._restorer.report(self._count)

    async def aclose(self) -> None:
        """Close the inner stream."""
        await self._inner.aclose()

    def _released(self, delta: Delta) -> Delta:
        """Return what can be shown now; the very delta where nothing in it changes."""
        text = self._text(delta.index).add(delta.text) if delta.text else ""
        calls = tuple(self._piece(delta.index, piece) for piece in delta.tool_calls) if delta.tool_calls else ()
        if text == delta.text and calls == delta.tool_calls:
            return delta
        return Delta(text, delta.index, tuple(piece for piece in calls if piece.id or piece.name or piece.arguments))

    def _text(self, index: int) -> HeldText:
        held = self._texts.get(index)
        if held is None:
            held = self._texts[index] = HeldText(self._restorer)
        return held

    def _piece(self, index: int, piece: ToolCallDelta) -> ToolCallDelta:
        if not piece.arguments:
            return piece
        held = self._arguments.get((index, piece.place))
        if held is None:
            held = self._arguments[index, piece.place] = HeldArguments(self._restorer)
        arguments = held.add(piece.arguments)
        return piece if arguments == piece.arguments else replace(piece, arguments=arguments)

    def _rest(self) -> Iterator[Delta]:
        for index, text in self._texts.items():
            if rest := text.finish():
                yield Delta(rest, index)
        for (index, place), arguments in self._arguments.items():
            if rest := arguments.finish():
                yield Delta("", index, (ToolCallDelta(place, arguments=rest),))


def _as_shown(choice: Choice, shown: Choice) -> Choice:
    return replace(choice, text=shown.text, tool_calls=shown.tool_calls)
