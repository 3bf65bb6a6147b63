"""The stream to the sidecars: a WebSocket over TLS that brings a whole snapshot, and another at each change.

Every replica serves it, leader or not. Who is at the other end is decided by its token before the upgrade, so a refusal
is an ordinary HTTP status with a sentence.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, TypeVar

from fastapi import FastAPI, Request
from pydantic import ValidationError
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from parley_crds import names
from parley_crds.component import Component
from parley_crds.stream import MAX_MESSAGE_BYTES, Acknowledgement, Snapshot, snapshot
from parley_operator.authentication import Account, Authenticator, Identity, NotAdmitted, Unauthenticated
from parley_operator.connected import Connected, Sidecar
from parley_operator.edges import succeeded
from parley_operator.errors import OperatorError
from parley_operator.own_secrets import OwnSecrets
from parley_operator.published import Published
from parley_operator.store_section import StoreSource

DEBOUNCE_S: Final = 0.1
"""Changes that come together leave together."""
SEND_LIMIT_S: Final = 10.0
"""A sidecar that still has not taken one snapshot, so long after the next was due, is cut off; it comes back."""
LIFETIME_S: Final = (1800.0, 3600.0)
"""A stream is closed after a time between these, so that sidecars spread over new replicas."""
MAX_ANSWER_BYTES: Final = 256 * 1024
"""The largest message that a sidecar may send."""
GOING_AWAY: Final = 1001
"""The close code of a stream that has lasted long enough. Source: RFC 6455 7.4.1."""
UNAVAILABLE: Final = 503
Proof = TypeVar("Proof")
Group = tuple[str, str, str]
"""Namespace, application id and service account: who has the same is sent the same."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Made:
    """A snapshot, and what it was made of. Never log it: it holds keys."""

    parts: tuple[tuple[Component, ...], StoreSource, str] = field(repr=False)
    snapshot: Snapshot = field(repr=False)
    wire: str = field(repr=False)


class Snapshots:
    """Makes each group of sidecars its snapshot, anew only when something that is in it changed."""

    def __init__(self, published: Published, own: OwnSecrets) -> None:
        self._published = published
        self._own = own
        self._version = -1
        self._made: dict[Group, Made] = {}
        self._earlier: dict[Group, Made] = {}

    def of(self, identity: Identity) -> Made:
        """Return what a sidecar may use."""
        if self._version != self._published.version:
            self._version = self._published.version
            self._earlier, self._made = self._made, {}
        group = (identity.namespace, identity.app_id, identity.service_account)
        if group not in self._made:
            self._made[group] = self._make(identity, self._earlier.get(group))
        return self._made[group]

    def _make(self, identity: Identity, earlier: Made | None) -> Made:
        components = self._published.components(identity.namespace)
        usable = (each for each in components if each.may_be_used_by(identity.app_id, identity.service_account))
        parts = (tuple(usable), self._own.store, self._own.trust_anchors)
        if earlier and earlier.parts == parts:
            return earlier
        made = snapshot(parts[0], self._own.store.section(identity.namespace), self._own.trust_anchors)
        wire = made.model_dump_json()
        _warn_of_size(identity, len(wire.encode()))
        return Made(parts, made, wire)


def lifetime_s() -> float:
    """Return how long a stream may last, in seconds."""
    return random.uniform(*LIFETIME_S)  # noqa: S311 - spreads load, hides nothing


@dataclass(frozen=True, slots=True)
class Streaming:
    """What the routes share."""

    published: Published
    snapshots: Snapshots
    connected: Connected
    authenticator: Authenticator
    operator: Account
    """The operator's own service account: its peers have it too."""
    lifetime_s: Callable[[], float] = lifetime_s
    send_limit_s: float = SEND_LIMIT_S

    async def serve(self, websocket: WebSocket, identity: Identity) -> None:
        """Send and listen until either side ends it, or it has lasted long enough."""
        sidecar = self.connected.add(identity)
        works = (self._send(websocket, sidecar), _listen(websocket, sidecar))
        ways = [asyncio.create_task(succeeded(work, "stream failed")) for work in works]
        try:
            ended, _ = await asyncio.wait(ways, timeout=self.lifetime_s(), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.connected.remove(sidecar)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        if not ended:
            await _close(websocket)

    async def _send(self, websocket: WebSocket, sidecar: Sidecar) -> None:
        try:
            await self._send_changes(websocket, sidecar)
        except TimeoutError:
            logger.warning("sidecar takes its snapshot too slowly", extra=_who(sidecar.identity))
        except WebSocketDisconnect:
            return

    async def _send_changes(self, websocket: WebSocket, sidecar: Sidecar) -> None:
        sent = ""
        while True:
            version = self.published.version
            made = self.snapshots.of(sidecar.identity)
            if made.snapshot.hash != sent:
                sidecar.sent(made.snapshot)
                async with asyncio.timeout(self.send_limit_s):
                    await websocket.send_text(made.wire)
                sent = made.snapshot.hash
            await self.published.wait_for_change(version)
            await asyncio.sleep(DEBOUNCE_S)


async def _listen(websocket: WebSocket, sidecar: Sidecar) -> None:
    """Take the sidecar's answers; one that is none ends the stream."""
    try:
        while True:
            sidecar.acknowledged(Acknowledgement.model_validate_json(await websocket.receive_text()))
    except (ValidationError, KeyError):
        logger.warning("sidecar sent what is no answer", extra=_who(sidecar.identity))
    except WebSocketDisconnect:
        return


async def _close(websocket: WebSocket) -> None:
    """Say that it is time to come back; who does not take that is left to the server, which ends dead connections."""
    with suppress(TimeoutError, WebSocketDisconnect):
        async with asyncio.timeout(SEND_LIMIT_S):
            await websocket.close(GOING_AWAY, "come back, perhaps to another replica")


async def admitted(check: Awaitable[Proof]) -> Proof | Response:
    """Await a check of a caller: return what it proves, or what to answer where it fails."""
    try:
        return await check
    except Unauthenticated as error:
        return _refusal(str(error), 401)
    except NotAdmitted as error:
        return _refusal(str(error), 403)
    except OperatorError:
        return _refusal("the API server does not answer", 503)


def create_app(streaming: Streaming) -> FastAPI:
    """Return the app that is served over TLS: the stream, and the counts for peers."""
    app = FastAPI(openapi_url=None)

    @app.websocket(names.STREAM_PATH)
    async def components(websocket: WebSocket) -> None:
        if not streaming.published.synced:
            # Half a snapshot would delete everyone's components.
            await websocket.send_denial_response(_refusal("this replica does not know all components yet", 503))
            return
        identity = await admitted(streaming.authenticator.sidecar(websocket.headers.get("authorization")))
        if isinstance(identity, Response):
            await websocket.send_denial_response(identity)
            return
        await websocket.accept()
        await streaming.serve(websocket, identity)

    @app.get(names.SIDECARS_PATH)
    async def sidecars(request: Request) -> Response:
        check = streaming.authenticator.peer(request.headers.get("authorization"), streaming.operator)
        refusal = await admitted(check)
        return refusal or JSONResponse(streaming.connected.counts().model_dump())

    return app


def _refusal(sentence: str, status: int) -> Response:
    """Return a refusal; its sentence says why to whoever reads the sidecar's or the operator's log."""
    logger.info("caller refused", extra={"status": status, "reason": sentence})
    return PlainTextResponse(sentence, status, {"Retry-After": "1"} if status == UNAVAILABLE else None)


def _warn_of_size(identity: Identity, size_bytes: int) -> None:
    if size_bytes > MAX_MESSAGE_BYTES:
        logger.error("snapshot is larger than sidecars accept", extra={**_who(identity), "bytes": size_bytes})


def _who(identity: Identity) -> dict[str, str]:
    """Return what a log may say of a sidecar."""
    return {"namespace": identity.namespace, "pod": identity.pod, "app_id": identity.app_id}
