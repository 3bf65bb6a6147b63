"""Custom fields: plain in the early form, protobuf Any objects in Dapr's."""

import json
from typing import Any

import msgspec
import pytest

from parley_sidecar.errors import InvalidParameters, MalformedBody
from parley_sidecar.wire import parameters
from parley_sidecar.wire.json import EMPTY

PREFIX = "type.googleapis.com/google.protobuf."


def boxed(kind: str, value: object) -> msgspec.Raw:
    """Return a field with one Any object."""
    return msgspec.Raw(json.dumps({"field": {"@type": PREFIX + kind, "value": value}}).encode())


@pytest.mark.parametrize(
    ("kind", "value", "read"),
    [
        ("StringValue", "test-model", "test-model"),
        ("Int64Value", "100", 100),
        ("Int64Value", 100, 100),
        ("Int32Value", -5, -5),
        ("UInt64Value", str(2**64 - 1), 2**64 - 1),
        ("UInt32Value", 7, 7),
        ("DoubleValue", 0.5, 0.5),
        ("FloatValue", "0.5", 0.5),
        ("BoolValue", True, True),
        ("BytesValue", "aGk=", "aGk="),
        ("Struct", {"a": [1]}, {"a": [1]}),
        ("ListValue", [1, "two"], [1, "two"]),
        ("Value", None, None),
        ("Duration", "1.5s", "1.5s"),
        ("Timestamp", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
    ],
)
def test_an_any_object_holds_a_plain_value(kind: str, value: object, read: object) -> None:
    """Each well-known type is taken out of its box."""
    assert {"field": read} == parameters.unboxed(boxed(kind, value))


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b'{"field":"plain"}', "Expected `object`, got `str`"),
        (b'{"field":{"value":1}}', "missing required field `@type`"),
        (b'{"field":{"@type":"type.googleapis.com/google.protobuf.Int64Value"}}', "field is not a known"),
        (b'{"field":{"@type":"type.googleapis.com/google.protobuf.Method","value":1}}', "field is not a known"),
        (b'{"field":{"@type":"Int64Value","value":1}}', "field is not a known"),
        (boxed("Int32Value", 2**31), "field does not fit its type"),
        (boxed("UInt64Value", -1), "field does not fit its type"),
        (boxed("Int64Value", "many"), "field does not fit its type"),
        (boxed("Int64Value", True), "field does not fit its type"),
        (boxed("BoolValue", "true"), "field does not fit its type"),
        (boxed("DoubleValue", True), "field does not fit its type"),
        (boxed("Duration", "24h"), "field does not fit its type"),
        (boxed("Duration", 5), "field does not fit its type"),
    ],
)
def test_a_bad_any_object_is_malformed(raw: bytes, sentence: str) -> None:
    """A plain value, an unknown type and a value of another type are refused."""
    with pytest.raises(MalformedBody, match=sentence):
        parameters.unboxed(msgspec.Raw(raw))


@pytest.mark.parametrize("value", ["NaN", "Infinity"])
def test_a_parameter_is_finite(value: str) -> None:
    """A number that no provider's JSON can carry is refused, naming its field."""
    with pytest.raises(InvalidParameters, match="the parameter field must be a finite number"):
        parameters.unboxed(boxed("DoubleValue", value))


@pytest.mark.parametrize(
    ("raw", "fields"),
    [
        (b"{}", {}),
        (b'{ "a": 1, "b": {"c": null} }', {"a": 1, "b": {"c": None}}),
        (b'{"a":18446744073709551616}', {"a": 2**64}),
    ],
)
def test_the_early_form_takes_any_object(raw: bytes, fields: dict[str, Any]) -> None:
    """Plain values are taken as they are, large numbers too."""
    assert fields == parameters.plain(msgspec.Raw(raw))


def test_the_early_form_takes_nothing_but_objects() -> None:
    """A list is no set of fields."""
    with pytest.raises(MalformedBody):
        parameters.plain(msgspec.Raw(b"[1]"))


def test_null_is_unset() -> None:
    """A field that is null is empty, others stay as they came."""
    field = msgspec.Raw(b'{ "a":1}')

    assert (EMPTY, field) == (parameters.given(msgspec.Raw(b"null")), parameters.given(field))
