"""Texts inside a JSON schema: what a reader sees is rewritten, what gives the schema its form stays. Used by `reach`.

Names of properties, references to parts of the schema and words such as `type` stay, so that it stays valid.
Source: JSON Schema 2020-12, core and validation; Gemini's `propertyOrdering`; OpenAPI's `discriminator`.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from parley_sidecar.pii.arguments import Rewrite

_FORM: Final = frozenset(
    {
        "type", "format", "required", "dependentRequired", "propertyOrdering", "discriminator", "$ref", "$id",
        "$schema", "$anchor", "$dynamicRef", "$dynamicAnchor", "$vocabulary", "contentEncoding", "contentMediaType",
    }
)  # fmt: skip
"""Words whose values are not told to anybody: they say what is allowed, or name parts of the schema."""
_NAMED: Final = frozenset(
    {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"}
)
"""Words whose values are schemas by name."""
_VALUES: Final = frozenset({"default", "const", "enum", "example", "examples"})
"""Words whose values are of the kind that the schema describes."""


def in_schema(schema: Mapping[str, object], rewrite: Rewrite, name: str = "") -> dict[str, object]:
    """Return a schema with its texts rewritten; `name` is that of the property it describes."""
    return {word: _of_word(word, value, rewrite, name) for word, value in schema.items()}


def in_value(value: object, rewrite: Rewrite, name: str = "") -> object:
    """Return any JSON value with its strings rewritten; keys stay, and count as the words before their values."""
    if isinstance(value, str):
        return rewrite(value, name)
    if isinstance(value, Mapping):
        return {key: in_value(held, rewrite, key) for key, held in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [in_value(held, rewrite, name) for held in value]
    return value


def _of_word(word: str, value: object, rewrite: Rewrite, name: str) -> object:
    if word in _FORM:
        return value
    if word in _NAMED and isinstance(value, Mapping):
        return {key: _part(held, rewrite, key) for key, held in value.items()}
    if word == "enum" and isinstance(value, Sequence):
        return _once(in_value(value, rewrite, name))
    if word in _VALUES:
        return in_value(value, rewrite, name)
    return rewrite(value, "") if isinstance(value, str) else _part(value, rewrite, name)


def _part(value: object, rewrite: Rewrite, name: str) -> object:
    """Return a schema, or several of them; a list of names beside them stays."""
    if isinstance(value, Mapping):
        return in_schema(value, rewrite, name)
    if isinstance(value, list | tuple):
        return [_part(held, rewrite, name) for held in value]
    return value


def _once(choices: object) -> object:
    """Return the choices of an enum without texts that have become the same: vendors refuse those."""
    if not isinstance(choices, list):
        return choices
    seen: set[str] = set()
    kept: list[object] = []
    for choice in choices:
        if isinstance(choice, str):
            if choice in seen:
                continue
            seen.add(choice)
        kept.append(choice)
    return kept
