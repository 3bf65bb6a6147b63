"""OpenAI's endpoint in the app's OpenAPI document, from the structs that decode and encode it; `app` adds it."""

from typing import Any, Final

import msgspec

from parley_sidecar.openai_routes import COMPLETIONS, MODELS
from parley_sidecar.wire import openai_errors, openai_models, openai_reply, openai_request
from parley_sidecar.wire.openai_events import Chunk

_REF: Final = "#/components/schemas/OpenAI{name}"
_PREFIX: Final = "OpenAI"
_KINDS: Final = (
    openai_request.ChatRequest,
    openai_reply.Completion,
    openai_models.Models,
    openai_models.Model,
    openai_errors.ErrorReply,
    Chunk,
)
_FAILURES: Final = {
    "400": "The request means nothing",
    "401": "The API token is missing or wrong",
    "403": "A web page asks, or a host that is not allowed",
    "404": "There is no such component",
    "409": "The chat room is busy, or was erased meanwhile",
    "413": "The body is too large",
    "429": "Too many requests, for the provider or for the component",
    "500": "The provider refused or garbled it, or a fault of the sidecar",
    "503": "The provider cannot be reached, or the sidecar is not ready",
}
_EVENTS: Final = {
    "text/event-stream": {
        "schema": {  # without a type, as alpha2's
            "description": "With `stream`: each `data:` is an OpenAIChunk, or an OpenAIErrorReply where the answer "
            "broke off; the last is [DONE] where it did not.",
        }
    }
}


def with_openai(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with the routes below /v1/ and their schemas, whose names begin with OpenAI."""
    (asked, completion, models, model, failed, _), schemas = msgspec.json.schema_components(_KINDS, ref_template=_REF)
    paths = {
        COMPLETIONS.decode(): {
            "post": {
                "summary": "Ask a component by OpenAI's API",
                "requestBody": {"required": True, "content": _json(asked)},
                "responses": _responses("The answer", {**_json(completion), **_EVENTS}, failed, _FAILURES),
            }
        },
        MODELS.decode(): {
            "get": {
                "summary": "The components as OpenAI lists models",
                "responses": _responses("All components", _json(models), failed, ("401", "403", "503")),
            }
        },
        f"{MODELS.decode()}/{{model}}": {
            "get": {
                "summary": "One component as OpenAI describes a model",
                "parameters": [_MODEL],
                "responses": _responses("The component", _json(model), failed, ("401", "403", "404", "503")),
            }
        },
    }
    components = document.get("components", {})
    named = {f"{_PREFIX}{name}": schema for name, schema in schemas.items()}
    merged = {**components, "schemas": {**components.get("schemas", {}), **named}}
    return {**document, "paths": {**document["paths"], **paths}, "components": merged}


def _responses(meaning: str, content: dict[str, Any], failed: Any, statuses: Any) -> dict[str, Any]:
    bad = {status: {"description": _FAILURES[status], "content": _json(failed)} for status in statuses}
    return {"200": {"description": meaning, "content": content}, **bad}


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


_MODEL: Final = {
    "name": "model",
    "in": "path",
    "required": True,
    "schema": {"type": "string"},
    "description": "The component.",
}
