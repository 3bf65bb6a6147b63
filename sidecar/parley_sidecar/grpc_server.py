"""The gRPC server: Dapr's service, health and reflection behind one guard. `grpc_start` sets it up.

Loopback alone and without TLS, as Dapr's. No web page can speak to it: browsers speak HTTP/2 over TLS only.
"""

import os
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, Final, TypeAlias

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from parley_crds.names import API_TOKEN_HEADER
from parley_sidecar.command_error import CommandError
from parley_sidecar.connection import MAX_BODY_BYTES
from parley_sidecar.door import Door
from parley_sidecar.errors import Unauthorized
from parley_sidecar.grpc_calls import SERVICE, Context, DaprService, abort

OPTIONS: Final = (
    ("grpc.so_reuseport", 0),  # else a second sidecar would share the port without a word
    ("grpc.max_receive_message_length", MAX_BODY_BYTES),
    ("grpc.max_send_message_length", -1),  # what a caller takes is its own to say
    ("grpc.http2.max_ping_strikes", 0),  # keepalive pings cost nothing on loopback
)
GRACE_S: Final = 2.0
"""How long a reply may take on its way out at the end, and how long a watcher of health holds the end up."""
REFLECTION: Final = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
"""The name that Dapr's .NET SDK asks for, and the one of older tools; the messages are the same."""
SERVICES: Final = (SERVICE, health.SERVICE_NAME, *REFLECTION)

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Lookup: TypeAlias = Callable[[grpc.HandlerCallDetails], Awaitable["Handler | None"]]


class GrpcServer:
    """One server, for the life of the process."""

    def __init__(self, service: DaprService, door: Door) -> None:
        with patient_threads():
            self._server = grpc.aio.server(interceptors=(Guard(door),), options=OPTIONS)
        self._health = health.aio.HealthServicer()
        self._server.add_generic_rpc_handlers((service.handler(), Reflection()))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    def listen(self, addresses: Sequence[str], flag: str) -> None:
        """Listen there; raises CommandError when one is not to be had, and `flag` is how to choose another."""
        for address in addresses:
            try:
                self._server.add_insecure_port(address)
            except RuntimeError:
                raise CommandError(f"gRPC cannot listen on {address}; choose another port with {flag}") from None

    async def start(self) -> None:
        """Start to answer, and say so to whoever asks for health."""
        await self._health.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
        await self._server.start()

    async def refuse(self) -> None:
        """Say to whoever asks for health that nothing new is taken."""
        await self._health.enter_graceful_shutdown()

    async def stop(self, *, at_once: bool) -> None:
        """End, and let replies that are on their way go out unless `at_once`."""
        await self._server.stop(None if at_once else GRACE_S)


@contextmanager
def patient_threads() -> Iterator[None]:
    """Let threads that are started meanwhile wait for their turn when they wake up, where the system can do that.

    The first server starts the thread that tells the event loop what has come, and that wakes up several times in each
    call. Where both share a core it would interrupt the loop each time: an eighth of a call's CPU. Source: sched(7).
    """
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        with suppress(AttributeError, OSError):  # not Linux; a sandbox that forbids it
            os.sched_setscheduler(thread.native_id or 0, os.SCHED_BATCH, os.sched_param(0))


class Guard(grpc.aio.ServerInterceptor):
    """Lets nobody in without a token, if one is needed; as in Dapr nothing is exempt, health and reflection neither."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def intercept_service(
        self, continuation: Lookup, handler_call_details: grpc.HandlerCallDetails
    ) -> "Handler | None":
        """Return the method's handler, or one that refuses."""
        given = dict(handler_call_details.invocation_metadata or ()).get(API_TOKEN_HEADER, "")
        token = given if isinstance(given, bytes) else given.encode()
        return await continuation(handler_call_details) if self._door.admits(token) else _REFUSING


async def _refuse(_: object, context: Context) -> None:
    await abort(context, Unauthorized("invalid api token"))


_REFUSING: Final["Handler"] = grpc.stream_stream_rpc_method_handler(_refuse)
"""Of a stream, whatever the method is: it does not wait for a message first."""


class Reflection(grpc.GenericRpcHandler):
    """Server reflection under both names, imported when it is asked: 4 MiB, and a tenth of the start's time."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "Handler | None":
        """Return the method's handler, if it is one of reflection."""
        return _reflected() if handler_call_details.method in _REFLECTION_METHODS else None


_REFLECTION_METHODS: Final = {f"/{name}/ServerReflectionInfo" for name in REFLECTION}


@cache
def _reflected() -> Handler:
    from grpc_reflection.v1alpha import reflection, reflection_pb2  # noqa: PLC0415 - as above

    return grpc.stream_stream_rpc_method_handler(
        reflection.aio.ReflectionServicer(SERVICES).ServerReflectionInfo,
        reflection_pb2.ServerReflectionRequest.FromString,
        reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
