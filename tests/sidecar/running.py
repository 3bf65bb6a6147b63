"""A sidecar in the test's own process: real pipelines, real stores, the real app over an ASGI transport."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from parley_crds.component import Component
from parley_sidecar.app import create_app
from parley_sidecar.caching import Caching
from parley_sidecar.door import Door
from parley_sidecar.http_client import HttpClient
from parley_sidecar.metadata import Metadata
from parley_sidecar.metrics import Metrics
from parley_sidecar.model import Converse
from parley_sidecar.pipeline import Pipeline, Surroundings
from parley_sidecar.public import create_public_app
from parley_sidecar.registry import Registry
from parley_sidecar.rooms import ComponentRooms, Rooms
from parley_sidecar.stores import Stores

ALPHA1 = "/v1.0-alpha1/conversation/{}/converse"
ALPHA2 = "/v1.0-alpha2/conversation/{}/converse"


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What a test holds of a running sidecar."""

    api: httpx2.AsyncClient
    public: httpx2.AsyncClient
    registry: Registry
    metrics: Metrics
    stores: Stores
    door: Door
    metadata: Metadata
    stopped: asyncio.Event
    """Set when it was asked to end."""

    async def alpha1(self, body: object, name: str = "echo", headers: Mapping[str, str] = {}) -> httpx2.Response:
        """Ask over alpha1."""
        return await self.api.post(ALPHA1.format(name), json=body, headers=dict(headers))

    async def alpha2(self, body: object, name: str = "echo", headers: Mapping[str, str] = {}) -> httpx2.Response:
        """Ask over alpha2."""
        return await self.api.post(ALPHA2.format(name), json=body, headers=dict(headers))

    async def samples(self) -> Mapping[str, float]:
        """Return what /metrics shows, by name and labels as they stand there."""
        text = (await self.public.get("/metrics")).text
        lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
        return {series: float(value) for series, value in lines}


def component(name: str = "echo", kind: str = "conversation.echo", **fields: Any) -> Component:
    """Return a loaded component; its version is its content unless given."""
    return Component(**{"name": name, "namespace": "default", "type": kind, "version": repr(fields)} | fields)


def by_hand(converse: Converse) -> Pipeline:
    """Return a pipeline that is nothing but this, without a cache and with rooms that lead nowhere."""
    stores = Stores(print)
    rooms = ComponentRooms(component(), "shop", Rooms(stores).access(Metrics("shop", "default").component("echo")))
    purge = Caching(stores).epoch(component()).purge
    return Pipeline(component(), converse, has_endpoint=False, core=converse, rooms=rooms, purge=purge)


@asynccontextmanager
async def surroundings(environ: Mapping[str, str] = {}) -> AsyncIterator[Surroundings]:
    """Open what pipelines share, and close it."""
    metrics = Metrics("shop", "default")
    stores = Stores(metrics.count_store_fault)
    stores.keep_rooms_here()
    shared = Surroundings(HttpClient(), stores, metrics, "shop", environ, Rooms(stores), Caching(stores))
    try:
        yield shared
    finally:
        await shared.rooms.aclose()
        await shared.caching.aclose()
        await shared.stores.aclose()
        await shared.http.aclose()


@asynccontextmanager
async def sidecar(*components: Component, door: Door | None = None) -> AsyncIterator[Sidecar]:
    """Run a sidecar with these components; with none, before its first snapshot."""
    held, stopped = door or Door("shop"), asyncio.Event()
    async with surroundings() as shared:
        registry = Registry(shared)
        if components:
            assert {} == await registry.replace(components)
        metadata = Metadata(registry, held)
        app = httpx2.ASGITransport(create_app(registry, held, shared.metrics, metadata, stopped.set))
        public = httpx2.ASGITransport(create_public_app(held.traffic, shared.metrics))
        async with (
            httpx2.AsyncClient(transport=app, base_url="http://localhost:3500") as api,
            httpx2.AsyncClient(transport=public, base_url="http://10.0.0.7:9464") as outside,
        ):
            yield Sidecar(api, outside, registry, shared.metrics, shared.stores, held, metadata, stopped)
