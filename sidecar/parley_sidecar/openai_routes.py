"""OpenAI's endpoint: chat completions and the list of models, on the port of Dapr's routes.

As hot as those, and as free of a framework. `app` has checked the door; what goes wrong here is answered in OpenAI's
form. Source: OpenAI's API reference.
"""

import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from starlette.types import Send

from parley_sidecar.connection import read_body, respond, respond_events, while_connected
from parley_sidecar.door import Door
from parley_sidecar.edges import contained
from parley_sidecar.errors import NoComponentsYet, ParleyError, PathNotFound
from parley_sidecar.metrics import Metrics
from parley_sidecar.model import Answer, ConverseRequest, Reply
from parley_sidecar.registry import WAIT_S, Registry
from parley_sidecar.streaming import frames
from parley_sidecar.visits import MAX_NAME, Told, Visit
from parley_sidecar.wire import openai_errors, openai_models, openai_reply, openai_request
from parley_sidecar.wire.openai_events import Chunks
from parley_sidecar.wire.openai_request import ChatRequest

PREFIX: Final = b"/v1/"
"""Everything below it speaks OpenAI's form, errors of the door included."""
COMPLETIONS: Final = b"/v1/chat/completions"
MODELS: Final = b"/v1/models"
_JSON: Final = (b"content-type", b"application/json")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request's body as its caller wrote it, what its component was asked, and the reply."""

    body: ChatRequest
    request: ConverseRequest
    reply: Reply


class OpenAIRoutes:
    """Everything below /v1/."""

    def __init__(self, registry: Registry, door: Door, metrics: Metrics) -> None:
        self._registry = registry
        self._door = door
        self._metrics = metrics
        self._created_s = openai_reply.now_s()

    async def __call__(self, path: bytes, method: str, visit: Visit, send: Send) -> None:
        """Answer one request for a path below /v1/, which has no doubled slashes."""
        if method == "POST" and path == COMPLETIONS:
            await self._complete(visit, send)
            return
        name = _component_name(path)
        try:
            body = self._described(path, name) if method == "GET" else None
            if body is None:
                raise PathNotFound(f"Invalid URL ({method} {path.decode('latin-1')})")
            await respond(send, 200, [_JSON], body)
        except ParleyError as error:
            await refuse(send, error, name or "")

    def _described(self, path: bytes, name: str | None) -> bytes | None:
        """Return what is known of one component or of all, or None for a path that means neither."""
        if name is not None:
            return openai_models.model(self._registry.get(name).component, self._created_s)
        if path != MODELS:
            return None
        if not self._registry.loaded:
            raise NoComponentsYet("the sidecar has no components yet", retry_after_s=WAIT_S)
        return openai_models.models(self._registry.components(), self._created_s)

    async def _complete(self, visit: Visit, send: Send) -> None:
        with self._door.traffic:
            try:
                asked = await contained(self._ask(visit), "chat completion failed")
                if asked is not None:
                    await _answer(visit, asked, send)
            except ParleyError as error:
                await self._refuse(visit, error, send)

    async def _ask(self, visit: Visit) -> Asked | None:
        """Ask the component, and return its reply, or None when nobody waits for it any more."""
        if refusal := self._door.closed():
            raise refusal
        posted = openai_request.read(await read_body(visit.headers, visit.receive))
        visit.component_name = posted.body.model[:MAX_NAME]
        pipeline = self._registry.get(posted.body.model)
        request = openai_request.request(
            posted, visit.call(pipeline, self._door.own_ports, wants_stream=bool(posted.body.stream))
        )
        visit.reached = True
        work = pipeline.converse(request) if request.wants_stream else pipeline.answer(request)
        reply = await while_connected(work, visit.receive)
        return None if reply is None else Asked(posted.body, request, reply)

    async def _refuse(self, visit: Visit, error: ParleyError, send: Send) -> None:
        """Answer an error, and tell the log and, of one that no component counts, the metrics."""
        if not visit.reached:
            self._metrics.reject(visit.api, error.face.reason)
        visit.log(error, "converse request refused", openai_errors.status(error))
        await refuse(send, error, visit.component_name, [(b"x-request-id", visit.request_id.encode())])


async def refuse(
    send: Send, error: ParleyError, component_name: str = "", more_headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    """Answer an error in OpenAI's form."""
    headers = [*openai_errors.headers(error), *(more_headers or ())]
    await respond(send, openai_errors.status(error), headers, openai_errors.body(error, component_name))


async def _answer(visit: Visit, asked: Asked, send: Send) -> None:
    passed_ms = (time.perf_counter() - visit.began_s) * 1000
    headers = [*visit.reply_headers(asked.request), (b"openai-processing-ms", b"%d" % passed_ms)]
    reply = asked.reply
    if isinstance(reply, Answer) and not asked.request.wants_stream:
        await respond(send, 200, [_JSON, *headers], openai_reply.reply(reply, visit.component_name))
        return
    chunks = Chunks(visit.component_name, includes_usage=asked.body.includes_usage)
    try:
        await respond_events(visit.receive, send, headers, frames(reply, Told(chunks, visit)))
    finally:  # a generator that never began does not close what it would have closed
        if not isinstance(reply, Answer):
            await reply.aclose()


def _component_name(path: bytes) -> str | None:
    """Return the name of a component in a path, or None for a path that has none."""
    name = path.removeprefix(MODELS + b"/")
    return None if name == path or b"/" in name else unquote(name.decode("latin-1"))[:MAX_NAME]
