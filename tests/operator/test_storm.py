"""A storm: hundreds of sidecars come at once, and the API server is asked no more than it should be."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest

from parley_crds import names
from parley_operator import kube
from parley_operator.authentication import Authenticator
from parley_operator.kube import CALL_LIMIT_S, NO_QUERY, Kube, Object
from parley_operator.stream import Streaming, Times
from parley_sidecar.registry import Registry
from parley_sidecar.settings import Settings
from parley_sidecar.sources.stream import StreamSource
from tests.operator.serving import Serving, eventually, serving
from tests.operator.world import Plant
from tests.sidecar.running import surroundings

pytestmark = pytest.mark.control_plane
SIDECARS = 200
AT_A_TIME = 16


class WatchedKube(Kube):
    """Our client, which knows how many of its calls for pods and reviews are under way."""

    calls = 0
    most = 0

    async def get(self, path: str, query: Mapping[str, str] = NO_QUERY) -> Object:
        """Read an object, and watch it if it is a pod."""
        with self._watched(is_one="/pods/" in path):
            return await super().get(path, query)

    async def create(
        self, path: str, body: Object, limit_s: float = CALL_LIMIT_S, query: Mapping[str, str] = NO_QUERY
    ) -> Object:
        """Create an object, and watch it if it is a review."""
        with self._watched(is_one=path == kube.TOKEN_REVIEWS):
            return await super().create(path, body, limit_s, query)

    @contextlib.contextmanager
    def _watched(self, *, is_one: bool) -> Iterator[None]:
        self.calls += is_one
        self.most = max(self.most, self.calls)
        try:
            yield
        finally:
            self.calls -= is_one


@pytest.fixture
async def watched(bare: Plant, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WatchedKube]:
    """A watched client of the administrator."""
    monkeypatch.setenv("KUBECONFIG", str(bare.cluster.kubeconfig))
    api = await WatchedKube.connect()
    assert isinstance(api, WatchedKube)
    yield api
    await api.aclose()


@contextlib.asynccontextmanager
async def sidecars(plant: Plant, served: Serving, directory: Path) -> AsyncIterator[list[Registry]]:
    """Run the sidecars' real sources, all of one pod, as if a replica of the operator had just ended."""
    plant.pod("stormy", "shop")
    token = directory / "token"
    token.write_text(plant.token("default", names.STREAM_AUDIENCE, "stormy"))
    url, anchors = f"https://127.0.0.1:{served.port}", served.operator.own.trust_anchors
    own = Settings(operator_url=url, token_file=token, trust_anchors=anchors, last_good_file=None, app_id="shop")
    async with surroundings() as shared:
        registries = [Registry(shared) for _ in range(SIDECARS)]
        sources = [StreamSource(own, shared.http, registry, shared.stores) for registry in registries]
        running = [asyncio.create_task(source.run()) for source in sources]
        try:
            yield registries
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


async def test_a_storm_ends_with_everyone_connected(bare: Plant, watched: WatchedKube, tmp_path: Path) -> None:
    """Above the budget a sidecar is refused before anybody is asked, and comes back when it was told to."""

    def narrow(streaming: Streaming) -> Streaming:
        authenticator = Authenticator(watched, streaming.metrics, at_a_time=AT_A_TIME)
        return dataclasses.replace(streaming, authenticator=authenticator, times=Times(retry_after_s=lambda: 1))

    async with serving(watched, bare, narrow) as served:
        served.publish("calm")
        async with sidecars(bare, served, tmp_path) as registries:
            await eventually("all have it", lambda: all(each.names() == ("calm",) for each in registries))
            await eventually("all said so", lambda: served.operator.connected.behind() == 0)

            assert SIDECARS == len(served.operator.connected)
        sample = served.operator.metrics.registry.get_sample_value
        refused = sample("parley_operator_stream_refusals_total", {"status": "503"})

    assert AT_A_TIME == watched.most
    assert refused
    assert SIDECARS == sample("parley_operator_push_seconds_count")
