"""Texts inside a JSON schema: which are rewritten, and which are its form."""

from typing import Any

import pytest

from parley_sidecar.pii.schemas import in_schema, in_value


def told(text: str, name: str) -> str:
    """Return a text with the name that stands before it."""
    return f"{name}|{text}"


@pytest.mark.parametrize(
    ("schema", "rewritten"),
    [
        ({"type": "string", "format": "email", "title": "a"}, {"type": "string", "format": "email", "title": "|a"}),
        ({"properties": {"title": {"default": "a"}}}, {"properties": {"title": {"default": "title|a"}}}),
        ({"properties": {"a": True}, "required": ["a"]}, {"properties": {"a": True}, "required": ["a"]}),
        ({"items": [{"const": "a"}, False]}, {"items": [{"const": "|a"}, False]}),
        ({"anyOf": ({"enum": ["a", "a", 1]},)}, {"anyOf": [{"enum": ["|a", 1]}]}),
        ({"examples": [{"k": "a", "n": [None, 1, "b"]}]}, {"examples": [{"k": "k|a", "n": [None, 1, "n|b"]}]}),
        ({"$defs": {"x": {"$ref": "#/a", "$comment": "a"}}}, {"$defs": {"x": {"$ref": "#/a", "$comment": "|a"}}}),
        ({"dependencies": {"a": ["b"]}}, {"dependencies": {"a": ["b"]}}),
        ({"dependencies": {"c": {"not": {"const": "d"}}}}, {"dependencies": {"c": {"not": {"const": "c|d"}}}}),
        ({"pattern": "^a$", "x-note": "b", "properties": "c"}, {"pattern": "|^a$", "x-note": "|b", "properties": "|c"}),
        ({"enum": "a", "default": {"type": "b"}}, {"enum": "|a", "default": {"type": "type|b"}}),
    ],
)  # fmt: skip
def test_texts_are_rewritten_and_the_form_stays(schema: dict[str, Any], rewritten: dict[str, Any]) -> None:
    """Values that a property may have count as standing under its name; a broken schema is read as far as it goes."""
    assert rewritten == in_schema(schema, told)


def test_values_keep_their_keys_and_numbers() -> None:
    """Of any JSON value only the strings change."""
    value = {"a": ["b", {"c": "d"}], "e": 1, "f": None, "g": b"raw"}

    assert {"a": ["a|b", {"c": "c|d"}], "e": 1, "f": None, "g": b"raw"} == in_value(value, told)
