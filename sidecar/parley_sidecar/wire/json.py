"""JSON in and out of the converse doors, with msgspec: every way in which a body can be wrong becomes one error."""

from typing import Final, TypeVar

import msgspec

from parley_sidecar.errors import MalformedBody

T = TypeVar("T")

EMPTY: Final = msgspec.Raw(b"{}")
"""An empty object, for fields that keep their JSON as it came."""
NULL: Final = msgspec.Raw(b"null")

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


def encode(document: object) -> bytes:
    """Encode a document that was built here."""
    return _encoder.encode(document)
