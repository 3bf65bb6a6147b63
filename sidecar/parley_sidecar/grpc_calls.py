"""Dapr's service over gRPC: bytes in, wire form, pipeline, a message out. What `routes` is over HTTP.

`grpc_server` has checked the caller's token; what goes wrong here becomes a status with Dapr's code here.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeVar

import grpc
import grpc.aio
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from parley_sidecar.door import Door
from parley_sidecar.edges import contained
from parley_sidecar.errors import ParleyError
from parley_sidecar.metadata import Metadata
from parley_sidecar.metrics import Metrics
from parley_sidecar.model import Answer, Api, ConverseRequest
from parley_sidecar.pipeline import Pipeline
from parley_sidecar.registry import Registry
from parley_sidecar.rpc import ai_pb2, dapr_pb2
from parley_sidecar.visits import MAX_NAME, SERVER_FAULT, loggable, terms_of
from parley_sidecar.wire import alpha1, alpha2, grpc_reply, grpc_request, grpc_status
from parley_sidecar.wire import headers as wire_headers
from parley_sidecar.wire.call import Call
from parley_sidecar.wire.tools import expect_call

SERVICE: Final = dapr_pb2.DESCRIPTOR.services_by_name["Dapr"].full_name
_CACHE_STATUS: Final = "cache-status"

Context = grpc.aio.ServicerContext[Any, Any]
M = TypeVar("M", bound=Message)

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Visit:
    """One converse call on its way through the door."""

    api: Api
    request_id: str
    cache_control: bytes | None
    deadline_s: float | None
    """When the caller's time is over, on the event loop's clock."""
    component_name: str = ""
    request: ConverseRequest | None = None
    """What a component was asked: its metrics count what becomes of it."""


class DaprService:
    """The methods of Dapr's service that are answered here."""

    def __init__(
        self,
        registry: Registry,
        door: Door,
        metrics: Metrics,
        metadata: Metadata,
        stop: Callable[[], None],
    ) -> None:
        """Take what it asks; `stop` asks the process to end in order, and returns at once."""
        self._registry = registry
        self._door = door
        self._metrics = metrics
        self._metadata = metadata
        self._stop = stop

    def handler(self) -> grpc.GenericRpcHandler:
        """Return what a server needs. Messages pass as bytes, so that a broken one gets a status of ours."""
        methods = {
            "ConverseAlpha1": self.converse_alpha1,
            "ConverseAlpha2": self.converse_alpha2,
            "GetMetadata": self.get_metadata,
            "SetMetadata": self.set_metadata,
            "Shutdown": self.shutdown,
        }
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            name: grpc.unary_unary_rpc_method_handler(method) for name, method in methods.items()
        }
        return grpc.method_handlers_generic_handler(SERVICE, handlers)

    async def converse_alpha1(self, content: bytes, context: Context) -> bytes:
        """Answer ConverseAlpha1."""
        return await self._converse("alpha1", self._alpha1, content, context)

    async def converse_alpha2(self, content: bytes, context: Context) -> bytes:
        """Answer ConverseAlpha2."""
        return await self._converse("alpha2", self._alpha2, content, context)

    async def get_metadata(self, _: bytes, __: Context) -> bytes:
        """Answer GetMetadata."""
        document: dict[str, Any] = self._metadata.document()
        return dapr_pb2.GetMetadataResponse(
            id=document["id"],
            registered_components=[dapr_pb2.RegisteredComponents(**known) for known in document["components"]],
            extended_metadata=document["extended"],
            runtime_version=document["runtimeVersion"],
        ).SerializeToString()

    async def set_metadata(self, content: bytes, context: Context) -> bytes:
        """Answer SetMetadata."""
        try:
            asked = grpc_request.read(dapr_pb2.SetMetadataRequest, content)
            self._metadata.note(asked.key, asked.value)
        except ParleyError as error:
            await abort(context, error)
        return Empty().SerializeToString()

    async def shutdown(self, _: bytes, __: Context) -> bytes:
        """Answer Shutdown, and end as SIGTERM does."""
        self._stop()
        return Empty().SerializeToString()

    async def _converse(
        self, api: Api, ask: Callable[[bytes, Visit], Awaitable[bytes]], content: bytes, context: Context
    ) -> bytes:
        visit = _visit(api, context)
        with self._door.traffic:
            try:
                reply = await contained(ask(content, visit), "converse call failed")
                if visit.request and (cache := visit.request.trace.cache):
                    await context.send_initial_metadata(((_CACHE_STATUS, wire_headers.cache_status(cache)),))
            except ParleyError as error:
                self._note(visit, error)
                await abort(context, error, visit.component_name, visit.request_id)
            context.set_trailing_metadata(((grpc_status.REQUEST_ID, visit.request_id),))
            return reply

    async def _alpha1(self, content: bytes, visit: Visit) -> bytes:
        asked = self._read(ai_pb2.ConversationRequest, content)
        pipeline = self._found(asked.name, visit)
        requests = alpha1.requests(grpc_request.alpha1_body(asked), self._call(visit, pipeline))
        answer = await _answer(requests[0], pipeline, visit)
        return grpc_reply.alpha1(asked, answer).SerializeToString()

    async def _alpha2(self, content: bytes, visit: Visit) -> bytes:
        asked = self._read(ai_pb2.ConversationRequestAlpha2, content)
        pipeline = self._found(asked.name, visit)
        request = alpha2.request(grpc_request.alpha2_body(asked), self._call(visit, pipeline))
        answer = await _answer(request, pipeline, visit)
        expect_call(request, answer)
        return grpc_reply.alpha2(asked, answer).SerializeToString()

    def _read(self, kind: type[M], content: bytes) -> M:
        """Decode a request, unless none are taken any more."""
        if refusal := self._door.closed():
            raise refusal
        return grpc_request.read(kind, content)

    def _found(self, name: str, visit: Visit) -> Pipeline:
        visit.component_name = name[:MAX_NAME]
        return self._registry.get(name)

    def _call(self, visit: Visit, pipeline: Pipeline) -> Call:
        return Call(visit.api, visit.request_id, terms_of(pipeline, self._door.own_ports), visit.cache_control)

    def _note(self, visit: Visit, error: ParleyError) -> None:
        """Count an error that no component counted, and tell the log."""
        if visit.request is None:
            self._metrics.reject(visit.api, error.face.reason)
        logger.log(
            logging.WARNING if error.face.status >= SERVER_FAULT else logging.INFO,
            "converse call refused",
            extra={
                "request_id": visit.request_id,
                "component": loggable(visit.component_name),
                "api": visit.api,
                "reason": error.face.reason,
                "status": error.face.grpc_code,
            },
        )


async def _answer(request: ConverseRequest, pipeline: Pipeline, visit: Visit) -> Answer:
    """Ask the component; a caller that leaves, or whose time is over, has the task cancelled by gRPC."""
    request.trace.deadline_s = visit.deadline_s
    visit.request = request
    return await pipeline.answer(request)


def _visit(api: Api, context: Context) -> Visit:
    given = {name: value for name, value in context.invocation_metadata() or () if isinstance(value, str)}
    remaining_s: float | None = context.time_remaining()  # None without a deadline, whatever the types say
    return Visit(
        api=api,
        request_id=wire_headers.request_id(given.get(grpc_status.REQUEST_ID, "").encode()),
        cache_control=given.get("cache-control", "").encode(),
        deadline_s=None if remaining_s is None else asyncio.get_running_loop().time() + remaining_s,
    )


async def abort(context: Context, error: ParleyError, component_name: str = "", request_id: str = "") -> NoReturn:
    """End a call with an error's face."""
    code = grpc.StatusCode[error.face.grpc_code]
    await context.abort(code, grpc_status.details(error, component_name), grpc_status.trailing(error, request_id))
