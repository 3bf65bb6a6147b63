"""The operator's stream: a WebSocket over TLS, with a bearer token. The only module that knows websockets.

`http_client` imports it when a stream is first opened: a laptop's sidecar never does.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from parley_sidecar.errors import ParleyError, ProviderGarbled, ProviderUnavailable
from parley_sidecar.http.connecting import CONNECT_TIMEOUT_S, RefusedError, connected_socket, unreachable
from parley_sidecar.http.heads import Headers
from parley_sidecar.http.retry_after import asked_wait_s
from parley_sidecar.http.urls import Url, parsed

OPEN_TIMEOUT_S: Final = 30.0
"""Until it stands; who opens it has a tighter bound."""
CLOSE_TIMEOUT_S: Final = 1.0
"""How long its end waits for the other side to agree."""
_WHO: Final = "the operator"
_QUIET: Final = logging.getLogger(f"{__name__}.package")
_QUIET.setLevel(logging.CRITICAL)  # at its finest the package prints headers, and a token is among them


class WebSocket:
    """An open WebSocket that carries text messages."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, text: str) -> None:
        """Send a message.

        Raises:
            ProviderUnavailable: when the connection is gone.
        """
        try:
            await self._connection.send(text)
        except ConnectionClosed as error:
            raise ProviderUnavailable("the connection was lost") from error

    async def messages(self) -> AsyncIterator[str]:
        """Iterate the other side's messages until the connection closes."""
        with suppress(ConnectionClosed):
            async for message in self._connection:
                if isinstance(message, str):
                    yield message


@asynccontextmanager
async def websocket(
    url: str, *, token: str, ca_pem: str, heartbeat_s: float, max_bytes: int
) -> AsyncIterator[WebSocket]:
    """Open a WebSocket over TLS with a bearer token; `ca_pem` holds the only authorities that are trusted.

    Redirects are not followed, and no proxy of the environment's is used.

    Raises:
        RefusedError: when the other side answers with another status than 101.
        ProviderUnavailable: when it cannot be reached, does not prove who it is, or `ca_pem` is no PEM.
        ProviderGarbled: when its answer is not HTTP.
    """
    place = _place(url)
    tls = _trusting(ca_pem) if place.origin.is_tls else None
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            connected = await connected_socket(place.origin)
        connection = await _Opening(
            f"{'wss' if tls else 'ws'}://{place.authority}{place.target}",
            sock=connected,
            ssl=tls,
            additional_headers={"Authorization": f"Bearer {token}"},
            compression=None,
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
            ping_interval=heartbeat_s,
            ping_timeout=heartbeat_s / 2,
            max_size=max_bytes,
            logger=_QUIET,
        )
    except InvalidHandshake as error:
        raise _refusal(error) from error
    except OSError as error:
        raise unreachable(error, _WHO) from error
    async with connection:
        yield WebSocket(connection)


class _Opening(connect):
    """Stays where it was sent: a token never follows a redirect."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


def _place(url: str) -> Url:
    try:
        return parsed(f"http{url[2:]}" if url.startswith(("ws:", "wss:")) else url)
    except ValueError as error:
        raise ProviderUnavailable(f"{_WHO}'s endpoint is not a URL") from error


def _refusal(error: InvalidHandshake) -> RefusedError | ParleyError:
    """Return what an answer means that opens no WebSocket."""
    if isinstance(error, InvalidStatus):
        answered = error.response
        headers = Headers((name.encode(), value.encode()) for name, value in answered.headers.raw_items())
        return RefusedError(answered.status_code, asked_wait_s(headers, time.time()))
    if isinstance(error.__cause__, EOFError | OSError):
        return ProviderUnavailable(f"{_WHO} broke the connection")
    return ProviderGarbled(f"{_WHO}'s answer is not HTTP, or too long")


def _trusting(ca_pem: str) -> ssl.SSLContext:
    """Return a context that trusts these authorities, or the system's where there are none."""
    try:
        return ssl.create_default_context(cadata=ca_pem or None)
    except (ssl.SSLError, ValueError) as error:
        raise ProviderUnavailable("the operator's trust anchors are no certificates") from error
