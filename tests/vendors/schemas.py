"""JSON that fits a schema: what a vendor answers where a response format or a tool's parameters ask for it."""

from collections.abc import Mapping
from typing import Any

JsonSchema = Mapping[str, Any]
NUMBER = 4
"""Every number that a schema allows to be it: the answer to "What is 2+2?"."""


def plausible(schema: JsonSchema, whole: JsonSchema | None = None) -> Any:
    """Return a value that fits `schema`; `whole` is the document that its references point into."""
    root = schema if whole is None else whole
    if "$ref" in schema:
        return plausible(_referenced(str(schema["$ref"]), root), root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return plausible(schema[word][0], root)
    if "allOf" in schema:
        return plausible({name: value for part in schema["allOf"] for name, value in part.items()}, root)
    return _of_kind(schema, root)


def _of_kind(schema: JsonSchema, root: JsonSchema) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    match kind[0] if isinstance(kind, list) else kind:
        case "object":
            return {name: plausible(part, root) for name, part in schema.get("properties", {}).items()}
        case "array":
            return [plausible(schema.get("items", {}), root)] * max(1, schema.get("minItems", 1))
        case "integer" | "number":
            return min(max(NUMBER, schema.get("minimum", NUMBER)), schema.get("maximum", NUMBER))
        case "boolean":
            return True
        case "null":
            return None
    return _text(schema)


def _text(schema: JsonSchema) -> str:
    formats = {"date": "2026-01-02", "date-time": "2026-01-02T03:04:05Z", "email": "a@example.com"}
    text = formats.get(str(schema.get("format")), "something plausible")
    return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength", len(text) + 999)]


def _referenced(path: str, root: JsonSchema) -> JsonSchema:
    found: Any = root
    for step in path.removeprefix("#/").split("/"):
        found = found[step] if step and step != "#" else found
    return dict(found)
