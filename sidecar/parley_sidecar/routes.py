"""Dapr's converse routes, the hot path: bytes in, wire form, pipeline, bytes out, with no framework between.

`app` has checked the door and found the route; what goes wrong here becomes an answer with Dapr's codes here.
"""

from dataclasses import dataclass
from typing import Final

from msgspec import Struct
from starlette.types import Send

from parley_sidecar.connection import read_body, respond, respond_events, while_connected
from parley_sidecar.door import Door
from parley_sidecar.edges import contained
from parley_sidecar.errors import ParleyError
from parley_sidecar.metrics import Metrics
from parley_sidecar.model import Answer, ConverseRequest, Reply
from parley_sidecar.registry import Registry
from parley_sidecar.streaming import Renderer, accepts_events, frames
from parley_sidecar.visits import Told, Visit
from parley_sidecar.wire import alpha1, alpha2, alpha2_reply
from parley_sidecar.wire import errors as wire_errors
from parley_sidecar.wire.alpha2_events import Events
from parley_sidecar.wire.tools import expect_call

AT_ONCE: Final = 8
"""How many inputs of one early-form request are asked at a time."""
_JSON: Final = (b"content-type", b"application/json")


class Whole(Struct, frozen=True):
    """What the caller gets at once, and the requests that it took."""

    status: int
    body: bytes
    requests: tuple[ConverseRequest, ...]


@dataclass(frozen=True, slots=True)
class InPieces:
    """What the caller gets as events: a reply, and how it looks."""

    reply: Reply
    renderer: Renderer
    request: ConverseRequest


class ConverseRoutes:
    """Both converse routes of Dapr."""

    def __init__(self, registry: Registry, door: Door, metrics: Metrics) -> None:
        self._registry = registry
        self._door = door
        self._metrics = metrics

    async def __call__(self, visit: Visit, send: Send) -> None:
        """Answer one request for the component that the visit names."""
        with self._door.traffic:
            try:
                reply = await contained(self._reply(visit), "converse request failed")
                if isinstance(reply, Whole):
                    await respond(send, reply.status, [_JSON, *visit.reply_headers(*reply.requests)], reply.body)
                elif reply is not None:
                    await _send_events(visit, reply, send)
            except ParleyError as error:
                await self._refuse(visit, error, send)

    async def _reply(self, visit: Visit) -> Whole | InPieces | None:
        """Return the reply, or None when nobody waits for it any more."""
        if refusal := self._door.closed():
            raise refusal
        content = await read_body(visit.headers, visit.receive)
        return await (self._alpha1(visit, content) if visit.api == "alpha1" else self._alpha2(visit, content))

    async def _alpha1(self, visit: Visit, content: bytes) -> Whole | None:
        body = alpha1.read(content)
        pipeline = self._registry.get(visit.component_name)
        requests = alpha1.requests(body, visit.call(pipeline, self._door.own_ports))
        visit.reached = True
        answers = await while_connected(pipeline.answers(requests, AT_ONCE), visit.receive)
        if answers is None:
            return None
        if alpha1.is_early(body):
            return Whole(202, alpha1.early_reply(body, answers), requests)
        return Whole(200, alpha1.reply(body, answers[0]), requests)

    async def _alpha2(self, visit: Visit, content: bytes) -> Whole | InPieces | None:
        body = alpha2.read(content)
        pipeline = self._registry.get(visit.component_name)
        wants_events = accepts_events(visit.headers.get(b"accept"))
        request = alpha2.request(body, visit.call(pipeline, self._door.own_ports, wants_stream=wants_events))
        visit.reached = True
        work = pipeline.converse(request) if wants_events else pipeline.answer(request)
        reply = await while_connected(work, visit.receive)
        if reply is None:
            return None
        if isinstance(reply, Answer):
            expect_call(request, reply)
            if not wants_events:
                return Whole(200, alpha2_reply.reply(body.context_id, reply), (request,))
        return InPieces(reply, Told(Events(request, visit.component_name, body.context_id), visit), request)

    async def _refuse(self, visit: Visit, error: ParleyError, send: Send) -> None:
        """Answer an error, and tell the log."""
        if not visit.reached:
            self._metrics.reject(visit.api, error.face.reason)
        status = wire_errors.status(error, precise=self._door.precise_statuses)
        visit.log(error, "converse request refused", status)
        headers = [*wire_errors.headers(error), (b"x-request-id", visit.request_id.encode())]
        await respond(send, status, headers, wire_errors.body(error, visit.component_name))


async def _send_events(visit: Visit, reply: InPieces, send: Send) -> None:
    try:
        headers = visit.reply_headers(reply.request)
        await respond_events(visit.receive, send, headers, frames(reply.reply, reply.renderer))
    finally:  # a generator that never began does not close what it would have closed
        if not isinstance(reply.reply, Answer):
            await reply.reply.aclose()
