"""The cache layer as a process has it: real stores, several of them on one shared store, and inner ones that count."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from msgspec.structs import replace

from parley_crds.component import Component
from parley_crds.resource import Cache
from parley_crds.stream import StoreSection
from parley_sidecar.caching import Caching
from parley_sidecar.http_client import HttpClient
from parley_sidecar.layers.cache import CacheLayer
from parley_sidecar.model import (
    Answer,
    CachePolicy,
    CacheStatus,
    Choice,
    Converse,
    ConverseRequest,
    Message,
    Reply,
    Trace,
)
from parley_sidecar.providers.echo import Settings, connect
from parley_sidecar.stores import Stores, connect_redis
from parley_sidecar.stores.protocol import Place, Store, Watch

PATIENT = Place(limit_s=5.0)
"""For tests that must not depend on a noisy machine."""
ANSWER = Answer((Choice("hi"),))


class Counted:
    """The echo provider, and how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0
        self._echo = connect(Settings(), HttpClient())

    async def __call__(self, request: ConverseRequest, /) -> Reply:
        """Count, then echo."""
        self.calls += 1
        return await self._echo(request)


class Held:
    """An inner one that answers when it is let go: with `reply`, or by raising it."""

    def __init__(self, reply: Reply | BaseException = ANSWER) -> None:
        self.reply = reply
        self.calls = 0
        self.cancelled = 0
        self.asked: list[ConverseRequest] = []
        self.let_go = asyncio.Event()

    async def __call__(self, request: ConverseRequest, /) -> Reply:
        """Wait, then answer."""
        self.calls += 1
        self.asked.append(request)
        try:
            await self.let_go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if isinstance(self.reply, BaseException):
            raise self.reply
        return self.reply


class Clock:
    """Unix time that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1_700_000_000.0

    def __call__(self) -> float:
        """Return it."""
        return self.now_s


class Watched:
    """Another store, and which keys were watched in it."""

    def __init__(self, store: Store, keys: list[bytes]) -> None:
        self._store = store
        self._keys = keys

    def __getattr__(self, name: str) -> Any:
        """Return what the other store has."""
        return getattr(self._store, name)

    @asynccontextmanager
    async def watch(self, key: bytes) -> AsyncIterator[Watch]:
        """Watch there, and take note once that has begun."""
        async with self._store.watch(key) as watch:
            self._keys.append(key)
            yield watch


@dataclass(slots=True)
class Process:
    """One sidecar's stores and flights, with what was counted."""

    stores: Stores
    caching: Caching
    watched: list[bytes]
    """The keys whose messages were waited for."""
    faults: list[str] = field(default_factory=list)
    skips: list[str] = field(default_factory=list)

    def layer(self, inner: Converse, of: Component | None = None, app_id: str = "app") -> CacheLayer:
        """Return a component's cache layer in this process."""
        return CacheLayer(inner, of or component(), self.caching, app_id, self.skips.append)

    async def ask(self, layer: CacheLayer, request: ConverseRequest) -> CacheStatus | None:
        """Ask, wait until what is kept is kept, and return what the cache did."""
        await layer(request)
        await self.stores.drain()
        return request.trace.cache


@asynccontextmanager
async def process(
    url: str | None = None,
    store: Store | None = None,
    place: Place = PATIENT,
    clock: Callable[[], float] | None = None,
) -> AsyncIterator[Process]:
    """Open what one process has: the tier in the process alone, or one in Redis or a given store, too."""
    faults: list[str] = []
    watched: list[bytes] = []

    def connect_watched(section: StoreSection, where: Place, /) -> Store | None:
        found = store or connect_redis(section, where)
        return found and cast("Store", Watched(found, watched))  # it passes on what it does not do itself

    stores = Stores(faults.append, place, connect_watched, clock or time.time)
    if url or store:
        await stores.use(StoreSection(url=url or "redis://given", version="1"))
    made = Process(stores, Caching(stores), watched, faults)
    try:
        yield made
    finally:
        await made.caching.aclose()
        await stores.aclose()


@asynccontextmanager
async def processes(number: int, **given: Any) -> AsyncIterator[list[Process]]:
    """Open several on one shared store."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(process(**given)) for _ in range(number)]


def component(ttl: str | None = "10m", **cache: Any) -> Component:
    """Return a component with a cache."""
    return Component(name="c", namespace="n", type="conversation.echo", version="1", cache=Cache(ttl=ttl, **cache))


def asking(text: str = "hello", *, deadline_s: float | None = None, **policy: Any) -> ConverseRequest:
    """Return a request with a trace of its own."""
    trace = Trace("1", deadline_s=deadline_s)
    return ConverseRequest((Message("user", text),), trace, cache=CachePolicy(**policy))


def streaming(text: str = "hello", *, deadline_s: float | None = None, **policy: Any) -> ConverseRequest:
    """Return one that wants a stream."""
    return replace(asking(text, deadline_s=deadline_s, **policy), wants_stream=True)


async def together(layer: Converse, *requests: ConverseRequest) -> "list[asyncio.Task[Reply]]":
    """Ask all of them, the first one first, and return when each of them waits."""
    tasks = []
    for request in requests:
        tasks.append(asyncio.create_task(asked(layer, request)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    return tasks


async def asked(layer: Converse, request: ConverseRequest) -> Reply:
    """Ask one."""
    return await layer(request)
