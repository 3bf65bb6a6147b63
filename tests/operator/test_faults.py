"""Faults of a real API server: it is killed and comes back, and connections to it die without a word.

Left to test_operate: what a real one cannot be told to answer. The control plane is the module's own: killing the
shared one would be felt by every other test.
"""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from e2e.cluster import Cluster, settings
from e2e.cluster.binaries import BinariesCluster
from parley_crds import names
from parley_operator.handlers import Pace
from parley_operator.kube import Kube
from tests.conftest import ROOT, until
from tests.operator import serving
from tests.operator.reading import following
from tests.operator.world import CHART, Plant, Replica, RunningSidecar, component

pytestmark = pytest.mark.control_plane

NAMESPACE = "operator-killed"
DAPRS = Path(__file__).with_name("dapr_components_crd.yaml")
OURS = ROOT / "crds/conversationcomponents.parley.dev.yaml"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """A control plane with the chart, for this module alone."""
    directory = tmp_path_factory.mktemp("faults")
    with BinariesCluster(dataclasses.replace(settings(), run=directory / "run")) as cluster:
        values = "injector.url=https://127.0.0.1:1,operator.replicas=1,dapr.readComponents=true"
        place = ("--namespace", NAMESPACE, "--create-namespace")
        cluster.helm("install", "parley", str(CHART), *place, "--set", values)
        made = Plant(cluster, NAMESPACE, directory)
        made.define(DAPRS, "components.dapr.io")
        yield made


@pytest.fixture
def replica(own: Plant) -> Iterator[Replica]:
    """One ready operator process, which leads."""
    with own.operators(PARLEY_READ_DAPR_COMPONENTS="true") as (running,):
        running.ready()
        until("it leads", lambda: running.metric("parley_operator_leader") == 1)
        yield running


def daprs(name: str) -> dict[str, Any]:
    """Return a component of Dapr's."""
    kind = {"apiVersion": names.DAPR_API_VERSION, "kind": names.DAPR_KIND}
    return {**kind, "metadata": {"name": name}, "spec": {"type": "conversation.echo", "version": "v1", "metadata": []}}


def test_an_api_server_that_is_killed_comes_back_to_a_working_operator(own: Plant, replica: Replica) -> None:
    """Meanwhile the leader stands down and the stream goes on; afterwards changes arrive, Dapr's too, and it leads."""
    own.pod("elsewhere", "shop")
    own.apply(component("kept"), component("deleted"), daprs("deleted-daprs"))
    sidecar = RunningSidecar.start(own, replica, "elsewhere", "shop")
    for name in ("kept", "deleted", "deleted-daprs"):
        sidecar.answers(202, name)

    own.cluster.stop("kube-apiserver")
    until("it stands down", lambda: replica.metric("parley_operator_leader") == 0)
    meanwhile = (replica.get("/livez"), replica.get("/readyz")[0], replica.metric("parley_operator_sidecars"))
    assert 202 == sidecar.ask("kept", "hello")[0]
    own.cluster.start("kube-apiserver")
    own.apply(component("made"), daprs("made-daprs"))
    own.kubectl("delete", "conv/deleted", "components.dapr.io/deleted-daprs")
    for name in ("made", "made-daprs"):
        sidecar.answers(202, name)
    until("deleted", lambda: all(sidecar.ask(name, "hello")[0] != 202 for name in ("deleted", "deleted-daprs")))
    until("it leads again", lambda: replica.metric("parley_operator_leader") == 1)
    until("its status", lambda: own.conditions("made").get("Ready") == ("True", "Ready"))
    sidecar.stop()

    assert ((200, "ok\n"), 200, 1.0) == meanwhile
    assert replica.process.poll() is None
    assert 0 == replica.metric("parley_operator_watch_restarts_total")


@dataclass(slots=True)
class Proxy:
    """Passes connections on, until they die: they stay open, and nothing comes any more."""

    to: int
    _forwards: asyncio.Event = field(default_factory=asyncio.Event)
    _connections: set["asyncio.Task[None] | None"] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Forward at first."""
        self._forwards.set()

    def fall_silent(self) -> None:
        """Forward nothing more on the connections that are open; new ones work."""
        self._forwards.clear()
        self._forwards = asyncio.Event()
        self._forwards.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on."""
        self._connections.add(asyncio.current_task())
        forwards = self._forwards
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.to)
        ways = [pass_on(reader, far_writer, forwards), pass_on(far_reader, writer, forwards)]
        try:
            await asyncio.gather(*ways)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            far_writer.transport.abort()

    async def end(self) -> None:
        """End every connection."""
        for connection in self._connections:
            if connection:
                connection.cancel()
        await asyncio.sleep(0)


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, forwards: asyncio.Event) -> None:
    """Forward one direction."""
    while data := await reader.read(65536):
        await forwards.wait()
        writer.write(data)
        await writer.drain()
    writer.close()


@pytest.fixture
async def proxy(control_plane: Cluster, tmp_path: Path) -> AsyncIterator[tuple[Proxy, Path]]:
    """A proxy in front of the shared API server, and a kubeconfig that goes through it."""
    config = json.loads(control_plane.kubeconfig.read_text())
    cluster = config["clusters"][0]["cluster"]
    made = Proxy(int(cluster["server"].rsplit(":", 1)[1]))
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as listener:
        cluster["server"] = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        path = tmp_path / "proxied.kubeconfig"
        path.write_text(json.dumps(config))
        yield made, path
        await made.end()


async def test_a_watch_outlives_a_connection_that_dies_without_a_word(
    bare: Plant, real_api: Kube, proxy: tuple[Proxy, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A half-open connection looks like quiet: after a while without a word, not even a bookmark, another is made."""
    made, kubeconfig = proxy
    await asyncio.to_thread(bare.define, OURS, "conversationcomponents.parley.dev")
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))  # kopf's from now on; our own calls go directly
    async with following(bare, real_api, Pace(silence_s=1.0)) as operator:

        def published() -> dict[str, tuple[str, ...]]:
            return {one.name: one.scopes for one in operator.published.components(bare.namespace)}

        for manifest in (component("changed"), component("deleted")):
            await asyncio.to_thread(bare.apply, manifest)
        await serving.eventually("published", lambda: published().keys() == {"changed", "deleted"})
        made.fall_silent()
        await asyncio.to_thread(bare.apply, component("changed", scopes=["shop"]), component("made"))
        await asyncio.to_thread(bare.kubectl, "delete", "conv", "deleted")
        await serving.eventually("all of it", lambda: published() == {"changed": ("shop",), "made": ()})
        await made.end()  # while kopf's loop can still see it

    assert 0 == operator.metrics.registry.get_sample_value("parley_operator_watch_restarts_total")
