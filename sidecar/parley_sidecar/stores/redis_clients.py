"""Clients for every kind of Redis: one server, a cluster, a master that Sentinels know. `redis` uses them.

None retries on its own: redis-py would try ten times, for five seconds each. A failed operation has failed; the next
one finds the new master, or the node that replaced another. redis-py's own limit on each operation is off: it makes a
task of every command, and asyncio.wait_for in it may lose a cancellation (CPython issue 86296, before 3.12).
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from parley_sidecar.store_address import Host, StoreAddress, User, read_store_address
from parley_sidecar.stores.redis_cluster import Cluster
from parley_sidecar.stores.redis_connections import (
    AnyNodeConnection,
    MasterConnection,
    StoreConnection,
    tls_context,
)
from parley_sidecar.stores.redis_lines import Ask, Lines


@dataclass(frozen=True, slots=True)
class Clients:
    """What speaks to one Redis. Close it once."""

    ask: Ask
    """What is asked at requests. Scripts go by EVALSHA, then EVAL: in a cluster, SCRIPT LOAD needs every node."""
    commands: Redis | Cluster
    """For what is asked seldom."""
    server_of: Callable[[bytes], str]
    """Names the server that holds a key; empty where there is one, or none is known yet."""
    _listeners: Redis
    """With connections of its own: a subscription keeps one."""
    _close: Callable[[], Awaitable[None]]
    """Ends what `ask` holds."""
    _sentinels: Sentinel | None = None

    def subscriber(self) -> PubSub:
        """Return a new pub/sub on one node, which is any in a cluster: each of them hears every message."""
        return self._listeners.pubsub()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._close()
        await self._listeners.aclose()
        if self._sentinels:
            await self._sentinels.aclose()


def open_client(url: str, ca_pem: str, limit_s: float) -> Clients:
    """Make clients for a Redis URL; nothing is connected yet.

    `ca_pem` is the authority that TLS trusts, the system's where it is empty; `limit_s` the longest wait for an answer.

    Raises:
        ValueError: when `url` or `ca_pem` is none; no text of them is in the message.
    """
    address = read_store_address(url)
    socket = _socket(address, ca_pem, limit_s)
    if address.kind == "cluster":
        return _cluster(address, socket)
    if address.kind == "sentinel":
        return _sentinel(address, socket)
    return _server(address, socket)


def _server(address: StoreAddress, socket: dict[str, Any]) -> Clients:
    host, port = address.hosts[0]
    options = {**socket, **_user(address.user), "host": host, "port": port, "db": address.database}
    return _lines(ConnectionPool(connection_class=StoreConnection, **options), socket)


def _sentinel(address: StoreAddress, socket: dict[str, Any]) -> Clients:
    sentinels = _Sentinels(address, socket)
    options = {**socket, **_user(address.user), "db": address.database, "connection_class": MasterConnection}
    pool = SentinelConnectionPool(address.master, sentinels, **options)  # type: ignore[no-untyped-call] # so redis-py
    return _lines(pool, socket, sentinels)


def _lines(pool: ConnectionPool, socket: Mapping[str, Any], sentinels: Sentinel | None = None) -> Clients:
    """Return clients of one server; the pool is for subscriptions, and for what is asked seldom."""
    lines, client = Lines(pool.make_connection, socket["socket_connect_timeout"]), Redis.from_pool(pool)
    return Clients(lines.ask, client, lambda _: "", client, lines.aclose, sentinels)


class _Sentinels(Sentinel):
    """Those who know the master. They are asked aside: a silent one costs its time once, and then comes last."""

    def __init__(self, address: StoreAddress, socket: Mapping[str, Any]) -> None:
        super().__init__([])  # type: ignore[no-untyped-call] # so redis-py
        limit = {"socket_timeout": socket["socket_connect_timeout"]}  # for nobody waits for the search
        options = {**socket, **limit, **_user(address.sentinel_user), "connection_class": StoreConnection}
        pools = (ConnectionPool(host=host, port=port, **options) for host, port in address.hosts)
        self.sentinels = [Redis.from_pool(pool) for pool in pools]
        self._asking: asyncio.Task[Host] | None = None

    async def discover_master(self, service_name: str) -> Host:
        """Return where the master is now: one search for all who need it, which ends even if they do not wait."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(super().discover_master(service_name))
        return await asyncio.shield(self._asking)

    async def aclose(self) -> None:
        """End the search, and close every connection."""
        if self._asking:
            self._asking.cancel()
            await asyncio.wait([self._asking])
        await super().aclose()


def _cluster(address: StoreAddress, socket: dict[str, Any]) -> Clients:
    options = {**socket, **_user(address.user)}
    cluster = Cluster(address.hosts, **options)

    def live() -> Host:
        known = [(node.host, int(node.port)) for node in cluster.get_nodes()]
        return random.choice(known or address.hosts)  # noqa: S311 - to spread them

    listeners = ConnectionPool(connection_class=AnyNodeConnection, choose=live, **options)
    return Clients(cluster.ask, cluster, cluster.server_of, Redis.from_pool(listeners), cluster.shut)


def _socket(address: StoreAddress, ca_pem: str, limit_s: float) -> dict[str, Any]:
    return {
        "tls": tls_context(ca_pem) if address.tls else None,
        "socket_connect_timeout": limit_s,
        "socket_timeout": None,
        "retry": Retry(NoBackoff(), 0),
        # Where they are on, redis-py does not look whether the server has closed an idle connection.
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }


def _user(user: User) -> dict[str, Any]:
    return {"username": user.name, "password": user.password}
