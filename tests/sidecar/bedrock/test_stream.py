"""ConverseStream's event stream: its frames in any pieces, its events, its exceptions and its end."""

from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley_sidecar.bedrock.stream import deltas
from parley_sidecar.drafts import Draft
from parley_sidecar.errors import ParleyError, ProviderGarbled, ProviderRefused, ProviderUnavailable, RateLimited
from parley_sidecar.model import Answer, Choice, Delta, ToolCall, ToolCallDelta, Usage
from tests.vendors.bedrock import events, frame, framed

USED = {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}
CALL = {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"city": "Bonn"}}}
BARE = {"toolUse": {"toolUseId": "t2", "name": "g", "input": {}}}
THOUGHT = {"reasoningContent": {"reasoningText": {"text": "hm"}}}
SENT = b"".join(events([THOUGHT, {"text": "look here"}, CALL, BARE], "tool_use", USED))
START = frame("messageStart", {"role": "assistant"})
TEXT = frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "hi"}})
STOP = frame("messageStop", {"stopReason": "end_turn"})


async def pieces(of: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Yield chunks as they would come."""
    for piece in of:
        yield piece


async def read(*chunks: bytes) -> tuple[list[Delta], Answer]:
    """Read a stream to its end."""
    draft = Draft(model="m-1")
    async with aclosing(deltas(pieces(chunks), draft)) as stream:
        told = [delta async for delta in stream]
    return told, draft.answer()


async def test_events_become_deltas_and_an_answer() -> None:
    """Text and calls in order, each call at its place, thoughts left aside; the rest is in the answer."""
    told, answer = await read(SENT)
    calls = (ToolCall("t1", "f", '{"city":"Bonn"}'), ToolCall("t2", "g", "{}"))

    assert Answer((Choice("look here", "tool_calls", "tool_use", calls),), Usage(5, 2), "m-1") == answer
    assert [Delta("look"), Delta(" here"), Delta(tool_calls=(ToolCallDelta(0, "t1", "f"),))] == told[:3]
    assert Delta(tool_calls=(ToolCallDelta(1, arguments="{}"),)) == told[-1]


@given(st.integers(1, 64))
async def test_the_pieces_may_be_of_any_size(size: int) -> None:
    """A frame's end and a chunk's end have nothing to do with each other."""
    chunks = [SENT[start : start + size] for start in range(0, len(SENT), size)]

    assert await read(SENT) == await read(*chunks)


async def test_events_that_nobody_knows_are_left_aside() -> None:
    """A later version of the API may have more."""
    told, _ = await read(START, frame("contentBlockSparkle", {"x": 1}), TEXT, STOP)

    assert [Delta("hi")] == told


async def test_a_piece_of_a_call_that_never_began_is_left_aside() -> None:
    """It cannot be said which one it is."""
    stray = frame("contentBlockDelta", {"contentBlockIndex": 4, "delta": {"toolUse": {"input": "{}"}}})
    told, _ = await read(stray, TEXT, STOP)

    assert [Delta("hi")] == told


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("throttlingException", RateLimited),
        ("modelStreamErrorException", ProviderUnavailable),
        ("internalServerException", ProviderUnavailable),
        ("serviceUnavailableException", ProviderUnavailable),
        ("validationException", ProviderRefused),
        ("neverHeardOfException", ProviderUnavailable),
    ],
)
async def test_an_exception_in_the_stream_is_what_it_says(name: str, kind: type[ParleyError]) -> None:
    """It ends the stream; its message stays where it is."""
    broken = frame(name, {"message": "secret words"}, "exception")

    with pytest.raises(kind) as raised:
        await read(START, TEXT, broken)
    assert "secret" not in raised.value.message


async def test_an_error_that_no_model_describes_is_a_fault_of_the_provider() -> None:
    """Its code stands in another header, or nowhere."""
    for broken in (frame("InternalFailure", {}, "error"), frame("x", {}, "nonsense")):
        with pytest.raises(ProviderUnavailable):
            await read(START, broken)


@pytest.mark.parametrize(
    "broken",
    [
        b"<html>nothing of the kind</html>",
        TEXT[:-1] + bytes([TEXT[-1] ^ 1]),
        b"\xff" * 64,
        frame("contentBlockDelta", {"delta": 1}),
        frame("messageStop", []),
        framed(b"\x01x\x0f", b"{}"),
        framed(b"\x01x\x07\x00", b"{}"),
    ],
    ids=["html", "checksum", "lengths", "form", "list", "header type", "header end"],
)
async def test_what_is_no_event_stream_is_garbled(broken: bytes) -> None:
    """A checksum that does not fit, lengths beyond reason, or events of another form."""
    with pytest.raises(ProviderGarbled):
        await read(START, broken)


@pytest.mark.parametrize("chunks", [(), (START,), (START, TEXT), (START, TEXT, STOP[:-5])])
async def test_a_stream_that_stops_early_is_cut_off(chunks: tuple[bytes, ...]) -> None:
    """Only messageStop says that the answer is whole."""
    with pytest.raises(ProviderUnavailable, match="cut off"):
        await read(*chunks)
