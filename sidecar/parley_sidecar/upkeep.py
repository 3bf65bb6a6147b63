"""What callers look after besides asking: a chat room is read and erased, a component's cache purged.

`app` adds the routes to its own, behind the same door. They are answered until the process stops, also while it takes
no new converse requests: somebody may have asked to be forgotten.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import unquote_to_bytes

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from parley_crds.component import Component
from parley_crds.names import CACHE_PURGE, ROOM
from parley_sidecar.door import Door
from parley_sidecar.edges import contained
from parley_sidecar.errors import InvalidParameters, ParleyError
from parley_sidecar.model import Message
from parley_sidecar.pii.reach import in_message
from parley_sidecar.pii.restore import Restorer
from parley_sidecar.pii.vault import Vault
from parley_sidecar.pipeline import Pipeline
from parley_sidecar.registry import Registry
from parley_sidecar.rooms import Reading
from parley_sidecar.visits import MAX_NAME, Visit
from parley_sidecar.wire import errors as wire_errors
from parley_sidecar.wire import room as wire_room

_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")

Work = Callable[[Pipeline], Awaitable[Response]]


def add_upkeep(app: Starlette, registry: Registry, door: Door) -> None:
    """Add the routes; `upkeep_description` describes them."""
    upkeep = Upkeep(registry, door)
    for path, method, route in (
        (ROOM, "GET", upkeep.read),
        (ROOM, "DELETE", upkeep.erase),
        (CACHE_PURGE, "POST", upkeep.purge),
    ):
        app.add_route(path, route, methods=[method], include_in_schema=False)


class Upkeep:
    """The routes."""

    def __init__(self, registry: Registry, door: Door) -> None:
        self._registry = registry
        self._door = door

    async def read(self, request: Request) -> Response:
        """Show a room's history, with the values that were hidden in it; secrets stay hidden."""

        async def shown(pipeline: Pipeline) -> Response:
            context_id = _room_id(request)
            reading = await pipeline.rooms.read(context_id)
            body = wire_room.body(context_id, pipeline.component.name, _restored(reading), reading.turns)
            return Response(body, media_type="application/json", headers={"cache-control": "no-store"})

        return await self._answered(request, shown)

    async def erase(self, request: Request) -> Response:
        """Forget a room: its history, its hidden values and what the cache kept for it."""

        async def erased(pipeline: Pipeline) -> Response:
            await pipeline.rooms.erase(_room_id(request))
            return Response(status_code=204)

        return await self._answered(request, erased)

    async def purge(self, request: Request) -> Response:
        """Forget a component's cached answers, in all sidecars that share its store."""

        async def purged(pipeline: Pipeline) -> Response:
            if not _caches(pipeline.component):
                raise InvalidParameters("this component keeps no answers: set spec.cache.ttl")
            await pipeline.purge()
            return Response(status_code=204)

        return await self._answered(request, purged)

    async def _answered(self, request: Request, work: Work) -> Response:
        """Answer, or tell the log and the caller why not."""
        visit = Visit.of("alpha1", dict(request.scope["headers"]), request.receive)
        with self._door.traffic:
            try:
                visit.component_name = _text(request.path_params["name"])[:MAX_NAME]
                pipeline = self._registry.get(visit.component_name)
                response = await contained(work(pipeline), "upkeep failed")
                response.raw_headers += visit.reply_headers()
            except ParleyError as error:
                response = self._refusal(visit, error)
        return response

    def _refusal(self, visit: Visit, error: ParleyError) -> Response:
        status = wire_errors.status(error, precise=self._door.precise_statuses)
        visit.log(error, "upkeep refused", status)
        response = Response(wire_errors.body(error, visit.component_name), status)
        response.raw_headers += [*wire_errors.headers(error), *visit.reply_headers()]
        return response


def _caches(component: Component) -> bool:
    """Say whether answers can be kept: by the component's own lifetime, or by one that a request may ask for."""
    return component.cache.ttl is not None or "cacheTTL" in component.overrides.allow


def _room_id(request: Request) -> str:
    return _text(request.path_params["id"])


def _text(escaped: str) -> str:
    """Return a part of the path as its caller meant it; `app` passes paths on as they came, in Latin-1.

    Raises:
        InvalidParameters: when it is not percent-encoded UTF-8.
    """
    given = escaped.encode("latin-1")
    if not _BAD_ESCAPE.search(given):
        try:
            return unquote_to_bytes(given).decode()
        except UnicodeDecodeError:
            pass
    raise InvalidParameters("the path is not percent-encoded UTF-8")


def _restored(reading: Reading) -> list[Message]:
    """Return what was said, with the values in the places of their tokens.

    A token without a number may be a model's way to write the only value of its kind; in a caller's own text it stands
    for what was hidden for good.
    """
    known = Vault(reading.values).restored
    answers = Restorer(known)
    others = Restorer({token: value for token, value in known.items() if token[-1].isdigit()})
    messages = (stored.message for stored in reading.messages)
    return [in_message(message, (answers if message.role == "assistant" else others).rewrite) for message in messages]
