"""Values with nothing between them, of which the detectors see one at a time."""

import pytest

from parley_sidecar.pii import spans
from parley_sidecar.pii.glued import glued
from parley_sidecar.pii.kinds import Span

MAIL = "ann@example.com"


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
