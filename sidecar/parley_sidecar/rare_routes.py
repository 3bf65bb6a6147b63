"""What callers rarely ask: Dapr's metadata and shutdown, what `upkeep` looks after, the docs. All of this is FastAPI's.

`app` imports this module at the first such request: FastAPI is a third of what a start would take, and 12 MiB.
"""

from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from parley_crds import __version__
from parley_sidecar.connection import read_body
from parley_sidecar.description import with_converse
from parley_sidecar.door import HEALTHZ, OUTBOUND, Door
from parley_sidecar.errors import ParleyError, PathNotFound
from parley_sidecar.metadata import Metadata
from parley_sidecar.openai_description import with_openai
from parley_sidecar.registry import Registry
from parley_sidecar.upkeep import add_upkeep
from parley_sidecar.upkeep_description import with_upkeep
from parley_sidecar.wire import errors as wire_errors


class RareApp(FastAPI):
    """FastAPI with a document that describes all routes of the API's port, those of `app` included."""

    def openapi(self) -> dict[str, Any]:
        """Return FastAPI's document with the routes added that it does not know."""
        if not self.openapi_schema:
            document = super().openapi()
            document["paths"] = {**_probes(), **document["paths"]}
            self.openapi_schema = with_upkeep(with_openai(with_converse(document)))
        return self.openapi_schema


def create_rare_app(registry: Registry, door: Door, metadata: Metadata, stop: Callable[[], None]) -> FastAPI:
    """Return the app; whoever calls it has asked the door. `stop` asks the process to end in order."""
    app = RareApp(title="Parley", version=__version__, redoc_url=None, redirect_slashes=False)
    add_upkeep(app, registry, door)

    @app.get("/v1.0/metadata", responses=_fails())
    async def shown() -> JSONResponse:
        """Say what this sidecar is and which components it has."""
        return JSONResponse(metadata.document())

    # The key is described by hand: FastAPI would add a status 422 that is never answered.
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
    return dict.fromkeys(("401", "403", *map(str, statuses)), said)


def _probes() -> dict[str, Any]:
    """Describe the health checks, which `app` answers itself."""
    responses = {"204": {"description": "Yes"}, **_fails(500)}
    alive = {"summary": "Say whether the sidecar lives", "parameters": _APP_ID, "responses": responses}
    loaded = {"summary": "Say whether components were loaded", "responses": responses}
    return {HEALTHZ.decode(): {"get": alive}, OUTBOUND.decode(): {"get": loaded}}


_APP_ID: Final = [{"name": "appid", "in": "query", "required": False, "schema": {"type": "string"}}]
_NOTE: Final = {
    "parameters": [{"name": "key", "in": "path", "required": True, "schema": {"type": "string"}}],
    "requestBody": {"required": True, "content": {"text/plain": {"schema": {"type": "string"}}}},
}
_NO_APP_ID: Final = "failed getting app id either from the URL path or the header dapr-app-id"
"""Dapr's own sentence: it takes unknown paths for calls to an application."""
