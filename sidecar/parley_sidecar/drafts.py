"""From a provider's events to a `Stream`: the deltas as they come, and the whole answer they add up to.

Every provider that streams yields deltas from an async generator and notes the rest in a `Draft`; `begun` makes a
`Stream` of the two, after the first delta was read, so that retry, breaker and fallback act before the first byte only.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field

from parley_sidecar.model import Answer, Choice, Delta, FinishReason, Stream, ToolCall, ToolCallDelta, Usage


@dataclass(slots=True)
class _CallDraft:
    """One tool call so far."""

    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)

    def add(self, piece: ToolCallDelta) -> None:
        self.id, self.name = self.id or piece.id, self.name or piece.name
        self.arguments.append(piece.arguments)

    def call(self) -> ToolCall:
        return ToolCall(self.id, self.name, "".join(self.arguments))


@dataclass(slots=True)
class _ChoiceDraft:
    """One choice so far."""

    text: list[str] = field(default_factory=list)
    calls: dict[int, _CallDraft] = field(default_factory=dict)
    reason: FinishReason = "unknown"
    raw_reason: str = ""

    def choice(self) -> Choice:
        calls = tuple(self.calls[place].call() for place in sorted(self.calls))
        return Choice("".join(self.text), self.reason, self.raw_reason, calls)


@dataclass(slots=True)
class Draft:
    """An answer that is still coming in. Usage and model are set by whoever reads them from the wire."""

    usage: Usage | None = None
    model: str | None = None
    _choices: dict[int, _ChoiceDraft] = field(default_factory=dict)

    def add(self, delta: Delta) -> Delta:
        """Take a piece in, and return it."""
        draft = self._of(delta.index)
        if delta.text:
            draft.text.append(delta.text)
        for piece in delta.tool_calls:
            draft.calls.setdefault(piece.place, _CallDraft()).add(piece)
        return delta

    def finish(self, reason: FinishReason, raw_reason: str, index: int = 0) -> None:
        """Note how a choice ended."""
        draft = self._of(index)
        draft.reason, draft.raw_reason = reason, raw_reason

    @property
    def is_finished(self) -> bool:
        """Whether every choice that began has said how it ended, and there is one."""
        return bool(self._choices) and all(draft.raw_reason for draft in self._choices.values())

    def answer(self) -> Answer:
        """Return the answer as it stands."""
        choices = tuple(self._choices[index].choice() for index in sorted(self._choices))
        return Answer(choices, self.usage, self.model)

    def _of(self, index: int) -> _ChoiceDraft:
        return self._choices.setdefault(index, _ChoiceDraft())


def replayed(answer: Answer) -> tuple[Delta, ...]:
    """Return a complete answer as deltas, one for each choice, for a caller who asked for a stream."""
    return tuple(_replayed(index, choice) for index, choice in enumerate(answer.choices))


def _replayed(index: int, choice: Choice) -> Delta:
    calls = enumerate(choice.tool_calls)
    pieces = tuple(ToolCallDelta(place, call.id, call.name, call.arguments) for place, call in calls)
    return Delta(choice.text, index, pieces)


async def begun(deltas: AsyncGenerator[Delta, None], draft: Draft) -> Stream:
    """Return the stream once its first delta is here; the generator is closed when that fails.

    Raises:
        ParleyError: what the generator raises before its first delta.
    """
    has_begun = False
    try:
        first = await anext(deltas, None)
        has_begun = True
    finally:
        if not has_begun:
            await deltas.aclose()
    return _Drafted(first, deltas, draft)


class _Drafted:
    """The stream of a draft."""

    def __init__(self, first: Delta | None, rest: AsyncGenerator[Delta, None], draft: Draft) -> None:
        self._first = first
        self._rest = rest
        self._draft = draft
        self._complete = first is None

    @property
    def answer(self) -> Answer:
        """The whole answer; raises RuntimeError before the last delta was read."""
        if not self._complete:
            raise RuntimeError("the stream was not read to its end")
        return self._draft.answer()

    async def __aiter__(self) -> AsyncIterator[Delta]:
        """Iterate the deltas."""
        if self._first is not None:
            yield self._first
        async for delta in self._rest:
            yield delta
        self._complete = True

    async def aclose(self) -> None:
        """End the generator, and with it the call to the provider."""
        await self._rest.aclose()
