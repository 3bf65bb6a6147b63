"""The API's app: the door, the way to the converse routes, and Dapr's health and metadata endpoints.

`serve` runs it on loopback. The converse routes are reached before FastAPI's own layers, whose cost would be a third of
a pass-through request; everything else is FastAPI's.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from parley_crds import __version__
from parley_sidecar.connection import read_body, respond
from parley_sidecar.description import with_converse
from parley_sidecar.door import Door, normal
from parley_sidecar.errors import OutboundNotReady, ParleyError, PathNotFound, WrongApplication
from parley_sidecar.metadata import Metadata
from parley_sidecar.metrics import Metrics
from parley_sidecar.model import Api
from parley_sidecar.openai_description import with_openai
from parley_sidecar.openai_routes import PREFIX, OpenAIRoutes, refuse
from parley_sidecar.registry import Registry
from parley_sidecar.routes import ConverseRoutes
from parley_sidecar.upkeep import add_upkeep
from parley_sidecar.upkeep_description import with_upkeep
from parley_sidecar.wire import errors as wire_errors

_CONVERSE: Final = re.compile(rb"/v1\.0-(alpha[12])/conversation/([^/]+)/converse")
_APIS: Final[dict[bytes, Api]] = {b"alpha1": "alpha1", b"alpha2": "alpha2"}
_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_TEXT: Final = ((b"content-type", b"text/plain; charset=utf-8"),)


class ConverseApp(FastAPI):
    """FastAPI behind the door, with the converse routes in front of it."""

    def __init__(self, registry: Registry, door: Door, metrics: Metrics) -> None:
        super().__init__(title="Parley", version=__version__, redoc_url=None, redirect_slashes=False)
        self._door = door
        self._routes = ConverseRoutes(registry, door, metrics)
        self._openai = OpenAIRoutes(registry, door, metrics)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the door, find the route."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        path = normal(scope["raw_path"])
        if refusal := self._door.refusal(scope["method"], path, dict(scope["headers"])):
            await (refuse(send, refusal) if path.startswith(PREFIX) else self._refuse(refusal, send))
            return
        if path.startswith(PREFIX):
            await self._openai(path, scope, receive, send)
            return
        found = _CONVERSE.fullmatch(path) if scope["method"] == "POST" else None
        if found is None:
            await super().__call__({**scope, "path": path.decode("latin-1")}, receive, send)
        elif _BAD_ESCAPE.search(found[2]):
            await respond(send, 400, _TEXT, b"invalid URL escape in the component's name")
        else:
            await self._routes(_APIS[found[1]], found[2], scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """Return FastAPI's document with the routes added that it does not know."""
        if not self.openapi_schema:
            self.openapi_schema = with_upkeep(with_openai(with_converse(super().openapi())))
        return self.openapi_schema

    async def _refuse(self, error: ParleyError, send: Send) -> None:
        status = wire_errors.status(error, precise=self._door.precise_statuses)
        await respond(send, status, wire_errors.headers(error), wire_errors.body(error))


def create_app(
    registry: Registry, door: Door, metrics: Metrics, metadata: Metadata, stop: Callable[[], None]
) -> FastAPI:
    """Return the API's app; `stop` asks the process to end in order, and returns at once."""
    app = ConverseApp(registry, door, metrics)
    add_upkeep(app, registry, door)

    # Parameters are declared by hand: FastAPI would load pydantic's old version for them, a tenth of the start's time.
    @app.get("/v1.0/healthz", status_code=204, openapi_extra=_APP_ID, responses=_fails(500))
    async def healthz(request: Request) -> Response:
        """Say whether the sidecar lives."""
        if request.query_params.get("appid", door.app_id) != door.app_id:
            raise WrongApplication("dapr app-id does not match")
        return Response(status_code=204)

    @app.get("/v1.0/healthz/outbound", status_code=204, responses=_fails(500))
    async def outbound() -> Response:
        """Say whether components were loaded."""
        if not registry.loaded:
            raise OutboundNotReady("dapr outbound is not ready")
        return Response(status_code=204)

    @app.get("/v1.0/metadata", responses=_fails())
    async def shown() -> JSONResponse:
        """Say what this sidecar is and which components it has."""
        return JSONResponse(metadata.document())

    @app.put("/v1.0/metadata/{key}", status_code=204, openapi_extra=_NOTE, responses=_fails(400, 404))
    async def noted(request: Request) -> Response:
        """Note something in the metadata."""
        text = await read_body(dict(request.scope["headers"]), request.receive)
        metadata.note(request.path_params["key"], text.decode(errors="replace"))
        return Response(status_code=204)

    @app.post("/v1.0/shutdown", status_code=204, responses=_fails())
    async def shutdown() -> Response:
        """End in order, as after SIGTERM."""
        stop()
        return Response(status_code=204)

    @app.exception_handler(ParleyError)
    async def refused(_: Request, error: ParleyError) -> Response:
        return _rendered(error, door)

    @app.exception_handler(HTTPException)
    async def unknown(_: Request, __: HTTPException) -> Response:
        return _rendered(PathNotFound(_NO_APP_ID), door)

    return app


def _rendered(error: ParleyError, door: Door) -> Response:
    response = Response(wire_errors.body(error), wire_errors.status(error, precise=door.precise_statuses))
    response.raw_headers += wire_errors.headers(error)
    return response


def _fails(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the errors that a route can answer, beside those of the door."""
    properties = {name: {"type": "string"} for name in ("errorCode", "message", "reason")}
    schema = {"type": "object", "properties": properties, "required": [*properties]}
    said = {"description": "An error", "content": {"application/json": {"schema": schema}}}
    return dict.fromkeys((401, 403, *statuses), said)


_APP_ID: Final = {"parameters": [{"name": "appid", "in": "query", "required": False, "schema": {"type": "string"}}]}
_NOTE: Final = {
    "parameters": [{"name": "key", "in": "path", "required": True, "schema": {"type": "string"}}],
    "requestBody": {"required": True, "content": {"text/plain": {"schema": {"type": "string"}}}},
}
_NO_APP_ID: Final = "failed getting app id either from the URL path or the header dapr-app-id"
"""Dapr's own sentence: it takes unknown paths for calls to an application."""
