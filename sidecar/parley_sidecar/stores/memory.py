"""The store in the process: the first tier in front of Redis, and the only one where there is no Redis."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from parley_sidecar.model import CacheTier

MAX_ENTRIES: Final = 1024
MAX_BYTES: Final = 8 * 1024 * 1024
"""Keys and values together."""


class MemoryStore:
    """Bytes by key with a lifetime, bounded in number and bytes; the least recently used goes first."""

    tier: CacheTier = "memory"

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._entries: OrderedDict[bytes, tuple[bytes, float]] = OrderedDict()
        self._bytes = 0

    async def get(self, key: bytes) -> bytes | None:
        """Return the value, or None when there is none or its time is over."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        value, expires_at_s = entry
        if expires_at_s <= self._clock():
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return value

    async def set(self, key: bytes, value: bytes, ttl_s: float) -> None:
        """Keep `value` for `ttl_s` seconds, replacing what was there."""
        self._drop(key)
        self._entries[key] = (value, self._clock() + ttl_s)
        self._bytes += len(key) + len(value)
        while len(self._entries) > MAX_ENTRIES or self._bytes > MAX_BYTES:
            self._drop(next(iter(self._entries)))

    async def ping(self) -> None:
        """Answer: the process is always there."""

    async def aclose(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._bytes = 0

    def _drop(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= len(key) + len(entry[0])
