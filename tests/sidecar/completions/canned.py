"""A server in the test's own loop that answers every request with the same body, in a chunk each piece."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(slots=True)
class Canned:
    """A running server."""

    url: str
    connections: int = 0
    """How many were opened since it started."""


@asynccontextmanager
async def canned(pieces: Sequence[str], media_type: str = "text/event-stream") -> AsyncIterator[Canned]:
    """Run it; each answer's last piece and its end are sent a moment after the others."""
    running = Canned("")

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.connections += 1
        while head := await _head(reader):
            await reader.readexactly(_length(head))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\n" % media_type.encode())
            writer.write(b"transfer-encoding: chunked\r\n\r\n")
            for piece in filter(None, pieces):
                await writer.drain()
                await asyncio.sleep(0)
                writer.write(b"%x\r\n%s\r\n" % (len(piece.encode()), piece.encode()))
            await asyncio.sleep(0)
            writer.write(b"0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    running.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield running


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


def _length(head: bytes) -> int:
    lines = (line.split(b":", 1) for line in head.lower().splitlines() if b":" in line)
    return next(int(value) for name, value in lines if name == b"content-length")
