"""Connections that are kept between requests. Used by `http_client`.

The one that was used last goes first, so that what a burst needed becomes idle and is closed.
"""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Final

from parley_sidecar.errors import ProviderUnavailable
from parley_sidecar.http.connecting import CONNECT_TIMEOUT_S, opened, system_trust, unreachable
from parley_sidecar.http.connection import Connection
from parley_sidecar.http.urls import Origin


@dataclass(frozen=True, slots=True)
class Patience:
    """How patient a client is, in seconds. The whole request is bounded by the layers."""

    connect_s: float = CONNECT_TIMEOUT_S
    """Until a connection stands, TLS included."""
    keep_alive_s: float = 30.0
    """How long an idle connection is kept; below the usual 60 s of load balancers, so that few are found closed."""
    stale_s: float = 1.0
    """How soon after a request a close shows that both crossed on their way: more than any round trip takes."""


USUAL: Final = Patience()


class Pool:
    """The open connections of one client; as many as there are requests, for nobody waits for one here."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._idle: dict[Origin, list[Connection]] = {}
        self._open: set[Connection] = set()
        self._none_open = asyncio.Event()
        self._none_open.set()
        self._sweep: asyncio.TimerHandle | None = None

    def kept(self, origin: Origin) -> Connection | None:
        """Return an idle connection to send a request on, or None."""
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if not connection.is_closing:
                return connection
        return None

    async def opened(self, origin: Origin) -> Connection:
        """Open a connection to send a request on.

        Raises:
            ProviderUnavailable: when that fails.
        """
        made = partial(Connection, origin, self, self._patience.stale_s)
        try:
            connection = await opened(origin, made, system_trust() if origin.is_tls else None, self._patience.connect_s)
        except OSError as error:
            raise unreachable(error) from error
        if connection.is_closing:
            raise ProviderUnavailable("the provider broke the connection")
        return connection

    async def aclose(self) -> None:
        """Close every connection, and wait until they are gone."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        self._idle.clear()
        for connection in tuple(self._open):
            connection.close()
        await self._none_open.wait()

    # What connections say of themselves

    def made(self, connection: Connection) -> None:
        """Remember one that stands."""
        self._open.add(connection)
        self._none_open.clear()

    def keep(self, connection: Connection) -> None:
        """Take one back that can carry another request."""
        self._idle.setdefault(connection.origin, []).append(connection)
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(self._patience.keep_alive_s, self._close_idle)

    def gone(self, connection: Connection) -> None:
        """Forget one that is closed."""
        self._open.discard(connection)
        if not self._open:
            self._none_open.set()
        idle = self._idle.get(connection.origin)
        if idle and connection in idle:
            idle.remove(connection)

    def _close_idle(self) -> None:
        """Close what has been idle for too long, and come again when the next one will have been."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() - self._patience.keep_alive_s
        for origin, idle in tuple(self._idle.items()):
            for connection in idle:
                if connection.idle_since_s <= end_s:
                    connection.close()
            left = self._idle[origin] = [connection for connection in idle if connection.idle_since_s > end_s]
            if not left:
                del self._idle[origin]
        self._sweep = None
        if self._idle:
            next_s = min(idle[0].idle_since_s for idle in self._idle.values()) + self._patience.keep_alive_s
            self._sweep = loop.call_at(next_s, self._close_idle)
