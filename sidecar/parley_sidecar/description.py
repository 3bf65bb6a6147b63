"""Dapr's converse routes in the app's OpenAPI document, from the structs that decode and encode them.

`app` adds it to FastAPI's. What a schema cannot say is left to docs/dapr.md.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, get_args

import msgspec

from parley_crds.names import CONVERSE_ALPHA1, CONVERSE_ALPHA2
from parley_sidecar.errors import ParleyError, Reason
from parley_sidecar.wire import alpha1, alpha2, alpha2_events, alpha2_reply
from parley_sidecar.wire import errors as wire_errors

_REF: Final = "#/components/schemas/{prefix}{{name}}"
_FAILURES: Final = {
    "400": "The request means nothing, or names no component; also where a name cannot be decoded",
    "401": "The API token is missing or wrong",
    "403": "A web page asks, or a host that is not allowed",
    "500": "The provider failed, or there is a fault of the sidecar: `reason` says which",
    "503": "There are no components yet, or the sidecar is stopping",
}
_PRECISE: Final = {
    "404": "There is no such component, with precise statuses; otherwise no such path",
    "409": "The chat room is busy, or was erased meanwhile, with precise statuses",
    "413": "The body is too large, with precise statuses",
    "429": "Too many requests, for the provider or for the component, with precise statuses",
    "502": "The provider cannot be reached, or refused, with precise statuses",
    "504": "No answer in time, with precise statuses",
}
_TEXT: Final = {"text/plain": {"schema": {"type": "string"}}}
_EVENTS: Final = {
    "text/event-stream": {
        "schema": {  # without a type: readers of the document take it for the whole text, or for each event
            "description": "With `Accept: text/event-stream`. Events: `delta`, whose data is an Alpha2DeltaEvent; then "
            "one `complete`, an Alpha2Reply with empty messages, or one `error`, a ConverseError.",
        }
    }
}


def with_converse(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with both converse routes and their schemas, whose names begin with their version."""
    (asked1, replied, early), schemas1 = _schemas("Alpha1", alpha1.Body, alpha1.Reply, alpha1.EarlyReply)
    (asked2, complete, _), schemas2 = _schemas("Alpha2", alpha2.Body, alpha2_reply.Reply, alpha2_events.DeltaEvent)
    errors = {"ConverseError": _error_schema()}
    first = {"200": ("The answer to inputs that are objects", _json(replied))}
    first["202"] = ("The answers to inputs that are plain texts, in their order", _json(early))
    paths = {
        CONVERSE_ALPHA1: _route("Ask a component, one prompt or several", asked1, first),
        CONVERSE_ALPHA2: _route(
            "Ask a component", asked2, {"200": ("The answer, whole or in pieces", {**_json(complete), **_EVENTS})}
        ),
    }
    components = document.get("components", {})
    merged = {**components, "schemas": {**components.get("schemas", {}), **schemas1, **schemas2, **errors}}
    return {**document, "paths": {**document["paths"], **paths}, "components": merged}


def conditions(kind: type[ParleyError] = ParleyError) -> Iterator[type[ParleyError]]:
    """Yield every error with a face of its own, in the order of the tree."""
    for narrower in kind.__subclasses__():
        if "face" in vars(narrower):
            yield narrower
        yield from conditions(narrower)


def _schemas(prefix: str, *kinds: type) -> tuple[Sequence[Any], dict[str, Any]]:
    references, schemas = msgspec.json.schema_components(kinds, ref_template=_REF.format(prefix=prefix))
    named = {f"{prefix}{name}": {**schema, "title": f"{prefix}{name}"} for name, schema in schemas.items()}
    body = f"{prefix}Body"
    return references, {**named, body: _with_inputs(named[body])}


def _with_inputs(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a body's schema with its inputs required: without them a request is decoded, and then refused."""
    given, _ = schema["properties"]["inputs"]["anyOf"]
    return {**schema, "properties": {**schema["properties"], "inputs": given}, "required": ["inputs"]}


def _error_schema() -> dict[str, Any]:
    schema: dict[str, Any] = msgspec.json.schema(wire_errors.Body)["$defs"]["Body"]
    codes = sorted({kind.face.code for kind in conditions()})
    properties = {
        **schema["properties"],
        "errorCode": {"type": "string", "enum": codes},
        "reason": {"type": "string", "enum": sorted(get_args(Reason))},
    }
    return {**schema, "title": "ConverseError", "properties": properties}


def _route(summary: str, asked: Any, replied: dict[str, tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    error = {"schema": {"$ref": "#/components/schemas/ConverseError"}}
    good = {
        status: {"description": meaning, "content": content, "headers": _HEADERS}
        for status, (meaning, content) in replied.items()
    }
    bad = {
        status: {"description": meaning, "content": {"application/json": error}, "headers": _ERROR_HEADERS}
        for status, meaning in sorted({**_FAILURES, **_PRECISE}.items())
    }
    bad["400"] = {**bad["400"], "content": {"application/json": error, **_TEXT}}
    body = {"required": True, "content": _json(asked)}
    return {"post": {"summary": summary, "parameters": _PARAMETERS, "requestBody": body, "responses": {**good, **bad}}}


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _header(meaning: str) -> dict[str, Any]:
    return {"description": meaning, "schema": {"type": "string"}}


_HEADERS: Final = {
    "X-Request-Id": _header("The caller's, or a new one"),
    "Cache-Status": _header("What the cache did, where the component has one (RFC 9211)"),
    "X-Parley-Overhead-Ms": _header(
        "Milliseconds that were not the provider's; neither of several inputs nor of events"
    ),
}
_ERROR_HEADERS: Final = {
    "X-Request-Id": _header("The caller's, or a new one; not on 401 and 403"),
    "Retry-After": _header("Seconds to wait, where that is known"),
}
_PARAMETERS: Final = [
    {
        "name": "name",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "minLength": 1},
        "description": "The component.",
    },
    {
        "name": "X-Request-Id",
        "in": "header",
        "required": False,
        "schema": {"type": "string"},
        "description": "An id for logs, of up to 128 letters, digits and . _ : -; another is replaced.",
    },
    {
        "name": "Cache-Control",
        "in": "header",
        "required": False,
        "schema": {"type": "string"},
        "description": "no-cache, no-store or max-age (RFC 9111), for this request.",
    },
]
