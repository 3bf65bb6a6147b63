"""A client for Redis Cluster that keeps within the store's limit, over redis-py's; `redis_clients` makes it.

redis-py draws the cluster's map within the operation that needs it, and closes every connection for that. Here the map
is drawn aside, so that it is done even if the operation has run out of time, and nobody else is disturbed.
"""

import asyncio
import ssl
from collections.abc import Sequence
from typing import Any, Final, Self

from redis._parsers import AsyncCommandsParser
from redis.asyncio import RedisCluster
from redis.asyncio.cluster import ClusterNode, PipelineCommand
from redis.exceptions import ClusterDownError, RedisClusterException

from parley_sidecar.store_address import Host
from parley_sidecar.stores.redis_connections import NodeConnection
from parley_sidecar.stores.redis_lines import Word

MAX_OPERATIONS: Final = 32
"""Operations beyond them wait for their turn; redis-py would refuse them."""
NODE_SHARE: Final = 0.8
"""How much of an operation's limit one node may take: before the operation is given up, it must be known who failed."""


class Cluster(RedisCluster):
    """Redis Cluster; close it with `shut`."""

    def __init__(self, hosts: Sequence[Host], tls: ssl.SSLContext | None, **options: Any) -> None:
        """Take some of the nodes, and redis-py's options; nothing is connected yet."""
        options["socket_connect_timeout"] *= NODE_SHARE
        nodes = [ClusterNode(host, port) for host, port in hosts]
        options |= {"startup_nodes": nodes, "require_full_coverage": False, "max_connections": 2 * MAX_OPERATIONS}
        super().__init__(**options)
        self.connection_kwargs |= {"connection_class": NodeConnection, "tls": tls}
        for node in self.nodes_manager.startup_nodes.values():
            node.connection_class = NodeConnection
            node.connection_kwargs["tls"] = tls
        self.commands_parser = _FirstKey()
        self._turns = asyncio.Semaphore(MAX_OPERATIONS)
        self._drawing: asyncio.Task[RedisCluster] | None = None

    async def initialize(self, *arguments: Any, **options: Any) -> Self:
        """Draw the map if that is necessary: once for all who need it, and to the end when they do not wait."""
        if self._initialize:
            if self._drawing is None or self._drawing.done():
                self._drawing = asyncio.create_task(super().initialize(*arguments, **options))
            await asyncio.shield(self._drawing)
        return self

    async def aclose(self) -> None:
        """Have the map drawn anew: redis-py closes everything for that, in the midst of others' operations."""
        self._initialize = True

    async def shut(self) -> None:
        """Close every connection."""
        if self._drawing:
            self._drawing.cancel()
            await asyncio.wait([self._drawing])
        self._initialize = True
        await self.nodes_manager.aclose()
        await self.nodes_manager.aclose("startup_nodes")

    def server_of(self, key: bytes) -> str:
        """Name the node that holds a key, as far as the map goes; empty where it does not."""
        nodes = self.nodes_manager.slots_cache.get(self.keyslot(key))
        return nodes[0].name if nodes else ""

    async def ask(self, limit_s: float, *words: Word) -> Any:
        """Return the answer to a command, within a limit; raises what redis-py raises, or TimeoutError."""
        async with asyncio.timeout(limit_s):
            return await self.execute_command(*words)

    async def execute_command(self, *arguments: Any, **options: Any) -> Any:
        """Have a command answered by the node that holds its key."""
        async with self._turns:
            try:
                if arguments[0] == "PUBLISH":
                    options["target_nodes"] = await self._holder(arguments[1])
                return await super().execute_command(*arguments, **options)
            except (KeyError, RedisClusterException) as error:  # the map has a hole, or there is none
                self._initialize = True
                raise ClusterDownError("no node serves this") from error

    async def _holder(self, key: bytes) -> ClusterNode:
        """Return the node that holds a key: redis-py lets any publish, also one that is gone."""
        await self.initialize()
        return self.nodes_manager.get_node_from_slot(self.keyslot(key))

    def get_node(self, host: str | None = None, port: int | None = None, node_name: str | None = None) -> Any:
        """Return a node; one that is not on the map is where a slot is moving to, and redis-py asks for it by name."""
        known = super().get_node(host, port, node_name)
        if not node_name:
            return known
        if not known:
            host, _, at = node_name.rpartition(":")
            known = ClusterNode(host, int(at), "primary", **self.connection_kwargs)
            self.nodes_manager.set_nodes(self.nodes_manager.nodes_cache, {known.name: known})
        return _Importing(known)


class _FirstKey(AsyncCommandsParser):
    """Knows where a command's key stands, without asking: redis-py asks the first node, also when that one is gone."""

    async def initialize(self, node: ClusterNode | None = None) -> None:
        pass

    async def get_keys(self, *arguments: Any) -> tuple[Any, ...]:
        return arguments[1:2]


class _Importing:
    """A node that a slot is moving to: each command goes with its ASKING, on one connection.

    redis-py sends the two on whatever connections are free, and the server forgets the first.
    Source: Redis Cluster specification, ASK redirection.
    """

    def __init__(self, node: ClusterNode) -> None:
        self._node = node

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node, name)

    async def ask(self, limit_s: float, *words: Word) -> Any:
        """Return the answer to a command, within a limit; raises what redis-py raises, or TimeoutError."""
        async with asyncio.timeout(limit_s):
            return await self.execute_command(*words)

    async def execute_command(self, *arguments: Any, **options: Any) -> Any:
        if arguments == ("ASKING",):
            return True
        options.pop("asking", None)
        pair = [PipelineCommand(0, "ASKING"), PipelineCommand(1, *arguments, **options)]
        await self._node.execute_pipeline(pair)
        result = pair[1].result
        if isinstance(result, Exception):
            raise result
        return result
