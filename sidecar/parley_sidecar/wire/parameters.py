"""`parameters`: custom fields for the provider's body, plain in the early form, protobuf `Any` objects in Dapr's.

Source: protobuf's JSON mapping of Any and of the well-known types.
"""

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from parley_sidecar.errors import InvalidParameters, MalformedBody
from parley_sidecar.model import NO_PARAMETERS
from parley_sidecar.wire.json import EMPTY, NULL, decode
from parley_sidecar.wire.numbers import duration_s


class Box(msgspec.Struct):
    """An Any object: `@type` names what `value` holds."""

    type: str = msgspec.field(name="@type")
    value: Any = msgspec.UNSET


AnyObject = Annotated[
    msgspec.Raw,
    Meta(
        description="Custom fields for the provider: plain values in the early form, otherwise protobuf Any objects.",
        extra_json_schema={
            "type": ["object", "null"],
            "examples": [{"top_k": {"@type": "type.googleapis.com/google.protobuf.Int64Value", "value": "5"}}],
        },
    ),
]
"""The field as it came."""

_plain = msgspec.json.Decoder(dict[str, Any])
_boxed = msgspec.json.Decoder(dict[str, Box])

_PACKAGE: Final = "google.protobuf."


def given(raw: msgspec.Raw) -> msgspec.Raw:
    """Return the field as it came; null is unset, and unset is empty."""
    return EMPTY if raw == NULL else raw


def plain(raw: msgspec.Raw) -> Mapping[str, object]:
    """Read the early form: any JSON object."""
    if raw == EMPTY:
        return NO_PARAMETERS
    fields: dict[str, Any] = decode(_plain, raw)
    return fields


def unboxed(raw: msgspec.Raw) -> Mapping[str, object]:
    """Read Dapr's form: an object of Any objects, each of a well-known type.

    Raises:
        MalformedBody: when a value is not such an object, or does not fit its type.
        InvalidParameters: when a number is not finite, for no provider's JSON can carry it.
    """
    return NO_PARAMETERS if raw == EMPTY else {name: _unbox(name, box) for name, box in decode(_boxed, raw).items()}


def _unbox(name: str, box: Box) -> object:
    type_name = box.type.rpartition("/")[2]
    read = _READERS.get(type_name.removeprefix(_PACKAGE)) if type_name.startswith(_PACKAGE) else None
    if read is None or box.value is msgspec.UNSET:
        raise MalformedBody(f"the parameter {name} is not a known protobuf value")
    try:
        value = read(box.value)
    except (msgspec.ValidationError, MalformedBody, ValueError, OverflowError):
        raise MalformedBody(f"the parameter {name} does not fit its type") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidParameters(f"the parameter {name} must be a finite number")
    return value


def _strictly(kind: type) -> Callable[[Any], object]:
    return lambda value: msgspec.convert(value, kind)


def _integer(bits: int, *, signed: bool) -> Callable[[Any], object]:
    """Read a whole number of so many bits, also from text: protobuf writes 64-bit ones as text."""
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)

    def read(value: Any) -> int:
        number: int = msgspec.convert(value, int, strict=isinstance(value, bool))
        if not low <= number <= high:
            raise ValueError(number)
        return number

    return read


def _number(value: Any) -> float:
    return msgspec.convert(value, float, strict=isinstance(value, bool))


def _duration(value: Any) -> str:
    text: str = msgspec.convert(value, str)
    duration_s(text)
    return text


_READERS: Final[Mapping[str, Callable[[Any], object]]] = {
    "StringValue": _strictly(str),
    "BytesValue": _strictly(str),
    "BoolValue": _strictly(bool),
    "Int32Value": _integer(32, signed=True),
    "Int64Value": _integer(64, signed=True),
    "UInt32Value": _integer(32, signed=False),
    "UInt64Value": _integer(64, signed=False),
    "FloatValue": _number,
    "DoubleValue": _number,
    "Struct": _strictly(dict),
    "ListValue": _strictly(list),
    "Value": lambda value: value,
    "Duration": _duration,
    "Timestamp": _strictly(str),
}
