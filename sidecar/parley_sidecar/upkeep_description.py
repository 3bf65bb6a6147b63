"""The routes of `upkeep` in the app's OpenAPI document, which already has the converse routes; `app` adds them."""

from typing import Any, Final

import msgspec

from parley_crds.names import CACHE_PURGE, ROOM
from parley_sidecar.rooms import MAX_ID_CHARS
from parley_sidecar.wire import room

_PREFIX: Final = "Kept"
_REF: Final = "#/components/schemas/Kept{name}"
_FAILURES: Final = {
    "400": "There is no such component, it keeps nothing of the kind, or the path is not percent-encoded UTF-8",
    "401": "The API token is missing or wrong",
    "403": "A web page asks, or a host that is not allowed",
    "404": "There is no such chat room to read; with precise statuses also no such component",
    "500": "The store cannot be reached, or the room was sealed with another key: `reason` says which",
    "503": "There are no components yet; with precise statuses also no store that can be reached",
}
_DONE: Final = {"204": {"description": "Done"}}


def with_upkeep(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with the routes that read, erase and purge, and the schemas of a room."""
    (shown,), schemas = msgspec.json.schema_components((room.Room,), ref_template=_REF)
    read = {"200": {"description": "The room", "content": {"application/json": {"schema": shown}}}}
    paths = {
        ROOM: {
            "get": _route("Read a chat room", (_NAME, _ID), read),
            "delete": _route("Erase a chat room, whether or not there is one", (_NAME, _ID), _DONE),
        },
        CACHE_PURGE: {"post": _route("Forget a component's cached answers", (_NAME,), _DONE)},
    }
    components = document["components"]
    named = {f"{_PREFIX}{name}": {**schema, "title": f"{_PREFIX}{name}"} for name, schema in schemas.items()}
    merged = {**components, "schemas": {**components["schemas"], **named}}
    return {**document, "paths": {**document["paths"], **paths}, "components": merged}


def _route(summary: str, parameters: Any, good: dict[str, Any]) -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/ConverseError"}}}
    bad = {status: {"description": meaning, "content": error} for status, meaning in _FAILURES.items()}
    return {"summary": summary, "parameters": [*parameters], "responses": {**good, **bad}}


_NAME: Final = {
    "name": "name",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "minLength": 1},
    "description": "The component.",
}
_ID: Final = {
    "name": "id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_ID_CHARS},
    "description": "The chat room's id, percent-encoded, slashes too.",
}
