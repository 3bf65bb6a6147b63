"""JSON in and out of the converse doors, with msgspec: every way in which a body can be wrong becomes one error."""

from typing import Final, TypeVar

import msgspec

from parley_sidecar.errors import MalformedBody

T = TypeVar("T")

Text = str | msgspec.UnsetType
"""Text that is left out where it says nothing."""

EMPTY: Final = msgspec.Raw(b"{}")
"""An empty object, for fields that keep their JSON as it came."""
NULL: Final = msgspec.Raw(b"null")

MAX_DEPTH: Final = 100

_encoder = msgspec.json.Encoder()


def empty() -> msgspec.Raw:
    """Return an empty object; as a field's default, which msgspec's schema of a struct cannot show as a value."""
    return EMPTY


def decode(decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw) -> T:
    """Decode a body; an empty one is an empty object, as in Dapr.

    Raises:
        MalformedBody: when it is not JSON, not UTF-8, nested too deep, or not of the decoder's type.
    """
    try:
        return decoder.decode(body or EMPTY)
    except msgspec.DecodeError as error:
        raise MalformedBody(str(error)) from error
    except UnicodeDecodeError as error:
        raise MalformedBody("the body is not UTF-8") from error
    except RecursionError as error:
        raise MalformedBody("the body is nested too deep") from error


def check_depth(value: object, left: int = MAX_DEPTH) -> None:
    """Make sure that what the caller nested freely can be encoded again, from deeper in the stack than it was decoded.

    Raises:
        MalformedBody: when it is nested deeper than 100 levels.
    """
    if not left:
        raise MalformedBody(f"values may be nested {MAX_DEPTH} levels deep")
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return
    for inner in value:
        if isinstance(inner, dict | list):
            check_depth(inner, left - 1)


def encode(document: object) -> bytes:
    """Encode a document that was built here."""
    return _encoder.encode(document)
