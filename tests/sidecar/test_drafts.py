"""Answers that come in pieces."""

from collections.abc import AsyncGenerator

import pytest

from parley_sidecar.drafts import Draft, begun, replayed
from parley_sidecar.errors import ProviderUnavailable
from parley_sidecar.model import Answer, Choice, Delta, ToolCall, ToolCallDelta, Usage

CALLING = (
    Delta("let me "),
    Delta("see"),
    Delta(tool_calls=(ToolCallDelta(0, "id-0", "weather", '{"city":'),)),
    Delta(tool_calls=(ToolCallDelta(1, "id-1", "time"), ToolCallDelta(0, arguments='"Oslo"}'))),
    Delta("other", index=1),
)
CALLED = Answer(
    (
        Choice(
            "let me see",
            "tool_calls",
            "tool_use",
            (ToolCall("id-0", "weather", '{"city":"Oslo"}'), ToolCall("id-1", "time")),
        ),
        Choice("other", "stop", "stop"),
    ),
    Usage(3, 4),
    "m-1",
)


async def calling(draft: Draft, closed: list[bool]) -> AsyncGenerator[Delta, None]:
    """Yield the deltas, and note the rest in the draft."""
    try:
        for delta in CALLING:
            yield draft.add(delta)
        draft.finish("tool_calls", "tool_use")
        draft.finish("stop", "stop", 1)
        draft.usage, draft.model = Usage(3, 4), "m-1"
    finally:
        closed.append(True)


async def test_deltas_add_up_to_the_answer() -> None:
    """Text and tool calls are joined by choice and place, however they are mixed."""
    draft, closed = Draft(), list[bool]()
    stream = await begun(calling(draft, closed), draft)
    before = draft.is_finished
    read = [delta async for delta in stream]

    assert (list(CALLING), CALLED) == (read, stream.answer)
    assert (False, True, [True]) == (before, draft.is_finished, closed)


async def test_an_answer_is_known_at_the_end_only() -> None:
    """Half an answer is none; closing early ends the generator, twice does no harm."""
    draft, closed = Draft(), list[bool]()
    stream = await begun(calling(draft, closed), draft)

    with pytest.raises(RuntimeError, match="not read to its end"):
        _ = stream.answer
    await stream.aclose()
    await stream.aclose()
    assert [True] == closed


async def test_what_fails_before_its_first_delta_is_no_stream() -> None:
    """So that a retry can act, the first delta is read before a stream is handed out."""

    async def broken() -> AsyncGenerator[Delta, None]:
        for fault in (ProviderUnavailable("gone"),):
            raise fault
        yield Delta("never")

    with pytest.raises(ProviderUnavailable, match="gone"):
        await begun(broken(), Draft())


async def test_an_empty_stream_is_an_empty_answer() -> None:
    """A provider that ends at once has said nothing."""

    async def silent() -> AsyncGenerator[Delta, None]:
        for delta in tuple[Delta, ...]():
            yield delta

    stream = await begun(silent(), Draft())

    assert (Answer(()), []) == (stream.answer, [delta async for delta in stream])


def test_a_whole_answer_is_replayed_as_a_delta_for_each_choice() -> None:
    """For callers who asked for a stream and get an answer that is there already."""
    draft = Draft()
    for delta in replayed(CALLED):
        draft.add(delta)

    assert (2, [choice.tool_calls for choice in CALLED.choices]) == (
        len(replayed(CALLED)),
        [choice.tool_calls for choice in draft.answer().choices],
    )
