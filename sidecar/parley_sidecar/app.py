"""The API's app: the door, the way to the converse routes, Dapr's health checks, and the way to all other routes.

`serve` runs it on loopback. The converse routes are reached before FastAPI's own layers, whose cost would be a third of
a pass-through request, and the health checks before FastAPI is even loaded; everything else is FastAPI's.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Receive, Scope, Send

from parley_sidecar.connection import respond
from parley_sidecar.door import HEALTHZ, OUTBOUND, Door, normal
from parley_sidecar.errors import OutboundNotReady, ParleyError, WrongApplication
from parley_sidecar.metadata import Metadata
from parley_sidecar.metrics import Metrics
from parley_sidecar.model import Api
from parley_sidecar.openai_routes import PREFIX, OpenAIRoutes, refuse
from parley_sidecar.registry import Registry
from parley_sidecar.routes import ConverseRoutes
from parley_sidecar.visits import Visit
from parley_sidecar.wire import errors as wire_errors

_CONVERSE: Final = re.compile(rb"/v1\.0-(alpha[12])/conversation/([^/]+)/converse")
_APIS: Final[dict[bytes, Api]] = {b"alpha1": "alpha1", b"alpha2": "alpha2"}
_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_TEXT: Final = ((b"content-type", b"text/plain; charset=utf-8"),)


class ConverseApp:
    """The door, with the routes behind it that are asked often; `rare` answers the others."""

    def __init__(self, registry: Registry, door: Door, metrics: Metrics, rare: ASGIApp) -> None:
        self._registry = registry
        self._door = door
        self._routes = ConverseRoutes(registry, door, metrics)
        self._openai = OpenAIRoutes(registry, door, metrics)
        self._rare = rare

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the door, find the route."""
        if scope["type"] != "http":
            await self._rare(scope, receive, send)
            return
        path = normal(scope["raw_path"])
        headers = dict(scope["headers"])
        if refusal := self._door.refusal(scope["method"], path, headers):
            await (refuse(send, refusal) if path.startswith(PREFIX) else self._refuse(refusal, send))
            return
        if path.startswith(PREFIX):
            await self._openai(path, scope["method"], Visit.of("openai", headers, receive), send)
            return
        found = _CONVERSE.fullmatch(path) if scope["method"] == "POST" else None
        if found is None:
            await self._others(path, scope, receive, send)
        elif b"%" in found[2] and _BAD_ESCAPE.search(found[2]):
            await respond(send, 400, _TEXT, b"invalid URL escape in the component's name")
        else:
            await self._routes(Visit.of(_APIS[found[1]], headers, receive, found[2]), send)

    async def _others(self, path: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a health check; hand on what is neither that nor a converse request."""
        if scope["method"] != "GET" or path not in {HEALTHZ, OUTBOUND}:
            await self._rare({**scope, "path": path.decode("latin-1")}, receive, send)
        elif sick := self._sick(path, scope["query_string"]):
            await self._refuse(sick, send)
        else:
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

    def _sick(self, path: bytes, query: bytes) -> ParleyError | None:
        """Return what makes a health check fail, or None."""
        if path == OUTBOUND:
            return None if self._registry.loaded else OutboundNotReady("dapr outbound is not ready")
        app_id = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)).get("appid", self._door.app_id)
        return None if app_id == self._door.app_id else WrongApplication("dapr app-id does not match")

    async def _refuse(self, error: ParleyError, send: Send) -> None:
        status = wire_errors.status(error, precise=self._door.precise_statuses)
        await respond(send, status, wire_errors.headers(error), wire_errors.body(error))


class WhenAsked:
    """An app that is made at its first request, in a thread: others are answered while it is imported."""

    def __init__(self, make: Callable[[], ASGIApp]) -> None:
        self._make = make
        self._making: asyncio.Future[ASGIApp] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait for the app, and hand the request on to it."""
        if self._making is None:
            self._making = asyncio.ensure_future(asyncio.to_thread(self._make))
        app = await asyncio.shield(self._making)  # a caller who leaves does not end it for the others
        await app(scope, receive, send)


def create_app(
    registry: Registry, door: Door, metrics: Metrics, metadata: Metadata, stop: Callable[[], None]
) -> ConverseApp:
    """Return the API's app; `stop` asks the process to end in order, and returns at once."""

    def rare() -> ASGIApp:
        from parley_sidecar.rare_routes import create_rare_app  # noqa: PLC0415 - FastAPI

        return create_rare_app(registry, door, metadata, stop)

    return ConverseApp(registry, door, metrics, WhenAsked(rare))
