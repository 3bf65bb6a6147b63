"""The view of a text: what is plain to a reader is plain to the detectors, and places lead back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley_sidecar.pii import spans
from parley_sidecar.pii.kinds import Span
from parley_sidecar.pii.view import view


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain", "plain"),
        ("a&#64;b&commat;c&#x40;d", "a@b@c@d"),
        ("a%40b%2Fc%zz", "a@b/c%zz"),
        ('tab\\tquote\\"at\\u0040\\x40', 'tab\nquote"at@@'.replace("\n", "\t")),
        ("\\\\nann", "\nann"),
        ("\uff11\uff12\uff13 \uff21\uff22", "123 AB"),
        ("٠١٢ ۰۱۲ ०१२", "012 012 012"),
        ("1\u200b2\u00ad3\ufe0f", "123"),
        ("a\u2013b\u00a0c\u3000d", "a-b c d"),
        ("&#xD800;&#x110000;", "\ufffd&#x110000;"),
        ("&notanentity; 100%", "&notanentity; 100%"),
        ("naïve café", "naïve café"),
    ],
)
def test_what_is_seen(text: str, seen: str) -> None:
    """Escapes, foreign digits, odd spaces and dashes, and what cannot be seen at all."""
    assert seen == view(text).text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("mail ann&#64;example.com now", "ann&#64;example.com"),
        ("mail ann%40example.com now", "ann%40example.com"),
        ("my phone is +\u200b3\u200b3 4 22 84 60 03.", "+\u200b3\u200b3 4 22 84 60 03"),
        (
            "card \uff14\uff11\uff11\uff11 \uff11\uff11\uff11\uff11 \uff11\uff11\uff11\uff11 \uff11\uff11\uff11\uff11",
            "\uff14\uff11\uff11\uff11 \uff11\uff11\uff11\uff11 \uff11\uff11\uff11\uff11 \uff11\uff11\uff11\uff11",
        ),
        ("\\nann@example.com", "ann@example.com"),
        ("İİİİ ann@example.com", "ann@example.com"),
    ],
)
def test_places_lead_back(text: str, value: str) -> None:
    """A value is found where it stands in the original, escapes included."""
    assert [value] == [text[span.start : span.end] for span in spans(text)]


def test_names_in_camel_case_are_several_words() -> None:
    """Parts of a name count as words."""
    assert view("userPhoneNumber HTTPServer").words >= {"user", "phone", "number"}


@given(st.text(max_size=60))
def test_the_lower_case_is_as_long(text: str) -> None:
    """Places in one are places in the other, whatever the script."""
    seen = view(text)

    assert len(seen.text) == len(seen.lower)


@given(st.text(alphabet="a&#64;%0\\nu\u200b\uff11", max_size=40))
def test_every_place_lies_in_the_original(text: str) -> None:
    """Each character of the view comes from somewhere, in order."""
    seen = view(text)
    places = seen.original(Span(index, index + 1, "IP") for index in range(len(seen.text)))
    edges = [place.start for place in places]

    assert edges == sorted(edges)
    assert all(0 <= place.start < place.end <= len(text) for place in places)
