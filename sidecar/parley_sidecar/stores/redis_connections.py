"""Connections to Redis, with or without TLS, as `redis_clients` and `redis_cluster` need them.

One TLS context serves all connections of a client: redis-py makes one for each, while nothing else runs for tens of
milliseconds, and trusts the system's authorities beside the given one.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from typing import Any

from redis.asyncio.connection import Connection
from redis.asyncio.sentinel import SentinelManagedConnection
from redis.exceptions import TimeoutError as RedisTimeoutError

from parley_sidecar.store_address import Host


def tls_context(ca_pem: str) -> ssl.SSLContext:
    """Return a context that trusts this authority, or where it is empty the system's.

    Raises:
        ValueError: when `ca_pem` is no certificate.
    """
    try:
        return ssl.create_default_context(cadata=ca_pem or None)
    except (ssl.SSLError, ValueError) as error:
        raise ValueError("the store's authority must be certificates in PEM") from error


class StoreConnection(Connection):
    """A connection over TLS if there is a context."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, **options: Any) -> None:
        """Take redis-py's options; nothing is connected yet."""
        super().__init__(**options)
        self._tls = tls

    def _connection_arguments(self) -> Mapping[str, Any]:
        return {**super()._connection_arguments(), "ssl": self._tls}


class MasterConnection(SentinelManagedConnection, StoreConnection):
    """A connection to the master of now."""


class AnyNodeConnection(StoreConnection):
    """A connection to another node each time it is made."""

    def __init__(self, *, choose: Callable[[], Host], **options: Any) -> None:
        """Take redis-py's options; `choose` is asked for a node at each attempt."""
        super().__init__(**options)
        self._choose = choose

    async def _connect(self) -> None:
        self.host, self.port = self._choose()
        await super()._connect()  # type: ignore[no-untyped-call] # so redis-py


class NodeConnection(StoreConnection):
    """A connection that gives up by itself, after `socket_connect_timeout`, so that the map is drawn anew in time.

    One that the server has closed while it was idle is made anew, as redis-py's pools do.
    """

    async def send_packed_command(self, *arguments: Any, **options: Any) -> None:
        """Send a command."""
        if self.is_connected and await self.can_read():
            await self.disconnect()
        await super().send_packed_command(*arguments, **options)

    async def read_response(self, *arguments: Any, **options: Any) -> Any:
        """Return an answer."""
        try:
            async with asyncio.timeout(self.socket_connect_timeout):
                return await super().read_response(*arguments, **options)
        except TimeoutError as error:
            raise RedisTimeoutError("the node does not answer") from error
