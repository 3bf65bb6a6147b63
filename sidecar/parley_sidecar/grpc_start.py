"""gRPC on its own port, switched on or off: `run` asks here, and nothing of gRPC is imported where it is off.

The port is tried before that, so that a taken one is told as quickly as the others.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from parley_sidecar.assembly import Parts
from parley_sidecar.serve import LOOPBACK, listening

if TYPE_CHECKING:
    from parley_sidecar.grpc_server import GrpcServer

FLAG: Final = "--grpc-port"
VARIABLES: Final = {
    "GRPC_VERBOSITY": "NONE",
    "GRPC_ENABLE_FORK_SUPPORT": "0",
    "GRPC_EXPERIMENTS": "-event_engine_listener",
}
"""What gRPC's core is told. It would write lines of its own to standard error. We start an application by exec alone,
so that the child needs none of it. And it would read its connections in threads of its own, beside the `grpc.aio` one
that wakes the event loop: without them a call changes threads once less, a tenth of its CPU. A release that no longer
knows this word goes without. Source: grpc/doc/environment_variables.md, and `make bench`."""


def free_addresses(port: int) -> tuple[str, ...]:
    """Return where gRPC can listen on loopback, nowhere if the port is 0; raises CommandError if it is taken."""
    if not port:
        return ()
    listeners = listening(port, LOOPBACK, FLAG)
    names = [listener.getsockname()[0] for listener in listeners]
    for listener in listeners:
        listener.close()
    return tuple(f"[{name}]:{port}" if ":" in name else f"{name}:{port}" for name in names)


@asynccontextmanager
async def answering(
    addresses: tuple[str, ...], parts: Parts, stop: Callable[[], None], hurry: asyncio.Event
) -> AsyncIterator["GrpcServer | None"]:
    """Answer gRPC meanwhile; at the end let replies that are on their way go out, or not if `hurry` is set."""
    if not addresses:
        yield None
        return
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)
    from parley_sidecar.grpc_calls import DaprService  # noqa: PLC0415 - gRPC and protobuf
    from parley_sidecar.grpc_server import GrpcServer  # noqa: PLC0415 - as above

    server = GrpcServer(DaprService(parts.registry, parts.door, parts.metrics, parts.metadata, stop), parts.door)
    server.listen(addresses, FLAG)
    await server.start()
    try:
        yield server
    finally:
        await server.stop(at_once=hurry.is_set())
