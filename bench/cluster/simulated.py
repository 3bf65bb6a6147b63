"""One simulated sidecar: its WebSocket to the operator, its answers, and its coming back as a sidecar does.

`streams` runs ten thousand of them in one process, so a connection is a bare protocol and answers within one call.
"""

import asyncio
import random
import re
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, cast

import msgspec

from bench.cluster.frames import CLOSE, PING, TEXT, Frame, Splitter, frame
from parley_crds import names
from parley_sidecar.sources.stream import asked_pause_s, pause_s

PONG: Final = 10
OPEN_LIMIT_S: Final = 10.0
"""How long a connection may take until the stream stands, as in a sidecar."""
_RETRY_AFTER: Final = re.compile(rb"(?i)\r\nretry-after: *(\d+)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the operator is."""

    host: str
    port: int
    tls: ssl.SSLContext

    def request(self, token: str) -> bytes:
        """Return the handshake's request."""
        lines = (
            f"GET {names.STREAM_PATH} HTTP/1.1",
            f"Host: {self.host}:{self.port}",
            f"Authorization: Bearer {token}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: c2ltdWxhdGVkIHNpZGVjYQ==",
        )
        return "\r\n".join((*lines, "", "")).encode()


class _Hash(msgspec.Struct, frozen=True):
    """What is read of a snapshot."""

    hash: str


class Simulated:
    """One sidecar, as far as its stream goes."""

    __slots__ = ("_place", "_socket", "arrived_s", "connected_s", "hash", "refusals", "request")

    def __init__(self, place: Place, token: str) -> None:
        self._place = place
        self.request = place.request(token)
        """What it asks with."""
        self._socket: _Socket | None = None
        self.hash = ""
        """Of the last snapshot."""
        self.arrived_s = 0.0
        """When it came, by the monotonic clock."""
        self.connected_s = 0.0
        """When the first snapshot of this connection came."""
        self.refusals = 0
        """Attempts that were told to come later."""

    @property
    def is_connected(self) -> bool:
        """Whether it has a snapshot by the connection that it has now."""
        return self._socket is not None and self._socket.has_snapshot

    async def run(self) -> None:
        """Stay connected until cancelled."""
        failures = 0
        while True:
            socket = self._socket = _Socket(self)
            with suppress(OSError, TimeoutError):
                await self._follow(socket)
            self._socket = None
            failures = 0 if socket.has_snapshot else failures + 1
            self.refusals += socket.asked_s > 0
            own_s = pause_s(failures, random.random)
            await asyncio.sleep(asked_pause_s(socket.asked_s, own_s) if socket.asked_s else own_s)

    def ping(self) -> None:
        """Send a ping, as sidecars do from time to time."""
        if self._socket is not None and self._socket.has_snapshot:
            self._socket.send(PING, b"")

    def took(self, payload: bytes) -> bytes:
        """Note a snapshot, and return the answer to it."""
        self.arrived_s = time.monotonic()
        self.hash = msgspec.json.decode(payload, type=_Hash).hash
        return f'{{"ack":"{self.hash}"}}'.encode()

    async def _follow(self, socket: "_Socket") -> None:
        """Connect, and stay until the connection ends."""
        place, loop = self._place, asyncio.get_running_loop()
        try:
            async with asyncio.timeout(OPEN_LIMIT_S):
                await loop.create_connection(lambda: socket, place.host, place.port, ssl=place.tls)
                await socket.opened
            await socket.ended
        finally:
            socket.close()


class _Socket(asyncio.Protocol):
    """One connection, from its request to its end."""

    def __init__(self, sidecar: Simulated) -> None:
        loop = asyncio.get_running_loop()
        self._sidecar = sidecar
        self._transport: asyncio.Transport | None = None
        self._head = b""
        self._splitter = Splitter()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.has_snapshot = False
        self.asked_s = 0.0
        """What a refusal asks to wait."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self._transport.write(self._sidecar.request)

    def data_received(self, data: bytes) -> None:
        """Answer what comes."""
        if not self.opened.done():
            data = self._past_head(data)
        for each in self._splitter.feed(data):
            self._take(each)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end."""
        del exc
        for each in (self.opened, self.ended):
            if not each.done():
                each.set_result(None)

    def send(self, opcode: int, payload: bytes) -> None:
        """Send a frame."""
        if self._transport is not None:
            self._transport.write(frame(opcode, payload))

    def close(self) -> None:
        """End it, if it has begun."""
        if self._transport is not None:
            self._transport.close()

    def _past_head(self, data: bytes) -> bytes:
        """Read the server's head; return what follows it."""
        self._head, end, rest = (self._head + data).partition(b"\r\n\r\n")
        if not end:
            return b""
        self.opened.set_result(None)
        if self._head.startswith(b"HTTP/1.1 101"):
            return rest
        asked = _RETRY_AFTER.search(self._head)
        self.asked_s = float(asked[1]) if asked else 0.0
        self.close()
        return b""

    def _take(self, taken: Frame) -> None:
        if taken.opcode == TEXT:
            self.send(TEXT, self._sidecar.took(taken.payload))
            if not self.has_snapshot:
                self.has_snapshot = True
                self._sidecar.connected_s = self._sidecar.arrived_s
        elif taken.opcode == PING:
            self.send(PONG, taken.payload)
        elif taken.opcode == CLOSE:
            self.send(CLOSE, taken.payload)
            self.close()
