"""A text that was looked at lately is not looked at again; what is kept of it is bounded, and no text."""

from parley_sidecar.pii import spans
from parley_sidecar.pii.kinds import Span
from parley_sidecar.pii.seen import MAX_SPANS, MAX_TEXTS, Seen

MAIL = "Please write to ann.lee@example.com, or call +1 415 555 0132; the office opens at nine in the morning."


def test_it_finds_the_same_again() -> None:
    """The second look says what the first one said."""
    assert ["EMAIL_ADDRESS", "PHONE_NUMBER"] == [span.kind for span in spans(MAIL)]
    assert spans(MAIL) == spans(MAIL)


def test_what_a_caller_does_with_the_spans_changes_nothing() -> None:
    """Each look has a list of its own."""
    spans(MAIL).clear()

    assert 2 == len(spans(MAIL))


def test_it_knows_what_it_keeps() -> None:
    """A text is known by a hash that another process does not make."""
    seen, other = Seen(), Seen()
    found = (Span(0, 1, "IP"),)
    seen.keep(seen.digest(MAIL), found)

    assert found == seen.get(seen.digest(MAIL))
    assert None is seen.get(seen.digest(MAIL.lower()))
    assert seen.digest(MAIL) != other.digest(MAIL)


def test_half_a_character_is_a_text_too() -> None:
    """JSON may hold a surrogate without its other half."""
    assert 16 == len(Seen().digest("\ud800"))


def test_what_was_not_asked_for_the_longest_makes_room() -> None:
    """The number of texts is bounded."""
    seen = Seen()
    for number in range(MAX_TEXTS):
        seen.keep(b"%d" % number, ())
    seen.get(b"0")
    seen.keep(b"another", ())

    assert None is seen.get(b"1")
    assert () == seen.get(b"0") == seen.get(b"another")


def test_the_number_of_spans_is_bounded() -> None:
    """Texts that are full of values make room sooner."""
    seen = Seen()
    half = tuple(Span(place, place + 1, "IP") for place in range(MAX_SPANS // 2))
    for name in (b"first", b"second", b"second", b"third"):
        seen.keep(name, half)

    assert [None, half, half] == [seen.get(name) for name in (b"first", b"second", b"third")]
