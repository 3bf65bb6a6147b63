"""A sidecar in the test's own process, asked over a real gRPC channel; the messages are written as JSON."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
from google.protobuf import json_format
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from parley_crds.component import Component
from parley_sidecar.door import Door
from parley_sidecar.grpc_calls import SERVICE, DaprService
from parley_sidecar.grpc_server import GrpcServer
from parley_sidecar.rpc import ai_pb2, dapr_pb2
from tests.conftest import free_port
from tests.sidecar.running import Sidecar, component, sidecar

ALPHA1 = (f"/{SERVICE}/ConverseAlpha1", ai_pb2.ConversationRequest, ai_pb2.ConversationResponse)
ALPHA2 = (f"/{SERVICE}/ConverseAlpha2", ai_pb2.ConversationRequestAlpha2, ai_pb2.ConversationResponseAlpha2)
NOTE = (f"/{SERVICE}/SetMetadata", dapr_pb2.SetMetadataRequest, Empty)
METADATA = (f"/{SERVICE}/GetMetadata", dapr_pb2.GetMetadataRequest, dapr_pb2.GetMetadataResponse)
HELLO = {"name": "echo", "inputs": [{"content": "hello"}]}
"""An alpha1 request."""

Method = tuple[str, type[Message], Callable[[], Any]]


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back from a call that went well."""

    message: Any
    metadata: Mapping[str, str]
    """The initial one."""
    trailing: Mapping[str, str]

    @property
    def json(self) -> dict[str, Any]:
        """The message in protobuf's JSON mapping."""
        return json_format.MessageToDict(self.message)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What came back from a call that did not."""

    code: str
    details: str
    metadata: Mapping[str, str]
    """The trailing one."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A client, and the sidecar that it asks."""

    channel: grpc.aio.Channel
    address: str
    server: GrpcServer
    sidecar: Sidecar

    def send(self, path: str, content: bytes, **options: Any) -> Any:
        """Begin a call with a message as bytes; awaiting it gives the answer's bytes."""
        method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(path)
        return method(content, **options)

    async def call(self, method: Method, body: Mapping[str, Any] = {}, **options: Any) -> Reply:
        """Call a method with a message written as JSON; raises grpc.aio.AioRpcError."""
        path, request, response = method
        content = json_format.ParseDict(dict(body), request()).SerializeToString()
        call = self.send(path, content, **options)
        message = response()
        message.ParseFromString(await call)
        return Reply(message, plain(await call.initial_metadata()), plain(await call.trailing_metadata()))

    async def refused(self, method: Method, body: Mapping[str, Any] = {}, **options: Any) -> Refusal:
        """Call a method that answers with an error."""
        try:
            reply = await self.call(method, body, **options)
        except grpc.aio.AioRpcError as error:
            return Refusal(error.code().name, error.details() or "", plain(error.trailing_metadata()))
        raise AssertionError(reply)


def plain(metadata: grpc.aio.Metadata) -> Mapping[str, str]:
    """Return metadata that is text, by name."""
    return {name: value for name, value in metadata if isinstance(value, str)}


@asynccontextmanager
async def calling(*components: Component, door: Door | None = None) -> AsyncIterator[Caller]:
    """Serve these components over gRPC, an echo if there are none, and be a client of it."""
    async with sidecar(*(components or (component(),)), door=door) as running, serving(running) as caller:
        yield caller


@asynccontextmanager
async def serving(running: Sidecar) -> AsyncIterator[Caller]:
    """Serve a sidecar over gRPC, and be a client of it."""
    service = DaprService(running.registry, running.door, running.metrics, running.metadata, running.stopped.set)
    server = GrpcServer(service, running.door)
    address = f"127.0.0.1:{free_port()}"
    server.listen([address], "--grpc-port")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(address) as channel:
            yield Caller(channel, address, server, running)
    finally:
        await server.stop(at_once=True)
