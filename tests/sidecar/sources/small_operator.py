"""The operator's end of the stream in a few lines: a WebSocket server over TLS that sends what a test says."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from e2e.cluster.certificates import Authority
from parley_crds.names import STREAM_PATH


def authority(directory: Path) -> Path:
    """Make an authority that signed a certificate for 127.0.0.1, and return its directory."""
    made = Authority(directory)
    made.create()
    made.issue("leaf", "/CN=operator", ["127.0.0.1"])
    return directory


def anchors(directory: Path) -> str:
    """Return what trusts that authority, in PEM."""
    return (directory / "ca.crt").read_text()


class SmallOperator:
    """Accepts sidecars, sends them the current message, and writes down what they say."""

    def __init__(self) -> None:
        self.message = ""
        """Sent at each connect; empty: nothing is sent."""
        self.refusal: int | None = None
        """The status that sidecars are refused with, instead of taking them."""
        self.retry_after = ""
        """What they are asked to wait then; empty: nothing is said of it."""
        self.silent = False
        """Whether connections are left without any answer."""
        self.tokens: list[str] = []
        self.acknowledged: list[dict[str, Any]] = []
        self._open: set[web.WebSocketResponse] = set()

    @asynccontextmanager
    async def serving(self, directory: Path, port: int) -> AsyncIterator[None]:
        """Listen meanwhile, with the certificate of an authority."""
        app = web.Application()
        app.router.add_get(STREAM_PATH, self._accept)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(directory / "leaf.crt", directory / "leaf.key")
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
        try:
            yield
        finally:
            await self.hang_up()
            await runner.cleanup()

    async def send(self, message: str) -> None:
        """Send a message to everybody, and to whoever connects later."""
        self.message = message
        for socket in tuple(self._open):
            await socket.send_str(message)

    async def hang_up(self) -> None:
        """Close every connection."""
        for socket in tuple(self._open):
            await socket.close()

    async def _accept(self, request: web.Request) -> web.StreamResponse:
        self.tokens.append(request.headers.get("Authorization", ""))
        if self.silent:
            await asyncio.Event().wait()
        if self.refusal:
            asked = {"Retry-After": self.retry_after} if self.retry_after else {}
            return web.Response(status=self.refusal, text="sk-hush", headers=asked)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._open.add(socket)
        if self.message:
            await socket.send_str(self.message)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                self.acknowledged.append(json.loads(message.data))
        self._open.discard(socket)
        return socket
