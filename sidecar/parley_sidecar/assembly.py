"""The parts of the process, put together once by `run`: who knows whom, and in which order they are closed."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from parley_crds.stream import StoreSection
from parley_sidecar.caching import Caching
from parley_sidecar.door import Door
from parley_sidecar.http_client import HttpClient
from parley_sidecar.metadata import Metadata
from parley_sidecar.metrics import Metrics
from parley_sidecar.pipeline import Surroundings
from parley_sidecar.registry import Registry
from parley_sidecar.rooms import Rooms
from parley_sidecar.settings import Settings
from parley_sidecar.sources import Source
from parley_sidecar.stores import Stores
from parley_sidecar.stores.protocol import Place

LAST_WORDS_S: Final = 2.0
"""How long a source may take to say goodbye."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the apps and the end of the process need."""

    registry: Registry
    door: Door
    metrics: Metrics
    metadata: Metadata
    source: Source


@asynccontextmanager
async def assembled(settings: Settings, environ: Mapping[str, str]) -> AsyncIterator[Parts]:
    """Make the parts, and close what they hold at the end, pending cache writes included."""
    metrics = Metrics(settings.app_id, settings.namespace)
    http = HttpClient()
    stores = Stores(metrics.count_store_fault, Place(settings.namespace, settings.store_limit_s, metrics.show_store))
    rooms, caching = Rooms(stores), Caching(stores)
    registry = Registry(Surroundings(http, stores, metrics, settings.app_id, environ, rooms, caching))
    try:
        await _share(stores, settings)
        door = _door(settings)
        source = _source(settings, http, registry, stores)
        yield Parts(registry, door, metrics, Metadata(registry, door), source)
    finally:
        await rooms.aclose()
        await caching.aclose()
        await stores.aclose()
        await http.aclose()


@asynccontextmanager
async def followed(source: Source) -> AsyncIterator[None]:
    """Let a source follow its changes meanwhile."""
    task = asyncio.create_task(source.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=LAST_WORDS_S)


def _door(settings: Settings) -> Door:
    return Door(
        app_id=settings.app_id,
        own_ports=frozenset({settings.http_port, settings.grpc_port, settings.metrics_port}),
        api_tokens=tuple(token for token in (settings.api_token, settings.second_api_token) if token),
        allowed_hosts=frozenset(host.lower() for host in settings.allowed_hosts),
        precise_statuses=settings.precise_statuses,
    )


def _source(settings: Settings, http: HttpClient, registry: Registry, stores: Stores) -> Source:
    """Make the one source; each imports what only it needs."""
    if settings.components:
        from parley_sidecar.sources.directory import DirectorySource  # noqa: PLC0415 - YAML
        from parley_sidecar.sources.judgement import Place  # noqa: PLC0415 - as above

        return DirectorySource(
            settings.components, settings.secrets, Place(settings.app_id, settings.namespace), registry
        )
    from parley_sidecar.sources.stream import StreamSource  # noqa: PLC0415 - as above

    return StreamSource(settings, http, registry, stores)


async def _share(stores: Stores, settings: Settings) -> None:
    """Use the Redis of the command line; in a cluster the snapshot names it."""
    if settings.components:
        stores.keep_rooms_here()
    if settings.redis is None:
        return
    key, former_key = settings.context_key or "", settings.former_context_key or ""
    section = StoreSection(url=settings.redis, context_key=key, former_context_key=former_key, version="--redis")
    await stores.use(section)
