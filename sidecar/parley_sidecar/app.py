"""The API's app: the door, the way to the converse routes, and Dapr's health and metadata endpoints.

`serve` runs it on loopback. The converse routes are reached before FastAPI's own layers, whose cost would be a third of
a pass-through request; everything else is FastAPI's.
"""

import re
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from parley_crds import __version__
from parley_sidecar.connection import respond
from parley_sidecar.description import with_converse
from parley_sidecar.door import Door, normal
from parley_sidecar.errors import OutboundNotReady, ParleyError, PathNotFound, WrongApplication
from parley_sidecar.metrics import Metrics
from parley_sidecar.model import Api
from parley_sidecar.registry import Registry
from parley_sidecar.routes import ConverseRoutes
from parley_sidecar.wire import errors as wire_errors

DAPR_VERSION: Final = "1.18.1"
"""The version of Dapr whose API is answered here; SDKs that look at it expect one of Dapr's."""
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the door, find the route."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        path = normal(scope["raw_path"])
        if refusal := self._door.refusal(scope["method"], path, dict(scope["headers"])):
            await self._refuse(refusal, send)
            return
        found = _CONVERSE.fullmatch(path) if scope["method"] == "POST" else None
        if found is None:
            await super().__call__({**scope, "path": path.decode("latin-1")}, receive, send)
        elif _BAD_ESCAPE.search(found[2]):
            await respond(send, 400, _TEXT, b"invalid URL escape in the component's name")
        else:
            await self._routes(_APIS[found[1]], found[2], scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """Return FastAPI's document with the converse routes added."""
        if not self.openapi_schema:
            self.openapi_schema = with_converse(super().openapi())
        return self.openapi_schema

    async def _refuse(self, error: ParleyError, send: Send) -> None:
        status = wire_errors.status(error, precise=self._door.precise_statuses)
        await respond(send, status, wire_errors.headers(error), wire_errors.body(error))


def create_app(registry: Registry, door: Door, metrics: Metrics) -> FastAPI:
    """Return the API's app."""
    app = ConverseApp(registry, door, metrics)

    # The parameter is declared by hand: FastAPI would load pydantic's old version for it, a tenth of the start's time.
    @app.get("/v1.0/healthz", status_code=204, summary="Whether the sidecar lives", openapi_extra=_APP_ID)
    async def healthz(request: Request) -> Response:
        if request.query_params.get("appid", door.app_id) != door.app_id:
            raise WrongApplication("dapr app-id does not match")
        return Response(status_code=204)

    @app.get("/v1.0/healthz/outbound", status_code=204, summary="Whether components were loaded")
    async def outbound() -> Response:
        if not registry.loaded:
            raise OutboundNotReady("dapr outbound is not ready")
        return Response(status_code=204)

    @app.get("/v1.0/metadata", summary="What this sidecar is and which components it has")
    async def metadata() -> JSONResponse:
        return JSONResponse(described(registry, door))

    @app.exception_handler(ParleyError)
    async def refused(_: Request, error: ParleyError) -> Response:
        return _rendered(error, door)

    @app.exception_handler(HTTPException)
    async def unknown(_: Request, __: HTTPException) -> Response:
        return _rendered(PathNotFound(_NO_APP_ID), door)

    return app


def described(registry: Registry, door: Door) -> dict[str, object]:
    """Return Dapr's metadata document; lists of what Parley does not have are empty."""
    components = [
        {"name": component.name, "type": component.type, "version": "v1", "capabilities": []}
        for component in registry.components()
    ]
    return {
        "id": door.app_id,
        "runtimeVersion": DAPR_VERSION,
        "enabledFeatures": [],
        "components": components,
        "extended": {"daprRuntimeVersion": DAPR_VERSION, "parleyVersion": __version__},
        "subscriptions": [],
        "httpEndpoints": [],
        "appConnectionProperties": {},
        "actorRuntime": {"runtimeStatus": "DISABLED", "hostReady": False},
    }


def _rendered(error: ParleyError, door: Door) -> Response:
    response = Response(wire_errors.body(error), wire_errors.status(error, precise=door.precise_statuses))
    response.raw_headers += wire_errors.headers(error)
    return response


_APP_ID: Final = {"parameters": [{"name": "appid", "in": "query", "required": False, "schema": {"type": "string"}}]}
_NO_APP_ID: Final = "failed getting app id either from the URL path or the header dapr-app-id"
"""Dapr's own sentence: it takes unknown paths for calls to an application."""
