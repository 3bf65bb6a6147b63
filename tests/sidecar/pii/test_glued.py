"""Values with nothing between them, of which the detectors see one at a time."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley_sidecar.pii import replaced, spans, token
from parley_sidecar.pii.glued import glued
from parley_sidecar.pii.kinds import Span, merged

CORPUS = Path(__file__).parent / "corpus"
MAIL = "ann@example.com"
PROSE = " How do I keep the answers of a language model short and true?" * 30
LINES = [json.loads(line)["text"] for line in (CORPUS / "known.jsonl").read_text("utf-8").splitlines()]
TEXTS = st.lists(
    st.sampled_from(LINES) | st.sampled_from((PROSE, MAIL, f"PO Box 1234{MAIL}", "10.8.9.1_", "+14155552671x", " ")),
    min_size=4,
    max_size=24,
).map("\n".join)


@pytest.mark.parametrize(
    ("text", "found", "more"),
    [
        (f"PO Box 1234{MAIL}", [Span(0, 11, "PO_BOX")], [Span(11, 26, "EMAIL_ADDRESS")]),
        (f"{MAIL}_10.8.9.1 10.8.9.2", [Span(16, 24, "IP")], [Span(0, 15, "EMAIL_ADDRESS"), Span(25, 33, "IP")]),
        (f"PO Box 1234, {MAIL}", [Span(0, 11, "PO_BOX")], []),
        ("PO Box 1234x", [Span(0, 11, "PO_BOX")], []),
        (MAIL, [], []),
    ],
)
def test_what_shows_when_a_value_is_gone(text: str, found: list[Span], more: list[Span]) -> None:
    """In places of the text itself; where nothing touches a value nobody looks."""
    assert more == glued(text, found, spans)


def test_what_covers_a_value_and_more_is_one_span() -> None:
    """A find that begins or ends within a token takes the whole value in."""
    text = "key 10.8.9.1-tail end"

    more = glued(text, [Span(4, 12, "IP")], lambda seen: [Span(seen.index("IP"), seen.index(" end"), "SECRET")])

    assert [Span(4, 17, "SECRET")] == more


def test_a_long_text_is_read_only_where_something_is_left() -> None:
    """Around a value that letters touch, with the words that may say what they are; and that shows what is there."""
    text = f"{PROSE}PO Box 1234{MAIL} and{PROSE}"
    place = len(PROSE)
    looked_at: list[int] = []

    def look(part: str) -> list[Span]:
        looked_at.append(len(part))
        return spans(part)

    more = glued(text, [Span(place, place + 11, "PO_BOX")], look)

    assert [Span(place + 11, place + 26, "EMAIL_ADDRESS")] == more
    assert sum(looked_at) < len(text) / 4


@given(TEXTS)
def test_the_parts_show_what_the_whole_would(text: str) -> None:
    """Where it looks at all, nothing is found in all of the text that is not found around its values."""
    found = spans(text)
    looked_at: list[str] = []

    def look(part: str) -> list[Span]:
        looked_at.append(part)
        return spans(part)

    more = glued(text, found, look)

    if looked_at:
        hidden = replaced(text, found, token)
        assert replaced(hidden, spans(hidden), token) == replaced(text, merged([*found, *more]), token)
