"""One pod's sidecar as far as its source goes, and what its tests see of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from parley_crds.component import Component
from parley_crds.stream import Snapshot, StoreSection, snapshot
from parley_sidecar.errors import ParleyError
from parley_sidecar.model import Overrides
from parley_sidecar.pipeline import Surroundings
from parley_sidecar.registry import Registry
from parley_sidecar.settings import Settings
from parley_sidecar.sources.stream import Pace, StreamSource
from tests.conftest import free_port
from tests.sidecar.layers.inner import asking
from tests.sidecar.running import surroundings


def snapshot_of(*components: Component, store: StoreSection | None = None, trust: str = "") -> Snapshot:
    """Return a snapshot, by default without a store and without new anchors."""
    return snapshot(components, store or StoreSection(), trust)


@dataclass(slots=True)
class Pod:
    """One pod's sidecar as far as its source goes."""

    settings: Settings
    shared: Surroundings
    registry: Registry
    source: StreamSource
    failures: list[int] = field(default_factory=list)
    """What the pauses between attempts were asked for."""
    pauses_s: list[float] = field(default_factory=list)
    """And how long they should have been, in seconds."""

    async def ask(self, name: str, model: str | None = None) -> str:
        """Ask a component, and return `ok` or why not."""
        try:
            await self.registry.get(name).answer(asking(overrides=Overrides(model=model)))
        except ParleyError as error:
            return error.face.reason
        return "ok"


@asynccontextmanager
async def pod(settings: Settings, *, open_timeout_s: float = 10.0) -> AsyncIterator[Pod]:
    """Run a source meanwhile, with short pauses."""
    failures: list[int] = []
    pauses_s: list[float] = []

    def pause(count: int) -> float:
        failures.append(count)
        return 0.01

    async def sleep(asked_s: float) -> None:
        pauses_s.append(asked_s)
        await asyncio.sleep(0.01)

    async with surroundings() as shared:
        registry = Registry(shared)
        pace = Pace(pause, open_timeout_s, look_s=0.01, tell_s=0.01, sleep=sleep)
        source = StreamSource(settings, shared.http, registry, shared.stores, pace)
        await source.start()
        following = asyncio.create_task(source.run())
        try:
            yield Pod(settings, shared, registry, source, failures, pauses_s)
        finally:
            following.cancel()
            await asyncio.wait([following])


def settings_for(directory: Path, trust: str, port: int = 0) -> Settings:
    """Return what the injector would set for a pod, with its token in place."""
    (directory / "token").write_text("token-1\n")
    return Settings(
        operator_url=f"https://127.0.0.1:{port or free_port()}",
        token_file=directory / "token",
        trust_anchors=trust,
        last_good_file=directory / "last-good.json",
        app_id="shop",
    )


def port_of(settings: Settings) -> int:
    """Return the port that the operator is expected at."""
    return int(str(settings.operator_url).rpartition(":")[2])


def reasons(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return why there were no new components, as often as the log says so."""
    return [record.reason for record in caplog.records if record.getMessage() == "no new components"]  # type: ignore[attr-defined]
