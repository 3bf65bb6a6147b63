"""Whether a Redis may throw chat rooms away when its memory is full: asked and said at each connect.

Rooms stay under `noeviction`, where a full server refuses, and under `volatile-ttl`, which begins with what would end
first: the short-lived values of the cache. Source: Redis documentation, key eviction.
"""

import asyncio
import logging
from typing import Any, Final

from redis.exceptions import RedisError

from parley_sidecar.stores.redis_clients import Clients
from parley_sidecar.stores.redis_cluster import Cluster

SAFE_POLICIES: Final = frozenset({"noeviction", "volatile-ttl"})

_log = logging.getLogger(__name__)


async def may_evict_rooms(clients: Clients, limit_s: float) -> bool | None:
    """Say whether a room may be thrown away, with a line in the log if so; None when a server does not tell."""
    every = {"target_nodes": Cluster.PRIMARIES} if isinstance(clients.commands, Cluster) else {}
    try:
        async with asyncio.timeout(limit_s):
            told: dict[str, Any] = await clients.commands.info("memory", **every)
    except (RedisError, OSError):
        return None
    nodes = told.values() if "maxmemory_policy" not in told else (told,)
    policies = {node["maxmemory_policy"] for node in nodes if "maxmemory_policy" in node}
    if unsafe := policies - SAFE_POLICIES:
        _log.warning("shared store may evict chat rooms", extra={"policy": ", ".join(sorted(unsafe))})
    return bool(unsafe) if policies else None
