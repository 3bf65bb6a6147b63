"""The HTTP client: the only module that knows aiohttp. Providers post with it, the stream source connects with it.

Foreign exceptions become ours here and nowhere else. One pool of keep-alive connections for the whole process.
"""

import asyncio
import importlib.util
import re
import ssl
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Final, Self

from parley_sidecar.errors import ParleyError, ProviderGarbled, ProviderUnavailable


def _when_used(name: str) -> ModuleType:
    """Return a module that loads itself at its first use. Source: importlib's docs, "Implementing lazy imports"."""
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(name)
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if TYPE_CHECKING:
    import aiohttp
else:
    aiohttp = _when_used("aiohttp")  # a fifth of the start's time and 8 MiB, which an echo on a laptop never needs

MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024
"""The largest answer that is read from a provider."""
CONNECT_TIMEOUT_S: Final = 5.0
"""Until a connection stands: with two retries a dead address is given up within 20 s. Source: OpenAI's SDK.

The whole request is bounded by the layers."""
KEEP_ALIVE_S: Final = 30.0
"""How long an idle connection is kept; below the usual 60 s of load balancers, so that few are found closed."""
MAX_RETRY_AFTER_S: Final = 3600.0
"""The longest wait that is believed."""
LINGER_S: Final = 0.05
"""How long a stream's end is waited for once its last event is here: less than a new connection over TLS costs."""
MAX_STREAM_BYTES: Final = 256 * 1024 * 1024
"""The longest streamed answer: some 300 bytes of framing come with each token, so it is far above a whole one's."""

_MILLISECONDS: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,6})?", re.ASCII)


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

    def __init__(self, reply: "aiohttp.ClientResponse") -> None:
        self._reply = reply

    @property
    def status(self) -> int:
        """The status code."""
        return self._reply.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; case does not matter when looking up a name."""
        return self._reply.headers

    @property
    def retry_after_s(self) -> float | None:
        """The wait that the answer asks for, in seconds, or None."""
        return asked_wait_s(self._reply.headers, time.time())

    async def read(self) -> bytes:
        """Read the whole body.

        Raises:
            ProviderUnavailable: when it is cut off.
            ProviderGarbled: when it is over 16 MiB.
        """
        with mapping():
            return await _bounded(self._reply)

    def chunks(self, limit_bytes: int = MAX_STREAM_BYTES) -> "Chunks":
        """Iterate the body as it comes, in pieces of any size.

        Raises:
            ProviderUnavailable: when it is cut off.
            ProviderGarbled: when it is over the limit.
        """
        return Chunks(self._reply.content, limit_bytes)

    async def finish(self) -> None:
        """Wait a moment for the end of a body that has no more to say, so that its connection can be used again."""
        with suppress(TimeoutError, aiohttp.ClientError):
            async with asyncio.timeout(LINGER_S):
                await self._reply.content.readany()


class Chunks:
    """The pieces of a body. No generator, so that nothing is left to be finalized when its reader stops early."""

    def __init__(self, content: "aiohttp.StreamReader", limit_bytes: int) -> None:
        self._content = content
        self._left_bytes = limit_bytes

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        with mapping():
            chunk = await self._content.readany()
            self._left_bytes -= len(chunk)
            if self._left_bytes < 0:
                raise ValueError("too long")
        if not chunk:
            raise StopAsyncIteration
        return chunk


class RefusedError(Exception):
    """The other side answered a WebSocket's opening with this status instead of taking it."""

    def __init__(self, status: int, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"refused with status {status}")
        self.status = status
        self.reason = reason
        self.retry_after_s = retry_after_s


class WebSocket:
    """An open WebSocket that carries text messages."""

    def __init__(self, connection: "aiohttp.ClientWebSocketResponse[bool]") -> None:
        self._connection = connection

    async def send(self, text: str) -> None:
        """Send a message.

        Raises:
            ProviderUnavailable: when the connection is gone.
        """
        try:
            await self._connection.send_str(text)
        except (aiohttp.ClientError, ConnectionError) as error:
            raise ProviderUnavailable("the connection was lost") from error

    async def messages(self) -> AsyncIterator[str]:
        """Iterate the other side's messages until the connection closes."""
        async for message in self._connection:
            if message.type is aiohttp.WSMsgType.TEXT:
                yield message.data


class HttpClient:
    """A pool of connections, opened when it is first used, in the running loop."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> HttpReply:
        """Post `body` and read the whole answer, whatever its status. Redirects are never followed.

        Raises:
            ProviderUnavailable: when there is no connection, or it breaks.
            ProviderGarbled: when the answer is not HTTP or over 16 MiB.
        """
        try:
            async with self._opened().post(url, headers=headers, data=body, allow_redirects=False) as reply:
                return HttpReply(reply.status, reply.headers, await _bounded(reply))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise mapped(error) from error

    @asynccontextmanager
    async def exchange(self, url: str, headers: Mapping[str, str], body: bytes) -> AsyncIterator[Exchange]:
        """Post `body`, and hold the answer open inside the block; leaving it early ends the connection.

        For answers that stream. Redirects are never followed.

        Raises:
            ProviderUnavailable: when there is no connection, or it breaks before the head of the answer.
            ProviderGarbled: when the answer is not HTTP.
        """
        with mapping():
            reply = await self._opened().post(url, headers=headers, data=body, allow_redirects=False)
        async with reply:
            yield Exchange(reply)

    @asynccontextmanager
    async def websocket(
        self, url: str, *, token: str, ca_pem: str, heartbeat_s: float, max_bytes: int
    ) -> AsyncIterator[WebSocket]:
        """Open a WebSocket over TLS with a bearer token; `ca_pem` holds the only authorities that are trusted.

        Raises:
            RefusedError: when the other side answers with another status than 101.
            ProviderUnavailable: when it cannot be reached, does not prove who it is, or `ca_pem` is no PEM.
        """
        try:
            connection = await self._opened().ws_connect(
                url,
                headers={"Authorization": f"Bearer {token}"},
                ssl=_trusting(ca_pem),
                heartbeat=heartbeat_s,
                max_msg_size=max_bytes,
            )
        except aiohttp.WSServerHandshakeError as error:
            asked_s = asked_wait_s(error.headers or {}, time.time())
            raise RefusedError(error.status, error.message, asked_s) from error
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise mapped(error, "the operator") from error
        async with connection:
            yield WebSocket(connection)

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session:
            await self._session.close()
            self._session = None

    def _opened(self) -> "aiohttp.ClientSession":
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                # Answers are small; unpacked, a few bytes could become gigabytes.
                headers={"Accept-Encoding": "identity"},
                auto_decompress=False,
            )
        return self._session


def _trusting(ca_pem: str) -> ssl.SSLContext:
    """Return a context that trusts these authorities, or the system's where there are none."""
    try:
        return ssl.create_default_context(cadata=ca_pem or None)
    except (ssl.SSLError, ValueError) as error:
        raise ProviderUnavailable("the operator's trust anchors are no certificates") from error


def mapped(error: Exception, who: str = "the provider") -> ParleyError:
    """Return our error for one of aiohttp's, without a word of its text: that may hold an address with a key."""
    for kinds, ours, what in _meanings():
        if isinstance(error, kinds):
            return ours(f"{who}{what}")
    return ProviderUnavailable(f"{who} broke the connection")


@contextmanager
def mapping() -> Iterator[None]:
    """Raise our error for one of aiohttp's that happens inside the block."""
    try:
        yield
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise mapped(error) from error


def asked_wait_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """Return the seconds that an answer asks its caller to wait; None when it does not, or cannot be read.

    `now_s` is Unix time. `retry-after-ms` is finer and goes first. Source: OpenAI's and Azure's published SDKs.
    """
    finer = headers.get("retry-after-ms")
    if finer and _MILLISECONDS.fullmatch(finer):
        return min(float(finer) / 1000, MAX_RETRY_AFTER_S)
    text = headers.get("Retry-After")
    return wait_s(text, now_s) if text else None


def wait_s(retry_after: str, now_s: float) -> float | None:
    """Return the seconds that Retry-After asks for, within an hour; None when it cannot be read.

    `now_s` is Unix time, for its date form. Source: RFC 9110 10.2.3.
    """
    if retry_after.isascii() and retry_after.isdigit():
        return min(float(retry_after), MAX_RETRY_AFTER_S)
    try:
        asked_s = parsedate_to_datetime(retry_after).timestamp() - now_s
    except (ValueError, OverflowError):
        return None
    return min(max(asked_s, 0.0), MAX_RETRY_AFTER_S)


@cache
def _meanings() -> tuple[tuple[tuple[type[Exception], ...], type[ParleyError], str], ...]:
    """Return the table: foreign classes, ours, and what to say of whom it was. The most specific first."""
    return (
        ((aiohttp.InvalidURL,), ProviderUnavailable, "'s endpoint is not a URL"),
        (
            (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError),
            ProviderUnavailable,
            "'s certificate could not be verified",
        ),
        ((aiohttp.ClientConnectorDNSError,), ProviderUnavailable, "'s host name could not be resolved"),
        (
            (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError),
            ProviderUnavailable,
            " could not be reached",
        ),
        ((aiohttp.ClientPayloadError,), ProviderUnavailable, "'s answer was cut off"),
        ((aiohttp.ClientResponseError, ValueError), ProviderGarbled, "'s answer is not HTTP, or too long"),
    )


async def _bounded(reply: "aiohttp.ClientResponse") -> bytes:
    """Read the body in one piece where its length is known and small, else piece by piece up to the limit."""
    if reply.content_length is not None and reply.content_length <= MAX_ANSWER_BYTES:
        return await reply.read()
    pieces, total = [], 0
    async for piece in reply.content.iter_any():
        pieces.append(piece)
        total += len(piece)
        if total > MAX_ANSWER_BYTES:
            raise ValueError("too long")
    return b"".join(pieces)
