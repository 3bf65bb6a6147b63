"""A tool call's arguments: personal data goes, JSON stays JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley_crds.resource import Privacy
from parley_sidecar.http_client import HttpClient
from parley_sidecar.pii.answering import Masking
from parley_sidecar.pii.arguments import in_json
from parley_sidecar.pii.finder import Finder

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def masked(raw: str) -> str:
    """Return arguments without personal data."""
    return in_json(raw, Masking(Finder.of(Privacy(), HttpClient())).rewrite)


@pytest.mark.parametrize(
    ("raw", "scrubbed"),
    [
        ('{"to": "ann@example.com"}', '{"to": "<EMAIL_ADDRESS>"}'),
        ('["10.8.9.1", "fine"]', '["<IP>", "fine"]'),
        ('{"ssn": "123456789"}', '{"ssn": "<US_SSN>"}'),
        ('{"phoneNumber": 4155552671, "n": 4155552671}', '{"phoneNumber": "<PHONE_NUMBER>", "n": 4155552671}'),
        ('{"ann@example.com": 1}', '{"<EMAIL_ADDRESS>": 1}'),
        ('{"a": {"phones": ["4155552671"]}}', '{"a": {"phones": ["<PHONE_NUMBER>"]}}'),
        ('{"note": "say \\"hi\\"\\nto ann\\u0040example.com"}', '{"note": "say \\"hi\\"\\nto <EMAIL_ADDRESS>"}'),
    ],
)
def test_values_inside_are_replaced(raw: str, scrubbed: str) -> None:
    """A key counts as the words before its value; a number that is somebody's becomes a string."""
    assert scrubbed == masked(raw)


@pytest.mark.parametrize("raw", ['{"to": "ann@example.com', "to ann@example.com", "[" * 3000 + "ann@example.com"])
def test_what_is_no_json_is_text(raw: str) -> None:
    """A model's broken arguments are scrubbed as any text."""
    assert raw.replace("ann@example.com", "<EMAIL_ADDRESS>") == masked(raw)


def test_harmless_arguments_stay_to_the_byte() -> None:
    """Spaces, forms of numbers and escapes are the model's."""
    raw = '{"a" : 1.50,\n "b":"caf\\u00e9", "c":[true,null,1e5,-0.0], "":""}'

    assert raw == masked(raw)


@given(JSON)
def test_json_stays_json(value: object) -> None:
    """Whatever is in it."""
    json.loads(masked(json.dumps(value)))


def test_half_a_character_is_none() -> None:
    """A string with a lone surrogate stays as it was written, unless something in it is hidden."""
    assert '["\\ud800", "\ufffd <EMAIL_ADDRESS>"]' == masked('["\\ud800", "\\ud800 ann@example.com"]')
