"""The converse routes, the hot path: bytes in, wire form, pipeline, bytes out, with no framework between.

`app` has checked the door and found the route; what goes wrong here becomes an answer with Dapr's codes here.
"""

import logging
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from starlette.types import Receive, Scope, Send

from parley_sidecar.connection import read_body, respond, while_connected
from parley_sidecar.door import Door, Headers
from parley_sidecar.edges import contained
from parley_sidecar.errors import ParleyError
from parley_sidecar.metrics import Metrics
from parley_sidecar.model import Api, ConverseRequest
from parley_sidecar.pipeline import Pipeline
from parley_sidecar.registry import Registry
from parley_sidecar.wire import alpha1, alpha2, alpha2_reply
from parley_sidecar.wire import errors as wire_errors
from parley_sidecar.wire import headers as wire_headers
from parley_sidecar.wire.call import Call
from parley_sidecar.wire.overrides import Terms

AT_ONCE: Final = 8
"""How many inputs of one early-form request are asked at a time."""
MAX_NAME: Final = 253
"""Longer component names do not exist. Source: Kubernetes' names."""
SERVER_FAULT: Final = 500
"""From this status of Dapr's on, the caller is not to blame, and the log warns."""
_JSON: Final = (b"content-type", b"application/json")

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Visit:
    """One converse request on its way through the door."""

    api: Api
    component_name: str
    headers: Headers
    receive: Receive
    request_id: str
    began_s: float
    reached: bool = False
    """Whether it got as far as a component, whose metrics then count it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the caller gets, and the requests that it took."""

    status: int
    body: bytes
    requests: tuple[ConverseRequest, ...]


class ConverseRoutes:
    """Both converse routes of Dapr."""

    def __init__(self, registry: Registry, door: Door, metrics: Metrics) -> None:
        self._registry = registry
        self._door = door
        self._metrics = metrics

    async def __call__(self, api: Api, raw_name: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request for the component that the path names."""
        headers = dict(scope["headers"])
        visit = Visit(
            api=api,
            component_name=unquote(raw_name.decode("latin-1"))[:MAX_NAME],
            headers=headers,
            receive=receive,
            request_id=wire_headers.request_id(headers.get(b"x-request-id")),
            began_s=time.perf_counter(),
        )
        traffic = self._door.traffic
        traffic.active += 1
        traffic.started += 1
        try:
            reply = await contained(self._reply(visit), "converse request failed")
            if reply is not None:
                await respond(send, reply.status, _reply_headers(visit, reply), reply.body)
        except ParleyError as error:
            await self._refuse(visit, error, send)
        finally:
            traffic.active -= 1

    async def _reply(self, visit: Visit) -> Reply | None:
        """Return the reply, or None when nobody waits for it any more."""
        if refusal := self._door.closed():
            raise refusal
        content = await read_body(visit.headers, visit.receive)
        return await (self._alpha1(visit, content) if visit.api == "alpha1" else self._alpha2(visit, content))

    async def _alpha1(self, visit: Visit, content: bytes) -> Reply | None:
        body = alpha1.read(content)
        pipeline = self._registry.get(visit.component_name)
        requests = alpha1.requests(body, self._call(visit, pipeline))
        visit.reached = True
        answers = await while_connected(pipeline.answers(requests, AT_ONCE), visit.receive)
        if answers is None:
            return None
        if alpha1.is_early(body):
            return Reply(202, alpha1.early_reply(body, answers), requests)
        return Reply(200, alpha1.reply(body, answers[0]), requests)

    async def _alpha2(self, visit: Visit, content: bytes) -> Reply | None:
        body = alpha2.read(content)
        pipeline = self._registry.get(visit.component_name)
        request = alpha2.request(body, self._call(visit, pipeline))
        visit.reached = True
        answer = await while_connected(pipeline.answer(request), visit.receive)
        return None if answer is None else Reply(200, alpha2_reply.reply(body.context_id, answer), (request,))

    def _call(self, visit: Visit, pipeline: Pipeline) -> Call:
        terms = Terms(
            allow=frozenset(pipeline.component.overrides.allow),
            has_endpoint=pipeline.has_endpoint,
            own_ports=self._door.own_ports,
        )
        return Call(visit.api, visit.request_id, terms, visit.headers.get(b"cache-control"))

    async def _refuse(self, visit: Visit, error: ParleyError, send: Send) -> None:
        """Answer an error, and tell the log."""
        if not visit.reached:
            self._metrics.reject(visit.api, error.face.reason)
        status = wire_errors.status(error, precise=self._door.precise_statuses)
        logger.log(
            logging.WARNING if error.face.status >= SERVER_FAULT else logging.INFO,
            "converse request refused",
            extra={
                "request_id": visit.request_id,
                "component": visit.component_name,
                "api": visit.api,
                "reason": error.face.reason,
                "status": status,
            },
        )
        headers = [*wire_errors.headers(error), (b"x-request-id", visit.request_id.encode())]
        await respond(send, status, headers, wire_errors.body(error, visit.component_name))


def _reply_headers(visit: Visit, reply: Reply) -> list[tuple[bytes, bytes]]:
    headers = [_JSON, (b"x-request-id", visit.request_id.encode())]
    if status := wire_headers.together([request.trace.cache for request in reply.requests]):
        headers.append((b"cache-status", wire_headers.cache_status(status).encode()))
    if len(reply.requests) == 1:  # of several, the waits for the provider overlap
        own_s = time.perf_counter() - visit.began_s - reply.requests[0].trace.provider_s
        headers.append((b"x-parley-overhead-ms", b"%.3f" % (own_s * 1000)))
    return headers
