"""The splitter of server-sent events: the standard's rules, in pieces of any size, within its bounds."""

from collections.abc import AsyncIterator, Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley_sidecar.errors import ProviderGarbled
from parley_sidecar.sse import MAX_LINE_BYTES, Event, Splitter, events


def split(*chunks: bytes) -> list[Event]:
    """Return the events of some chunks."""
    splitter = Splitter()
    return [event for chunk in chunks for event in splitter.feed(chunk)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"data: a\n\n", [Event("message", b"a")]),
        (b"data:a\r\n\r\n", [Event("message", b"a")]),
        (b"data:  a\r\r", [Event("message", b" a")]),
        (b"data: a\ndata: b\n\n", [Event("message", b"a\nb")]),
        (b"event: error\ndata: {}\n\ndata: b\n\n", [Event("error", b"{}"), Event("message", b"b")]),
        (b": comment\n\n:\n\n", []),
        (b"event: ping\n\ndata: a\n\n", [Event("message", b"a")]),
        (b"id: 1\nretry: 5\nstrange: x\ndata: a\n\n", [Event("message", b"a")]),
        (b"data\n\n", [Event("message", b"")]),
        (b"\xef\xbb\xbfdata: a\n\n", [Event("message", b"a")]),
        (b"event: \xff\ndata: a\n\n", [Event("\ufffd", b"a")]),
        (b"data: a\n", []),
        (b"data: a", []),
        (b"", []),
    ],
)
def test_events_are_read_as_the_standard_says(text: bytes, expected: list[Event]) -> None:
    """Line ends of three kinds, comments, names, several lines of data; an event without its empty line is none."""
    assert expected == split(text)


LINES = st.lists(
    st.sampled_from([b"data: x", b"data", b"event: e", b": c", b"", b"", b"id: 1", b"data: \xc3\xa9"]), max_size=20
)


@given(LINES, st.sampled_from([b"\n", b"\r\n", b"\r"]), st.lists(st.integers(0, 200), max_size=10))
def test_where_it_is_cut_does_not_matter(lines: list[bytes], end: bytes, cuts: list[int]) -> None:
    """The same bytes are the same events in pieces of any size, down to one byte."""
    whole = end.join(lines) + end + b"data: last" + end + end
    places = sorted({min(cut, len(whole)) for cut in cuts} | {0, len(whole)})
    pieces = [whole[a:b] for a, b in pairwise(places)]

    assert split(whole) == split(*pieces)
    assert split(whole) == split(*(bytes([byte]) for byte in whole))


@pytest.mark.parametrize("chunk", [b"x" * 100_000, b"data: " + b"x" * 100_000 + b"\n"])
def test_what_is_too_long_is_garbled(chunk: bytes) -> None:
    """Neither one endless line nor one endless event is held."""
    with pytest.raises(ProviderGarbled, match="too long"):
        split(*[chunk] * (MAX_LINE_BYTES // len(chunk) + 2))


def test_a_long_line_within_the_bound_is_read() -> None:
    """A whole image in one event is no fault."""
    data = b"x" * (MAX_LINE_BYTES - 100)

    assert [Event("message", data)] == split(b"data: " + data[:99], data[99:], b"\n\n")


async def test_events_are_iterated_as_they_come() -> None:
    """Several of one piece, and one of several pieces; what stands behind the last one is left."""
    pieces = [b"data: a\n\ndata: b\n\nda", b"ta: c\n", b"\n", b"data: d"]

    assert [b"a", b"b", b"c"] == [event.data async for event in events(each(pieces))]


async def each(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Iterate pieces as a body would."""
    for piece in pieces:
        yield piece


def test_an_events_data_is_not_printed() -> None:
    """It may be an answer."""
    assert "secret" not in repr(Event("message", b"secret"))
