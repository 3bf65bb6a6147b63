"""Replies as frames, whatever a door's events look like."""

from collections.abc import AsyncGenerator

import pytest

from parley_sidecar.drafts import Draft, begun
from parley_sidecar.errors import ParleyError, ProviderUnavailable
from parley_sidecar.model import Answer, Choice, Delta, Stream
from parley_sidecar.streaming import accepts_events, frames


class Plain:
    """A door whose events are words."""

    def delta(self, delta: Delta) -> bytes:
        """Render a piece."""
        return f"[{delta.text}]".encode()

    def complete(self, answer: Answer) -> bytes:
        """Render the end."""
        return f"[end {len(answer.choices)}]".encode()

    def error(self, error: ParleyError) -> bytes:
        """Render an error."""
        return f"[{error.face.reason}]".encode()


async def stream_of(*said: str | Exception, closed: list[bool]) -> Stream:
    """Return a stream that says this, and raises what is an error."""
    draft = Draft()

    async def deltas() -> AsyncGenerator[Delta, None]:
        try:
            for word in said:
                if isinstance(word, Exception):
                    raise word
                yield draft.add(Delta(word))
        finally:
            closed.append(True)

    return await begun(deltas(), draft)


async def test_a_stream_ends_in_its_end() -> None:
    """Each delta is a frame, then comes what the deltas did not say; the stream is closed."""
    closed: list[bool] = []
    stream = await stream_of("a", "b", closed=closed)

    assert [b"[a]", b"[b]", b"[end 1]"] == [frame async for frame in frames(stream, Plain())]
    assert [True] == closed


async def test_a_whole_answer_is_a_stream_of_one_delta() -> None:
    """A provider that cannot stream, and the cache, answer whole."""
    answer = Answer((Choice("all"),))

    assert [b"[all]", b"[end 1]"] == [frame async for frame in frames(answer, Plain())]


@pytest.mark.parametrize(
    ("fault", "reason"), [(ProviderUnavailable("gone"), b"[unavailable]"), (KeyError("a prompt"), b"[internal]")]
)
async def test_a_fault_on_the_way_is_a_frame(fault: Exception, reason: bytes) -> None:
    """Also one that nobody foresaw: a caller never meets a silent cut."""
    closed: list[bool] = []
    stream = await stream_of("a", fault, closed=closed)

    assert [b"[a]", reason] == [frame async for frame in frames(stream, Plain())]
    assert [True] == closed


async def test_frames_that_nobody_reads_on_close_the_stream() -> None:
    """Whoever stops reading ends the call to the provider."""
    closed: list[bool] = []
    reading = frames(await stream_of("a", "b", closed=closed), Plain())
    first = await anext(reading)
    await reading.aclose()

    assert (b"[a]", [True]) == (first, closed)


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (None, False),
        (b"*/*", False),
        (b"application/json", False),
        (b"text/event-stream", True),
        (b"application/json, Text/Event-Stream;q=0.9", True),
    ],
)
def test_events_are_asked_for_by_name(accept: bytes | None, *, wanted: bool) -> None:
    """A client that takes anything gets JSON."""
    assert wanted == accepts_events(accept)
