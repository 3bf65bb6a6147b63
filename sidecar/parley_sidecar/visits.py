"""One converse request on its way through an HTTP door, and what every such door tells the log and its caller of it."""

import logging
import re
import time
from typing import Final
from urllib.parse import unquote

from msgspec import Struct
from starlette.types import Receive

from parley_sidecar.door import Headers
from parley_sidecar.errors import ParleyError
from parley_sidecar.model import Answer, Api, ConverseRequest, Delta
from parley_sidecar.pipeline import Pipeline
from parley_sidecar.streaming import Renderer
from parley_sidecar.wire import headers as wire_headers
from parley_sidecar.wire.call import Call
from parley_sidecar.wire.overrides import Terms, terms

MAX_NAME: Final = 253
"""Longer component names do not exist. Source: Kubernetes' names."""
SERVER_FAULT: Final = 500
"""From this status of Dapr's on, the caller is not to blame, and the log warns."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""What may be a component's name; other text in its place may be anything, a prompt included."""

logger = logging.getLogger(__name__)


def loggable(component_name: str) -> str:
    """Return what a caller gave as a component's name, if the log may have it."""
    return component_name if _NAME.fullmatch(component_name) else "(not a name)"


def terms_of(pipeline: Pipeline, own_ports: frozenset[int]) -> Terms:
    """Return what a request may replace in a component of this process."""
    allow = tuple(pipeline.component.overrides.allow)
    return terms(allow, pipeline.has_endpoint, own_ports, pipeline.keeps_rooms)


class Visit(Struct):
    """What is known of a request besides its body."""

    api: Api
    component_name: str
    headers: Headers
    receive: Receive
    request_id: str
    began_s: float
    reached: bool = False
    """Whether it got as far as a component, whose metrics then count it."""

    @classmethod
    def of(cls, api: Api, headers: Headers, receive: Receive, raw_name: bytes = b"") -> "Visit":
        """Return the visit of a request that begins now; a door whose path names no component says it later."""
        request_id = wire_headers.request_id(headers.get(b"x-request-id"))
        component_name = unquote(raw_name.decode("latin-1"))[:MAX_NAME]
        return cls(api, component_name, headers, receive, request_id, time.perf_counter())

    def call(self, pipeline: Pipeline, own_ports: frozenset[int], *, wants_stream: bool = False) -> Call:
        """Return what the wire forms need to know beside the body, now that the component is found."""
        return Call(
            self.api, self.request_id, terms_of(pipeline, own_ports), self.headers.get(b"cache-control"), wants_stream
        )

    def log(self, error: ParleyError, event: str, status: int) -> None:
        """Tell the log of an error, and the status that the caller got."""
        logger.log(
            logging.WARNING if error.face.status >= SERVER_FAULT else logging.INFO,
            event,
            extra={
                "request_id": self.request_id,
                "component": loggable(self.component_name),
                "api": self.api,
                "reason": error.face.reason,
                "status": status,
            },
        )

    def reply_headers(self, *requests: ConverseRequest) -> list[tuple[bytes, bytes]]:
        """Return what the caller is told of an answer, or of a stream at its beginning, and the requests it took."""
        headers = [(b"x-request-id", self.request_id.encode())]
        headers += wire_headers.trace_parent(self.headers.get(b"traceparent"))
        if status := wire_headers.together([request.trace.cache for request in requests]):
            headers.append((b"cache-status", wire_headers.cache_status(status).encode()))
        if len(requests) == 1 and not requests[0].wants_stream:  # of several the waits overlap, a stream's go on
            own_s = time.perf_counter() - self.began_s - requests[0].trace.provider_s
            headers.append((b"x-parley-overhead-ms", b"%.3f" % (own_s * 1000)))
        return headers


class Told:
    """A renderer that also tells the log what broke its stream: the caller's status was good, long before."""

    def __init__(self, inner: Renderer, visit: Visit) -> None:
        self._inner = inner
        self._visit = visit

    def delta(self, delta: Delta) -> bytes:
        """Render as the inner one."""
        return self._inner.delta(delta)

    def complete(self, answer: Answer) -> bytes:
        """Render as the inner one."""
        return self._inner.complete(answer)

    def error(self, error: ParleyError) -> bytes:
        """Render as the inner one, and tell the log."""
        self._visit.log(error, "converse stream broke", 200)
        return self._inner.error(error)
