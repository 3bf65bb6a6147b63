"""The way to a server that may be gone: the first failure closes it, and a question in the background opens it again.

A frozen or absent server must not cost each request its timeout. Until it answers, every operation fails at once. What
the server itself refuses (full, not permitted, read-only) is no reason: it is there. In a cluster each node has a way
of its own: where one is gone, the others go on.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from redis.exceptions import ClusterDownError, RedisError, ResponseError

from parley_sidecar.errors import StoreUnavailable
from parley_sidecar.stores.redis_lines import Ask

PROBE_FIRST_S: Final = 0.25
PROBE_MOST_S: Final = 5.0
"""How long after a failure the server is asked again: doubling, up to this."""
QUIET_S: Final = 60.0
"""A refusal of one kind is not said again for so long."""
FAIR_SHARE: Final = 0.5
"""How much of the limit a server must have had before its silence says something about it."""

Result = TypeVar("Result")

_log = logging.getLogger(__name__)


class Way:
    """Lets operations pass, which keep to the limit that they are told, or fails them at once."""

    def __init__(
        self,
        limit_s: float,
        ask: Ask,
        changed: Callable[[], None],
        server_of: Callable[[bytes], str] = lambda _: "",
    ) -> None:
        """Begin open; `ask` finds out whether the server that holds a key answers, `changed` is told of each `is_open`.

        `server_of` names the server that holds a key.
        """
        self._limit_s = limit_s
        self._ask = ask
        self._changed = changed
        self._server_of = server_of
        self._probes: dict[str, asyncio.Task[None]] = {}
        """By the server that does not answer."""
        self._said: dict[str, float] = {}
        """By the kind of refusal, the loop's time when it was said."""
        self._closed = False
        self._running = 0
        self._quiet = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Say whether operations are tried on every server."""
        return not self._probes and not self._closed

    async def go(
        self, key: bytes, operation: Callable[..., Awaitable[Result]], *arguments: object, limit_s: float | None = None
    ) -> Result:
        """Return what an operation on a key answers, which is told its limit first; `limit_s` draws in the usual one.

        Raises:
            StoreUnavailable: when the server cannot be reached, does not answer in time, or refuses.
        """
        server = self._server_of(key)
        if self._closed or server in self._probes:
            raise StoreUnavailable("the store is unavailable")
        limit_s = self._limit_s if limit_s is None else min(limit_s, self._limit_s)
        self._running += 1
        try:
            return await operation(limit_s, *arguments)
        except (RedisError, OSError) as error:
            if refused(error):
                self._say_refused(type(error).__name__)
                raise StoreUnavailable("the store refused the operation") from error
            if limit_s >= FAIR_SHARE * self._limit_s or not isinstance(error, TimeoutError):
                self._close(server, key, error)
            raise StoreUnavailable("the store is unavailable") from error
        finally:
            self._end()

    async def aclose(self) -> None:
        """Take no more operations, and let the running ones end."""
        self._closed = True
        for probe in self._probes.values():
            probe.cancel()
        if self._running:
            await self._quiet.wait()

    def _end(self) -> None:
        self._running -= 1
        if self._closed and not self._running:
            self._quiet.set()

    def _say_refused(self, fault: str) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._said.get(fault, -QUIET_S) >= QUIET_S:
            self._said[fault] = now
            _log.warning("shared store refuses operations", extra={"fault": fault})

    def _close(self, server: str, key: bytes, error: Exception) -> None:
        if not self._closed and server not in self._probes:  # of several that fail together, the first one
            _log.warning("shared store does not answer", extra={"fault": type(error).__name__})
            self._probes[server] = asyncio.create_task(self._until_it_answers(server, key))
            self._changed()

    async def _until_it_answers(self, server: str, key: bytes) -> None:
        """Ask for the key with growing pauses, then open the way again: another server may hold it by then."""
        pause_s = PROBE_FIRST_S
        while True:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, PROBE_MOST_S)
            try:
                await self._ask(self._limit_s, "GET", key)
            except (RedisError, OSError) as error:
                if not refused(error):
                    continue
            _log.info("shared store answers again")
            del self._probes[server]
            self._changed()
            return


def refused(error: Exception) -> bool:
    """Say whether a server that is there refused an operation: full, read-only, not permitted."""
    return isinstance(error, ResponseError) and not isinstance(error, ClusterDownError)
