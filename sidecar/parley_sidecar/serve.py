"""Sockets and uvicorn servers: the API on loopback alone, metrics and health on all interfaces.

uvicorn parses with httptools, logs no requests, speaks no WebSocket, and leaves signals to `signals`.
"""

import asyncio
import errno
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import uvicorn

from parley_sidecar.command_error import CommandError
from parley_sidecar.http_protocol import HttpProtocol

LOOPBACK: Final = ("127.0.0.1", "::1")
EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - the kubelet and Prometheus come from outside the pod
BACKLOG: Final = 2048
KEEP_ALIVE_S: Final = 75
"""How long an idle connection stays open: longer than clients keep theirs, so that it is they who close."""

_ABSENT: Final = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}


def listening(port: int, addresses: Sequence[str], flag: str) -> list[socket.socket]:
    """Listen on each of the addresses that this machine has; IPv6 may be absent.

    Raises:
        CommandError: when the port is not to be had; `flag` is how to choose another.
    """
    opened: list[socket.socket] = []
    try:
        for address in addresses:
            opened += _listeners(address, port)
    except OSError as error:
        for listener in opened:
            listener.close()
        what = "is taken by another program" if error.errno == errno.EADDRINUSE else f"cannot be used: {_words(error)}"
        raise CommandError(f"port {port} {what}; choose another with {flag}") from None
    return opened


def _listeners(address: str, port: int) -> list[socket.socket]:
    """Listen on one address, if there is such an address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        listener = socket.create_server((address, port), family=family, backlog=BACKLOG)
    except OSError as error:
        if family == socket.AF_INET6 and error.errno in _ABSENT:
            return []
        raise
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what it accepts inherits this
    return [listener]


def _words(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else "for an unknown reason"


class Server(uvicorn.Server):
    """A server that says when it is up and leaves signals alone."""

    def __init__(self, app: Callable[..., Any]) -> None:
        config = uvicorn.Config(
            app,
            http=HttpProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
        super().__init__(config)
        self.is_up = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none: two servers would each take them from the other."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self.is_up.set()


@asynccontextmanager
async def serving(app: Callable[..., Any], sockets: list[socket.socket]) -> AsyncIterator[Server]:
    """Serve an app meanwhile; at the end wait for running requests, or not if `force_exit` was set."""
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # its own words about starting and stopping
    server = Server(app)
    task = asyncio.create_task(server.serve(sockets))
    try:
        await server.is_up.wait()
        yield server
    finally:
        server.should_exit = True
        await task
