"""The chart's objects, once for all tests of the operator; each test uses component and pod names of its own."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from e2e.cluster import Cluster
from parley_operator.kube import Kube
from tests.conftest import free_port, until
from tests.operator import small_api
from tests.operator.serving import SECRETS, Serving, empty, serving, webhook
from tests.operator.world import CHART, Plant, Replica

NAMESPACE = "operator-tests"


@pytest.fixture(scope="session")
def plant(control_plane: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """The chart installed, without waiting for pods that only pretend."""
    place = ("--namespace", NAMESPACE)
    values = ("--set", "injector.url=https://127.0.0.1:1", "--set", "operator.replicas=1")
    control_plane.helm("install", "parley", str(CHART), *place, "--create-namespace", "--take-ownership", *values)
    yield Plant(control_plane, NAMESPACE, tmp_path_factory.mktemp("operator"))
    control_plane.helm("uninstall", "parley", *place)
    control_plane.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture(scope="module")
def replica(plant: Plant) -> Iterator[Replica]:
    """One ready operator for a module's tests."""
    with plant.operators() as (running,):
        running.ready()
        yield running


@pytest.fixture
async def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[small_api.SmallApi]:
    """A small server in the API server's place, which KUBECONFIG names."""
    async with small_api.running(tmp_path) as (server, kubeconfig):
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        yield server


@pytest.fixture
async def api(small: small_api.SmallApi) -> AsyncIterator[Kube]:
    """Our client, connected to the small server."""
    connected = await Kube.connect()
    yield connected
    await connected.aclose()


@pytest.fixture(scope="module")
def bare(control_plane: Cluster, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Plant:
    """A namespace of the module's own, with what the chart makes for the keeper and nothing else: no operator runs."""
    name = request.module.__name__.rpartition(".")[2].removeprefix("test_").replace("_", "-")
    made = Plant(control_plane, f"operator-{name}", tmp_path_factory.mktemp(name))
    control_plane.kubectl("create", "namespace", made.namespace)
    account = ("get", "serviceaccount", "default", "-o", "name", "--ignore-not-found")
    until("the default service account", lambda: made.kubectl(*account).strip())
    made.apply(*map(empty, SECRETS), webhook(made))
    return made


@pytest.fixture
async def real_api(control_plane: Cluster, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Kube]:
    """Our client, connected to the real API server as its administrator."""
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
    connected = await Kube.connect()
    yield connected
    await connected.aclose()


@pytest.fixture
async def served(bare: Plant, real_api: Kube) -> AsyncIterator[Serving]:
    """A replica that serves the stream."""
    async with serving(real_api, bare) as running:
        yield running


@pytest.fixture
async def away(bare: Plant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Kube]:
    """Our client, with nobody at the other end."""
    config = json.loads(bare.cluster.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{free_port()}"
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    connected = await Kube.connect()
    yield connected
    await connected.aclose()
