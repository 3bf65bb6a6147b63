"""The stream to the sidecars: a WebSocket over TLS that brings a whole snapshot, and another at each change.

Every replica serves it, leader or not. Who is at the other end is decided by its token before the upgrade, so a refusal
is an ordinary HTTP status with a sentence.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, TypeVar

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from parley_crds import names
from parley_crds.component import Component
from parley_crds.stream import MAX_MESSAGE_BYTES, Acknowledgement, StoreSection, snapshot
from parley_operator.authentication import Account, Authenticator, Identity, NotAdmitted, TooBusy, Unauthenticated
from parley_operator.connected import Connected, Contents, Sidecar
from parley_operator.edges import succeeded
from parley_operator.errors import OperatorError
from parley_operator.metrics import Metrics
from parley_operator.own_secrets import OwnSecrets
from parley_operator.published import Published
from parley_operator.store_section import StoreSource

DEBOUNCE_S: Final = 0.1
"""The shortest time between two snapshots: of many changes, the first leaves at once, and those after it together."""
SEND_LIMIT_S: Final = 10.0
"""A sidecar that still has not taken one snapshot, so long after the next was due, is cut off; it comes back."""
LIFETIME_S: Final = (1800.0, 3600.0)
"""A stream is closed after a time between these, so that sidecars spread over new replicas."""
RECHECK_S: Final = (240.0, 360.0)
"""After a time between these, again and again, a stream's pod is looked at; the token counts at the connect only."""
RETRY_AFTER_S: Final = (1, 5)
"""What who is refused with 503 is asked to wait, at random between these, so that a storm comes back in pieces."""
MAX_ANSWER_BYTES: Final = 256 * 1024
"""The largest message that a sidecar may send."""
GOING_AWAY: Final = 1001
"""The close code of a stream that has lasted long enough. Source: RFC 6455 7.4.1."""
POLICY: Final = 1008
"""The close code of a stream whose pod is not there any more. Source: RFC 6455 7.4.1."""
UNAVAILABLE: Final = 503
Proof = TypeVar("Proof")
Group = tuple[str, str, str]
"""Namespace, application id and service account: who has the same is sent the same."""
End = tuple[int, str]
"""A close code and a reason."""
LASTED: Final[End] = (GOING_AWAY, "come back, perhaps to another replica")
POD_IS_GONE: Final[End] = (POLICY, "the pod is gone, or is another one now")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody is not let in, safe to send and to log, and the HTTP status for it."""

    sentence: str
    status: int


@dataclass(frozen=True, slots=True)
class Made:
    """A snapshot, and what it was made of. Never log it: it holds keys."""

    parts: tuple[tuple[Component, ...], tuple[str, ...], StoreSource, str] = field(repr=False)
    contents: Contents
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
        who = (identity.app_id, identity.service_account)
        usable = tuple(each for each in components if each.may_be_used_by(*who))
        held = tuple(each.name for each in self._published.held(identity.namespace) if each.may_be_used_by(*who))
        parts = (usable, held, self._own.store, self._own.trust_anchors)
        if earlier and earlier.parts == parts:
            return earlier
        # Who may use nothing needs no store; and where there is no component, the chart's Redis has no user.
        store = self._own.store.section(identity.namespace) if usable or held else StoreSection()
        made = snapshot(usable, store, self._own.trust_anchors, held)
        wire = made.model_dump_json()
        _warn_of_size(identity, len(wire.encode()))
        return Made(parts, Contents.of(made), wire)


def between(bounds: tuple[float, float]) -> float:
    """Return a number between these, by chance."""
    return random.uniform(*bounds)  # noqa: S311 - spreads load, hides nothing


def lifetime_s() -> float:
    """Return how long a stream may last, in seconds."""
    return between(LIFETIME_S)


def recheck_s() -> float:
    """Return how long to believe that a stream's pod is still there, in seconds."""
    return between(RECHECK_S)


def retry_after_s() -> int:
    """Return how long to ask who is refused for now to wait, in whole seconds, as Retry-After wants them."""
    return round(between(RETRY_AFTER_S))


@dataclass(frozen=True, slots=True)
class Times:
    """When things end or happen again, in seconds."""

    lifetime_s: Callable[[], float] = lifetime_s
    recheck_s: Callable[[], float] = recheck_s
    retry_after_s: Callable[[], int] = retry_after_s
    send_limit_s: float = SEND_LIMIT_S


@dataclass(frozen=True, slots=True)
class Streaming:
    """What the routes share."""

    published: Published
    snapshots: Snapshots
    connected: Connected
    authenticator: Authenticator
    operator: Account
    """The operator's own service account: its peers have it too."""
    metrics: Metrics
    times: Times = Times()

    async def serve(self, websocket: WebSocket, identity: Identity) -> None:
        """Send and listen until either side ends it, it has lasted long enough, or its pod is gone."""
        sidecar = self.connected.add(identity)
        works = (self._send(websocket, sidecar), self._listen(websocket, sidecar))
        ways = [asyncio.create_task(succeeded(work, "stream failed")) for work in works]
        try:
            end = await self._ended(ways, identity)
        finally:
            self.connected.remove(sidecar)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        if end:
            await _close(websocket, end)

    def answer(self, refusal: Refusal) -> Response:
        """Return what a caller is refused with; its sentence says why to whoever reads their log, or ours."""
        logger.info("caller refused", extra={"status": refusal.status, "reason": refusal.sentence})
        later = {"Retry-After": str(self.times.retry_after_s())} if refusal.status == UNAVAILABLE else None
        return PlainTextResponse(refusal.sentence, refusal.status, later)

    async def deny(self, websocket: WebSocket, refusal: Refusal) -> None:
        """Refuse a sidecar before the upgrade."""
        self.metrics.stream_refusals.labels(str(refusal.status)).inc()
        await websocket.send_denial_response(self.answer(refusal))

    async def _ended(self, ways: Iterable[asyncio.Task[bool]], identity: Identity) -> End | None:
        """Wait until one of the ways ends by itself, or return how to end them; look at the pod from time to time."""
        clock = asyncio.get_running_loop().time
        end_s = clock() + self.times.lifetime_s()
        while (left_s := end_s - clock()) > 0:
            pause_s = min(left_s, self.times.recheck_s())
            ended, _ = await asyncio.wait(ways, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
            if ended:
                return None
            if pause_s < left_s and not await self._is_still(identity):
                return POD_IS_GONE
        return LASTED

    async def _is_still(self, identity: Identity) -> bool:
        """Say whether the pod is there; while the API server is away nobody is cut off."""
        try:
            return await self.authenticator.is_still(identity)
        except OperatorError:
            return True

    async def _send(self, websocket: WebSocket, sidecar: Sidecar) -> None:
        try:
            await self._send_changes(websocket, sidecar)
        except TimeoutError:
            logger.warning("sidecar takes its snapshot too slowly", extra=_who(sidecar.identity))
        except WebSocketDisconnect:
            return

    async def _send_changes(self, websocket: WebSocket, sidecar: Sidecar) -> None:
        sent, sent_s, clock = "", 0.0, asyncio.get_running_loop().time
        while True:
            version = self.published.version
            made = self.snapshots.of(sidecar.identity)
            if made.contents.hash != sent:
                sidecar.sent(made.contents)
                async with asyncio.timeout(self.times.send_limit_s):
                    await websocket.send_text(made.wire)
                sent, sent_s = made.contents.hash, clock()
            await self.published.wait_for_change(version)
            await asyncio.sleep(sent_s + DEBOUNCE_S - clock())

    async def _listen(self, websocket: WebSocket, sidecar: Sidecar) -> None:
        """Take the sidecar's answers; one that is none ends the stream."""
        try:
            while True:
                answer = Acknowledgement.model_validate_json(await websocket.receive_text())
                waited_s = sidecar.acknowledged(answer)
                if waited_s is not None:
                    self.metrics.push_s.observe(waited_s)
        except (ValidationError, KeyError):
            logger.warning("sidecar sent what is no answer", extra=_who(sidecar.identity))
        except WebSocketDisconnect:
            return


async def _close(websocket: WebSocket, end: End) -> None:
    """Say how it ends; who does not take that is left to the server, which ends dead connections."""
    with suppress(TimeoutError, WebSocketDisconnect):
        async with asyncio.timeout(SEND_LIMIT_S):
            await websocket.close(*end)


async def admitted(check: Awaitable[Proof]) -> Proof | Refusal:
    """Await a check of a caller: return what it proves, or how to refuse it."""
    try:
        return await check
    except Unauthenticated as error:
        return Refusal(str(error), 401)
    except NotAdmitted as error:
        return Refusal(str(error), 403)
    except TooBusy as error:
        return Refusal(str(error), UNAVAILABLE)
    except OperatorError:
        return Refusal("the API server does not answer", UNAVAILABLE)


def create_app(streaming: Streaming) -> ASGIApp:
    """Return the app that is served over TLS: the stream, and the counts for peers."""

    async def components(websocket: WebSocket) -> None:
        if not streaming.published.synced:
            # Half a snapshot would delete everyone's components.
            await streaming.deny(websocket, Refusal("this replica does not know all components yet", UNAVAILABLE))
            return
        identity = await admitted(streaming.authenticator.sidecar(websocket.headers.get("authorization")))
        if isinstance(identity, Refusal):
            await streaming.deny(websocket, identity)
            return
        await websocket.accept()
        await streaming.serve(websocket, identity)

    async def for_peers(request: Request, told: Callable[[], object]) -> Response:
        check = streaming.authenticator.peer(request.headers.get("authorization"), streaming.operator)
        refusal = await admitted(check)
        return streaming.answer(refusal) if refusal else JSONResponse(told())

    async def sidecars(request: Request) -> Response:
        return await for_peers(request, lambda: streaming.connected.counts().model_dump())

    async def pods(request: Request) -> Response:
        return await for_peers(request, lambda: sorted(streaming.connected.pods()))

    counts = Starlette(routes=[Route(names.SIDECARS_PATH, sidecars), Route(names.PODS_PATH, pods)])

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # Not a route: what lies around a stream stays in memory for as long as it lasts, and there are thousands.
        if scope["type"] == "websocket" and scope["path"] == names.STREAM_PATH:
            await components(WebSocket(scope, receive, send))
        else:
            await counts(scope, receive, send)

    return app


def _warn_of_size(identity: Identity, size_bytes: int) -> None:
    if size_bytes > MAX_MESSAGE_BYTES:
        logger.error("snapshot is larger than sidecars accept", extra={**_who(identity), "bytes": size_bytes})


def _who(identity: Identity) -> dict[str, str]:
    """Return what a log may say of a sidecar."""
    return {"namespace": identity.namespace, "pod": identity.pod, "app_id": identity.app_id}
