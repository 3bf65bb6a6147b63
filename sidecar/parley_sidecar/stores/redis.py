"""The store that all sidecars share: a Redis server, or several that act as one. `redis_*` beside it are its parts.

docs/store.md says what lies there under which key, for how long, and what a fault does.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from redis.exceptions import NoScriptError

from parley_crds.stream import StoreSection
from parley_sidecar.errors import StoreUnavailable
from parley_sidecar.model import CacheTier
from parley_sidecar.stores import redis_scripts as scripts
from parley_sidecar.stores.mailbox import Mailbox
from parley_sidecar.stores.protocol import RESULT_S, Keep, Numbered, Place, RoomRecord, Taken
from parley_sidecar.stores.redis_clients import open_client
from parley_sidecar.stores.redis_eviction import may_evict_rooms
from parley_sidecar.stores.redis_keys import Keys
from parley_sidecar.stores.redis_scripts import Script
from parley_sidecar.stores.redis_watches import Watches
from parley_sidecar.stores.redis_way import Way

_TURN: Final = b"turn:"
_VALUE: Final = b"value:"


class RedisStore:
    """The store in Redis. Every method raises `StoreUnavailable` when the server cannot answer in time."""

    tier: CacheTier = "redis"

    def __init__(self, url: str, ca_pem: str = "", place: Place = Place()) -> None:  # noqa: B008 - frozen
        """Make a client for `url`; nothing is connected yet.

        Raises:
            ValueError: when `url` is no Redis URL.
        """
        self._clients = open_client(url, ca_pem, place.limit_s)
        self._ask = self._clients.ask
        self._place = place
        self._keys = Keys(place.namespace)
        self._way = Way(place.limit_s, self._ask, self._changed, self._clients.server_of)
        self._watches = Watches(self._clients.subscriber, place.limit_s)
        self._keeps_rooms = False
        self._greeting: asyncio.Task[None] | None = None

    @property
    def is_up(self) -> bool:
        """Say whether operations are tried at all."""
        return self._way.is_open

    def greet(self, *, keeps_rooms: bool) -> None:
        """Find out in the background whether the server answers, and whether it may evict the rooms it is to keep."""
        self._keeps_rooms = keeps_rooms
        if self._greeting:
            self._greeting.cancel()
        self._greeting = asyncio.create_task(self._meet())

    async def get(self, key: bytes, limit_s: float | None = None) -> bytes | None:
        """Return the value, or None when there is none or its time is over."""
        at = self._keys.value(key)
        return await self._way.go(at, self._ask, "GET", at, limit_s=limit_s)

    async def set(self, key: bytes, value: bytes, ttl_s: float) -> None:
        """Keep `value` for `ttl_s` seconds, replacing what was there."""
        at = self._keys.value(key)
        if b"/" in key:
            await self._run(scripts.SET, [at, *self._index(key)], value, _ms(ttl_s))
        else:
            await self._way.go(at, self._ask, "PSETEX", at, _ms(ttl_s), value)

    async def agree(self, key: bytes, value: bytes, ttl_s: float) -> bytes:
        """Return what is there, or else put `value` there; either lives for `ttl_s` seconds from now."""
        agreed = await self._run(scripts.AGREE, [self._keys.value(key), *self._index(key)], value, _ms(ttl_s))
        return bytes(agreed)

    async def take(
        self, key: bytes, token: bytes, lease_s: float, awaited: bytes = b"", limit_s: float | None = None
    ) -> Taken:
        """Return the value, or how the flight with the token `awaited` ended; else take the lease, if it is free."""
        keys = [self._keys.value(key), self._keys.result(key, awaited), self._keys.lease(key), *self._index(key)]
        arguments = (token, _ms(lease_s), int(bool(awaited)))
        value, holder = await self._run(scripts.TAKE, keys, *arguments, limit_s=limit_s)
        return Taken(value, holder)

    async def renew(self, key: bytes, token: bytes, lease_s: float) -> bool:
        """Hold the lease for `lease_s` seconds from now; False when it is not, or no longer, this token's."""
        return bool(await self._run(scripts.RENEW, [self._keys.lease(key), *self._index(key)], token, _ms(lease_s)))

    async def finish(self, key: bytes, token: bytes, result: bytes | None = None, keep_s: float = 0.0) -> bool:
        """Give the lease back and tell who watches the key; False, and nothing done, when it is another's."""
        kept_at = self._keys.value(key) if keep_s > 0 else self._keys.result(key, token)
        kept = () if result is None else (result, _ms(keep_s if keep_s > 0 else RESULT_S))
        keys = [self._keys.lease(key), kept_at, *self._index(key)]
        return bool(await self._run(scripts.FINISH, keys, token, self._keys.channel(key), *kept))

    async def publish(self, key: bytes, message: bytes) -> None:
        """Tell all who watch the key now."""
        channel = self._keys.channel(key)
        await self._way.go(self._keys.value(key), self._ask, "PUBLISH", channel, message)

    @asynccontextmanager
    async def watch(self, key: bytes) -> AsyncIterator[Mailbox]:
        """Subscribe to the key's messages meanwhile."""
        channel, box = self._keys.channel(key), Mailbox()
        self._watches.enter(channel, box)
        try:
            await self._way.go(self._keys.value(key), self._watches.confirmed, channel)
            yield box
        finally:
            self._watches.leave(channel, box)

    async def open_room(self, tag: bytes, meta: bytes, ttl_s: float) -> RoomRecord:
        """Return a room, made with `meta` if there is none; it lives for `ttl_s` seconds from now."""
        flat = await self._run(scripts.OPEN_ROOM, [self._keys.room(tag)], meta, _ms(ttl_s))
        return _record(dict(zip(flat[::2], flat[1::2], strict=True)))

    async def read_room(self, tag: bytes) -> RoomRecord | None:
        """Return a room, or None if there is none."""
        at = self._keys.room(tag)
        fields: Mapping[bytes, bytes] = await self._way.go(at, self._ask, "HGETALL", at)
        return _record(fields) if fields else None

    async def append(self, tag: bytes, token: bytes, revision: int, turn: bytes, keep: Keep) -> bool:
        """Add a turn; False, and nothing done, unless the room has this revision and `token` leases `tag/turn`."""
        arguments = (token, revision, turn, keep.turns, _ms(keep.ttl_s))
        return bool(await self._run(scripts.APPEND, [self._keys.room(tag), self._keys.turn(tag)], *arguments))

    async def number(self, tag: bytes, values: Sequence[Numbered], ttl_s: float) -> Sequence[bytes]:
        """Return what the vault holds for each name: what was there, or the sealed value with its new number."""
        flat = [part for value in values for part in (value.name, value.counter, value.sealed)]
        numbered: list[bytes] | None = await self._run(scripts.NUMBER, [self._keys.room(tag)], _ms(ttl_s), *flat)
        if numbered is None:
            raise StoreUnavailable("the chat room is gone")
        return numbered

    async def erase(self, tag: bytes) -> bool:
        """Forget the room, and every value kept under a name of its tag; say whether there was a room."""
        keys = [self._keys.room(tag), self._keys.turn(tag), self._keys.index(tag)]
        return bool(await self._run(scripts.ERASE, keys))

    async def ping(self) -> None:
        """Answer if the server can be reached."""
        await self.get(b"ping")  # in a cluster, a PING is for every node

    async def aclose(self) -> None:
        """Take no more operations, let the running ones end, and close the connections."""
        self._place.tell("up", 0)
        if self._greeting:
            self._greeting.cancel()
        await self._way.aclose()
        await self._watches.aclose()
        await self._clients.aclose()

    def _changed(self) -> None:
        if self.is_up:  # the server may be another one now
            self._watches.renew()
            self.greet(keeps_rooms=self._keeps_rooms)
        else:
            self._place.tell("up", 0)

    async def _meet(self) -> None:
        with suppress(StoreUnavailable):
            await self.ping()
            self._place.tell("up", 1)
            may_evict = await may_evict_rooms(self._clients, self._place.limit_s) if self._keeps_rooms else None
            if may_evict is not None:
                self._place.tell("may_evict_rooms", may_evict)

    def _index(self, key: bytes) -> tuple[bytes, ...]:
        """Return the index that lists a key, if it has a name under its tag."""
        return (self._keys.index(key),) if b"/" in key else ()

    def _run(
        self, script: Script, keys: Sequence[bytes], *arguments: bytes | int, limit_s: float | None = None
    ) -> Awaitable[Any]:  # what a script answers has no type
        return self._way.go(keys[0], self._evaluate, script, keys, arguments, limit_s=limit_s)

    async def _evaluate(
        self, limit_s: float, script: Script, keys: Sequence[bytes], arguments: Sequence[bytes | int]
    ) -> Any:
        """Run a script by its hash; a server that does not know it, new or restarted, gets its text."""
        clock = asyncio.get_running_loop().time
        began_s = clock()
        try:
            return await self._ask(limit_s, "EVALSHA", script.sha, len(keys), *keys, *arguments)
        except NoScriptError:
            left_s = limit_s - (clock() - began_s)
            return await self._ask(left_s, "EVAL", script.text, len(keys), *keys, *arguments)


def connect(section: StoreSection, place: Place) -> RedisStore:
    """Return the shared store that a snapshot names, and get to know it in the background.

    Raises:
        ValueError: when the URL is none.
    """
    store = RedisStore(section.url, section.ca, place)
    store.greet(keeps_rooms=bool(section.context_key))
    return store


def _ms(seconds: float) -> int:
    """Return a lifetime as Redis takes it: whole milliseconds, one at least."""
    return max(1, int(seconds * 1000))


def _record(fields: Mapping[bytes, bytes]) -> RoomRecord:
    turns = sorted((int(name.removeprefix(_TURN)), turn) for name, turn in fields.items() if name.startswith(_TURN))
    values = {name.removeprefix(_VALUE): value for name, value in fields.items() if name.startswith(_VALUE)}
    return RoomRecord(fields[b"meta"], int(fields[b"revision"]), tuple(turn for _, turn in turns), values)
