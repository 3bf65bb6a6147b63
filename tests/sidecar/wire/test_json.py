"""Every way in which a body can be wrong becomes one error."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from parley_sidecar.errors import MalformedBody
from parley_sidecar.wire.json import decode, encode


class Shape(msgspec.Struct):
    """A body."""

    text: str = ""


DECODER = msgspec.json.Decoder(Shape)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "Input data was truncated"),
        (b"{} x", "JSON is malformed: trailing characters (byte 4)"),
        (b"[]", "Expected `object`, got `array`"),
        (b"null", "Expected `object`, got `null`"),
        (b'{"text":1}', "Expected `str`, got `int` - at `$.text`"),
        (b'{"text":"\xff"}', "the body is not UTF-8"),
        (b'{"other":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "the body is nested too deep"),
    ],
)
def test_a_bad_body_is_malformed(body: bytes, sentence: str) -> None:
    """A body that is no JSON, no UTF-8, too deep or of another shape is refused with a sentence without its content."""
    with pytest.raises(MalformedBody) as raised:
        decode(DECODER, body)

    assert sentence == raised.value.message


@given(some.binary(max_size=64))
def test_any_bytes_are_decoded_or_malformed(body: bytes) -> None:
    """No bytes cause any other error."""
    try:
        decoded = decode(DECODER, body)
    except MalformedBody:
        return

    assert isinstance(decoded, Shape)


def test_an_empty_body_is_an_empty_object() -> None:
    """Nothing at all means nothing set, as in Dapr."""
    assert Shape() == decode(DECODER, b"")


def test_unknown_fields_are_dropped() -> None:
    """A field that is not known is no fault, as in Dapr."""
    assert Shape("hi") == decode(DECODER, b'{"text":"hi","type":"function"}')


def test_encoding_is_json() -> None:
    """A document becomes compact JSON."""
    assert b'{"text":"hi"}' == encode(Shape("hi"))
