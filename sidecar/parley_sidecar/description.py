"""The converse routes in the app's OpenAPI document, from the structs that decode and encode them."""

from typing import Any, Final

import msgspec

from parley_crds.names import CONVERSE_ALPHA1, CONVERSE_ALPHA2
from parley_sidecar.wire import alpha1, alpha2, alpha2_reply
from parley_sidecar.wire import errors as wire_errors

_REF: Final = "#/components/schemas/{name}"


def with_converse(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with both converse routes and their schemas."""
    kinds = (alpha1.Body, alpha1.Reply, alpha2.Body, alpha2_reply.Reply, wire_errors.Body)
    references, schemas = msgspec.json.schema_components(kinds, ref_template=_REF)
    asked1, replied1, asked2, replied2, failed = references
    paths = {
        CONVERSE_ALPHA1: _route(
            "Ask a component, one prompt or several", asked1, {"200": replied1, "202": replied1}, failed
        ),
        CONVERSE_ALPHA2: _route("Ask a component", asked2, {"200": replied2}, failed),
    }
    components = document.get("components", {})
    merged = {**components, "schemas": {**components.get("schemas", {}), **schemas}}
    return {**document, "paths": {**document["paths"], **paths}, "components": merged}


def _route(summary: str, asked: Any, replied: dict[str, Any], failed: Any) -> dict[str, Any]:
    name = {
        "name": "name",
        "in": "path",
        "required": True,
        "schema": {"type": "string"},
        "description": "The component.",
    }
    good = {status: {"description": "The answer", "content": _json(schema)} for status, schema in replied.items()}
    bad = {
        status: {"description": "An error", "content": _json(failed)} for status in ("400", "401", "403", "500", "503")
    }
    body = {"required": True, "content": _json(asked)}
    return {"post": {"summary": summary, "parameters": [name], "requestBody": body, "responses": {**good, **bad}}}


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
