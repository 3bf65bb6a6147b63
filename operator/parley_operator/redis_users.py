"""Users of the chart's own Redis, made by the leader: one for each namespace that has components.

The only module of the operator that knows redis-py; imported where the chart runs Redis. Redis keeps nothing over a
restart, so its users are looked at every few seconds. Until a user is there, its namespace's sidecars do without Redis.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.maint_notifications import MaintNotificationsConfig

from parley_operator.published import Published
from parley_operator.redis_acl import OPERATOR, Command, due, users
from parley_operator.store_section import StoreSource

ROUND_S: Final = 3.0
DEBOUNCE_S: Final = 0.2
LIMIT_S: Final = 2.0
"""How long one look, and what it leads to, may take."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Connection:
    """A client that has signed in with one password, and each user's line as Redis gave it after it was made."""

    password: str = field(repr=False)
    client: Any
    lines: dict[str, str] = field(default_factory=dict)


class RedisUsers:
    """Makes and removes users; only the holder of the Lease runs it."""

    def __init__(
        self,
        store: Callable[[], StoreSource],
        published: Published,
        namespaces: Callable[[], Iterable[str]],
        limit_s: Callable[[], float],
    ) -> None:
        """Make users for `namespaces()` in `store()`, as they are now; a round takes at most `limit_s()` seconds."""
        self._store = store
        self._published = published
        self._namespaces = namespaces
        self._limit_s = limit_s
        self._connection: _Connection | None = None
        self._problem = ""

    async def run(self) -> None:
        """Look after each change and every few seconds, until cancelled; then leave."""
        try:
            while True:
                version = self._published.version
                await self.once()
                with suppress(TimeoutError):
                    async with asyncio.timeout(ROUND_S):
                        await self._published.wait_for_change(version)
                await asyncio.sleep(DEBOUNCE_S)
        finally:
            await self._leave()

    async def once(self) -> None:
        """Look once. A Redis that does not answer, or refuses, is told once, and is asked again in the next round."""
        password = self._store().operator_password
        # With half of the components known, the users of all others would be removed.
        if not (password and self._published.synced):
            return
        try:
            async with asyncio.timeout(min(LIMIT_S, self._limit_s())):
                await self._look(await self._connected(password))
        except (RedisError, OSError, TimeoutError) as error:
            self._say(type(error).__name__)
            await self._leave()  # what is known of its users, too: it may be another server by then
        else:
            self._say("")

    async def _look(self, connection: _Connection) -> None:
        present = users(await connection.client.acl_list())
        commands = due(set(self._namespaces()), connection.password, present, connection.lines)
        if not commands:
            return
        await _send(connection.client, commands)
        connection.lines = users(await connection.client.acl_list())
        facts = {
            "made": [name for _, verb, name, *_ in commands if verb == "SETUSER"],
            "removed": [name for _, verb, name, *_ in commands if verb == "DELUSER"],
        }
        logger.info("users of Redis changed", extra=facts)

    async def _connected(self, password: str) -> _Connection:
        """Return the connection; another password needs another one."""
        if self._connection is None or self._connection.password != password:
            await self._leave()
            self._connection = _Connection(password, client(self._store().url, password))
        return self._connection

    async def _leave(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            await connection.client.aclose()

    def _say(self, problem: str) -> None:
        """Log what is wrong when it begins, and when it is over."""
        before, self._problem = self._problem, problem
        if problem and problem != before:
            logger.error("users of Redis cannot be made", extra={"reason": problem})
        elif before and not problem:
            logger.info("users of Redis can be made again")


def client(url: str, password: str) -> Any:
    """Return a client of the operator's own user, who may do nothing else; a failed operation has failed, at once."""
    place = urlsplit(url)
    return Redis(
        host=place.hostname or "",
        port=place.port or 6379,
        username=OPERATOR,
        password=password,
        decode_responses=True,
        single_connection_client=True,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        driver_info=None,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
        socket_connect_timeout=LIMIT_S,
        socket_timeout=None,  # its limit makes a task of each command, which may lose a cancellation (CPython 86296)
    )


async def _send(connected: Any, commands: Iterable[Command]) -> None:
    """Send them all at once; raises the first refusal."""
    pipeline = connected.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)
    await pipeline.execute()
