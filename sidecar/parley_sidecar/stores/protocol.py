"""What a store can do. Two implementations, `memory` and `redis`; one conformance suite runs over both.

Layers state their own policy for `StoreUnavailable`, which every method raises when the store cannot answer in time.

Keys are a tag, or a tag, a slash and a name, of letters, digits, `-` and `_`. What shares a tag lies on one node of a
cluster, and is erased together.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from parley_sidecar.model import CacheTier

LEASE_S: Final = 3.0
"""How long a process that died keeps others waiting."""
RENEW_S: Final = LEASE_S / 3
"""How often a lease is renewed while what it is for goes on."""
RESULT_S: Final = 10.0
"""How long a flight's end is remembered for those who wait for it."""

StoreFact = Literal["up", "may_evict_rooms"]
"""What a store tells of itself: 1 or 0."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a store must know of the process that uses it."""

    namespace: str = "default"
    """Part of every key, so that a user of Redis can be limited to a namespace."""
    limit_s: float = 0.25
    """How long one operation may take, and all operations of one request that falls open."""
    tell: Callable[[StoreFact, float], None] = lambda _fact, _value: None
    """Is told what became of the store, for the metrics."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of asking for an answer or else for the lease to make it."""

    value: bytes | None = field(default=None, repr=False)
    """What is there, or what the awaited flight ended with; then there is no holder."""
    holder: bytes | None = None
    """The token of who holds the lease: the caller's own if it was free."""


@dataclass(frozen=True, slots=True)
class RoomRecord:
    """A chat room as it lies in the store: sealed bytes and a number."""

    meta: bytes
    """What was said of the room when it was made."""
    revision: int = 0
    """How many turns were ever appended."""
    turns: tuple[bytes, ...] = field(default=(), repr=False)
    """Those that are kept, oldest first."""
    values: Mapping[bytes, bytes] = field(default_factory=dict, repr=False)
    """The vault: by name, the number in decimal, a colon, and the sealed value."""


@dataclass(frozen=True, slots=True)
class Numbered:
    """A value that wants a number of its kind."""

    name: bytes
    """What identifies the value without showing it."""
    counter: bytes
    """Of what it wants the next number."""
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Keep:
    """How much of a room stays, and for how long after now, in seconds."""

    ttl_s: float
    turns: int
    """The newest; one at least."""


class Watch(Protocol):
    """A subscription to one key's messages, from the moment it was made."""

    async def next(self, limit_s: float) -> bytes | None:
        """Return the next message, or None after `limit_s` seconds without one.

        An empty one means that some may have been lost: look again.
        """
        ...


class Store(Protocol):
    """Values with a lifetime, leases, messages and chat rooms."""

    tier: CacheTier
    """What Cache-Status and the metrics call this store."""

    async def get(self, key: bytes, limit_s: float | None = None) -> bytes | None:
        """Return the value, or None when there is none or its time is over.

        `limit_s` draws in the store's own limit for one operation, as in `take`.
        """
        ...

    async def set(self, key: bytes, value: bytes, ttl_s: float) -> None:
        """Keep `value` for `ttl_s` seconds, replacing what was there."""
        ...

    async def agree(self, key: bytes, value: bytes, ttl_s: float) -> bytes:
        """Return what is there, or else put `value` there; either lives for `ttl_s` seconds from now."""
        ...

    async def take(
        self, key: bytes, token: bytes, lease_s: float, awaited: bytes = b"", limit_s: float | None = None
    ) -> Taken:
        """Return the value, or how the flight with the token `awaited` ended; else take the lease, if it is free."""
        ...

    async def renew(self, key: bytes, token: bytes, lease_s: float) -> bool:
        """Hold the lease for `lease_s` seconds from now; False when it is not, or no longer, this token's."""
        ...

    async def finish(self, key: bytes, token: bytes, result: bytes | None = None, keep_s: float = 0.0) -> bool:
        """Give the lease back and tell who watches the key; False, and nothing done, when it is another's.

        A result is kept as the key's value for `keep_s` seconds, or, where that is 0, for those who await this token.
        """
        ...

    async def publish(self, key: bytes, message: bytes) -> None:
        """Tell all who watch the key now."""
        ...

    def watch(self, key: bytes) -> AbstractAsyncContextManager[Watch]:
        """Subscribe to the key's messages meanwhile."""
        ...

    async def open_room(self, tag: bytes, meta: bytes, ttl_s: float) -> RoomRecord:
        """Return a room, made with `meta` if there is none; it lives for `ttl_s` seconds from now."""
        ...

    async def read_room(self, tag: bytes) -> RoomRecord | None:
        """Return a room, or None if there is none."""
        ...

    async def append(self, tag: bytes, token: bytes, revision: int, turn: bytes, keep: Keep) -> bool:
        """Add a turn; False, and nothing done, unless the room has this revision and `token` leases `tag/turn`."""
        ...

    async def number(self, tag: bytes, values: Sequence[Numbered], ttl_s: float) -> Sequence[bytes]:
        """Return what the vault holds for each name: what was there, or the sealed value with its new number.

        The room lives for `ttl_s` seconds from now. Without one, this is `StoreUnavailable`.
        """
        ...

    async def erase(self, tag: bytes) -> bool:
        """Forget the room, and every value kept under a name of its tag; say whether there was a room."""
        ...

    async def ping(self) -> None:
        """Answer if the store can be reached."""
        ...

    async def aclose(self) -> None:
        """Give back connections and memory."""
        ...
