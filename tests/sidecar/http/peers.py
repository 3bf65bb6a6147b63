"""The other side: a server of a few lines that says, byte for byte, what a test wants."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nX-Mark: m\r\nRetry-After: 3\r\ntransfer-encoding: chunked\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Caller:
    """One connection, as the server sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int
    """Connections before it."""
    requests: list[bytes]
    """Every request of every connection so far, whole."""

    async def asked(self) -> bytes:
        """Wait for the next request, and return it whole; raises EOFError when the caller is gone."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        request = head + await self.reader.readexactly(length)
        self.requests.append(request)
        return request

    async def say(self, answer: bytes) -> None:
        """Send bytes."""
        self.writer.write(answer)
        await self.writer.drain()

    async def gone(self) -> None:
        """Wait until the caller is gone."""
        while await self.reader.read(65536):
            pass


Talk = Callable[[Caller], Awaitable[None]]


@dataclass(slots=True)
class Peer:
    """A server that is up."""

    url: str
    port: int
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    left: int = 0
    """Connections that are over."""


@asynccontextmanager
async def serving(talk: Talk, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    """Serve inside the block: `talk` has each connection to itself, which is closed when it returns."""
    peer = Peer("", 0)
    talking: set[asyncio.Task[object] | None] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        talking.add(task)
        caller = Caller(reader, writer, peer.connections, peer.requests)
        peer.connections += 1
        try:
            await talk(caller)
        except (EOFError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            peer.left += 1
            talking.discard(task)

    server = await asyncio.start_server(accept, host, 0, ssl=tls)
    peer.port = server.sockets[0].getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    peer.url = f"http{'s' if tls else ''}://{shown}:{peer.port}/"
    try:
        yield peer
    finally:
        server.close()
        left = [task for task in talking if task is not None]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def answering(*answers: bytes) -> Talk:
    """Give each request of a connection the next of these, then close."""

    async def talk(caller: Caller) -> None:
        for answer in answers:
            await caller.asked()
            await caller.say(answer)

    return talk


async def polite(caller: Caller) -> None:
    """Answer every request, and close when the caller does."""
    while True:
        await caller.asked()
        await caller.say(OK)
