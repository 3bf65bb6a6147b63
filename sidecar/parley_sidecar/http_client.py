"""The HTTP client: providers post with it, the stream source connects with it. Its parts are in `http/`.

Why our own: docs/adr/0020. Nothing of the environment is read: no proxy, no credentials.

**A request may go out twice.** A server that closes an idle connection may do so while a request is on its way; then it
saw nothing of it. Where a connection that had brought an answer before closes within a second of a request, and without
a byte of an answer, the request is sent once more, on a new connection. RFC 9110 9.2.2 calls that the riskier way for a
POST: browsers go it, Go and aiohttp leave it to the caller. Here a second completion has no effect but its cost, and
`retry` would send it again anyway, after a pause. What a server worked on for longer is never sent again from here.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from parley_sidecar.errors import ParleyError, ProviderGarbled
from parley_sidecar.http.answer import Answer
from parley_sidecar.http.connecting import RefusedError
from parley_sidecar.http.connection import MAX_ANSWER_BYTES
from parley_sidecar.http.heads import head
from parley_sidecar.http.pool import USUAL, Patience, Pool
from parley_sidecar.http.retry_after import asked_wait_s

if TYPE_CHECKING:
    from parley_sidecar.http.websocket import WebSocket

__all__ = ["Chunks", "Exchange", "HttpClient", "HttpReply", "RefusedError", "asked_wait_s"]

LINGER_S: Final = 0.05
"""How long a stream's end is waited for once its last event is here: less than a new connection over TLS costs."""
MAX_STREAM_BYTES: Final = 256 * 1024 * 1024
"""The longest streamed answer: some 300 bytes of framing come with each token, so it is far above a whole one's."""


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A complete HTTP answer, of any status. `body` may hold an account's data: never print or log it."""

    status: int
    headers: Mapping[str, str]
    """Case does not matter when looking up a name."""
    body: bytes = field(repr=False)

    @property
    def retry_after_s(self) -> float | None:
        """The wait that the answer asks for, in seconds, or None."""
        return asked_wait_s(self.headers, time.time())


class Exchange:
    """An HTTP answer whose head is here and whose body is still to come, of any status. Read it once, one way or other.

    The body may hold an account's data: never print or log it.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    @property
    def status(self) -> int:
        """The status code."""
        return self._answer.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; case does not matter when looking up a name."""
        return self._answer.headers

    @property
    def retry_after_s(self) -> float | None:
        """The wait that the answer asks for, in seconds, or None."""
        return asked_wait_s(self._answer.headers, time.time())

    async def read(self) -> bytes:
        """Read the whole body.

        Raises:
            ProviderUnavailable: when it is cut off.
            ProviderGarbled: when it is over 16 MiB.
        """
        return b"".join([chunk async for chunk in self.chunks(MAX_ANSWER_BYTES)])

    def chunks(self, limit_bytes: int = MAX_STREAM_BYTES) -> "Chunks":
        """Iterate the body as it comes, in pieces of any size.

        Raises:
            ProviderUnavailable: when it is cut off.
            ProviderGarbled: when it is over the limit.
        """
        return Chunks(self._answer, limit_bytes)

    async def finish(self) -> None:
        """Wait a moment for the end of a body that has no more to say, so that its connection can be used again."""
        if self._answer.is_complete:
            return
        with suppress(TimeoutError, ParleyError):
            async with asyncio.timeout(LINGER_S):
                while not self._answer.is_complete:
                    await self._answer.more()


class Chunks:
    """The pieces of a body. No generator, so that nothing is left to be finalized when its reader stops early."""

    def __init__(self, answer: Answer, limit_bytes: int) -> None:
        self._answer = answer
        self._left_bytes = limit_bytes

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._answer.take()
        if not chunk:
            raise StopAsyncIteration
        self._left_bytes -= len(chunk)
        if self._left_bytes < 0:
            raise ProviderGarbled("the provider's answer is not HTTP, or too long")
        return chunk


class HttpClient:
    """A pool of connections in the running loop; none is open before the first request."""

    def __init__(self, patience: Patience = USUAL) -> None:
        self._pool = Pool(patience)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> HttpReply:
        """Post `body` and read the whole answer, whatever its status. Redirects are never followed.

        Raises:
            ProviderUnavailable: when `url` is none, there is no connection, or it breaks.
            ProviderGarbled: when the answer is not HTTP or over 16 MiB.
            InvalidComponent: when a header cannot be sent.
        """
        answer = await self._asked(url, headers, body, is_streamed=False)
        return HttpReply(answer.status, answer.headers, answer.body)

    @asynccontextmanager
    async def exchange(self, url: str, headers: Mapping[str, str], body: bytes) -> AsyncIterator[Exchange]:
        """Post `body`, and hold the answer open inside the block; leaving it early ends the connection.

        For answers that stream. Redirects are never followed.

        Raises:
            ProviderUnavailable: when `url` is none, there is no connection, or it breaks before the head of the answer.
            ProviderGarbled: when the answer is not HTTP.
            InvalidComponent: when a header cannot be sent.
        """
        answer = await self._asked(url, headers, body, is_streamed=True)
        try:
            yield Exchange(answer)
        finally:
            answer.leave()

    def websocket(
        self, url: str, *, token: str, ca_pem: str, heartbeat_s: float, max_bytes: int
    ) -> AbstractAsyncContextManager["WebSocket"]:
        """Open a WebSocket as `http.websocket` says; it is not in the pool."""
        from parley_sidecar.http.websocket import websocket  # noqa: PLC0415 - for a stream's source alone

        return websocket(url, token=token, ca_pem=ca_pem, heartbeat_s=heartbeat_s, max_bytes=max_bytes)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()

    async def _asked(self, url: str, headers: Mapping[str, str], body: bytes, *, is_streamed: bool) -> Answer:
        """Send a request on an idle connection, or else on a new one, and wait for the answer or its head."""
        asked = head(url, tuple(headers.items()))
        request = asked.with_body(body)
        connection = self._pool.kept(asked.origin)
        if connection is not None:
            answer = connection.send(request, is_streamed=is_streamed)
            if await answer.arrived():
                return answer
        connection = await self._pool.opened(asked.origin)
        answer = connection.send(request, is_streamed=is_streamed)
        await answer.arrived()
        return answer
