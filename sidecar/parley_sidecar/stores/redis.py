"""The store that all sidecars share: a Redis server. The only module that knows redis-py.

A frozen or absent server must not cost each request its timeout: the first failure closes the way, and a ping in the
background opens it again. Until then every operation fails at once.
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from parley_crds.stream import StoreSection
from parley_sidecar.errors import StoreUnavailable
from parley_sidecar.model import CacheTier

OPERATION_LIMIT_S: Final = 0.25
"""How long one operation may take, the wait for a connection included: less than asking a provider costs."""
PROBE_FIRST_S: Final = 0.25
PROBE_MOST_S: Final = 5.0
"""How long after a failure the server is asked again: doubling, up to this."""
MAX_CONNECTIONS: Final = 32
"""Operations beyond them wait for their turn."""
_PREFIX: Final = b"parley:"

Result = TypeVar("Result")

_log = logging.getLogger(__name__)


class RedisStore:
    """Bytes by key in Redis. Every method raises `StoreUnavailable` when the server cannot answer in time."""

    tier: CacheTier = "redis"

    def __init__(self, url: str, ca_pem: str = "") -> None:
        """Make a client for `url`; nothing is connected yet.

        Raises:
            ValueError: when `url` is no Redis URL.
        """
        self._client = Redis.from_pool(_pool(url, ca_pem))
        self._probe: asyncio.Task[None] | None = None
        self._closed = False
        self._running = 0
        self._quiet = asyncio.Event()

    @property
    def is_up(self) -> bool:
        """Say whether operations are tried at all."""
        return self._probe is None and not self._closed

    async def get(self, key: bytes) -> bytes | None:
        """Return the value, or None when there is none or its time is over."""
        value = await self._try(self._client.get, _PREFIX + key)
        return value if isinstance(value, bytes) else None  # the client does not decode

    async def set(self, key: bytes, value: bytes, ttl_s: float) -> None:
        """Keep `value` for `ttl_s` seconds, replacing what was there."""
        await self._try(self._client.psetex, _PREFIX + key, max(1, int(ttl_s * 1000)), value)

    async def ping(self) -> None:
        """Answer if the server can be reached."""
        await self._try(self._client.ping)

    async def aclose(self) -> None:
        """Take no more operations, let the running ones end, and close the connections."""
        self._closed = True
        if self._probe:
            self._probe.cancel()
        if self._running:
            await self._quiet.wait()
        await self._client.aclose()

    async def _try(self, operation: Callable[..., Awaitable[Result]], *arguments: object) -> Result:
        if not self.is_up:
            raise StoreUnavailable("the store is unavailable")
        self._running += 1
        try:
            async with asyncio.timeout(OPERATION_LIMIT_S):
                return await operation(*arguments)
        except ResponseError as error:  # it is there and refuses this: full, read-only, not permitted
            raise StoreUnavailable("the store refused the operation") from error
        except (RedisError, OSError) as error:
            self._close_the_way(error)
            raise StoreUnavailable("the store is unavailable") from error
        finally:
            self._running -= 1
            if self._closed and not self._running:
                self._quiet.set()

    def _close_the_way(self, error: Exception) -> None:
        if self.is_up:  # of several that fail together, the first one
            _log.warning("shared store does not answer", extra={"fault": type(error).__name__})
            self._probe = asyncio.create_task(self._until_it_answers())

    async def _until_it_answers(self) -> None:
        """Ask with growing pauses, then open the way again."""
        pause_s = PROBE_FIRST_S
        while True:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, PROBE_MOST_S)
            try:
                async with asyncio.timeout(OPERATION_LIMIT_S):
                    await self._client.ping()
            except (RedisError, OSError):
                continue
            _log.info("shared store answers again")
            self._probe = None
            return


def connect(section: StoreSection) -> RedisStore | None:
    """Return the shared store that a snapshot names, or None if it names none.

    Raises:
        ValueError: when the URL is none.
    """
    return RedisStore(section.url, section.ca) if section.url else None


def _pool(url: str, ca_pem: str) -> BlockingConnectionPool:
    """Return a pool that neither retries nor waits on its own: redis-py would try ten times, for five seconds each."""
    options: dict[str, Any] = {}
    if url.startswith("rediss://") and ca_pem:
        options = {"ssl_ca_data": ca_pem, "ssl_cert_reqs": ssl.CERT_REQUIRED}
    return BlockingConnectionPool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=None,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=OPERATION_LIMIT_S,
        socket_connect_timeout=OPERATION_LIMIT_S,
        **options,
    )
