"""Peers: the leader's sums over real servers, found on a real API server; a clock that is passed."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest

from parley_crds import names
from parley_operator.connected import Totals
from parley_operator.kube import Kube
from parley_operator.metrics import Metrics
from parley_operator.own_secrets import OwnSecrets
from parley_operator.peers import SILENT_AFTER_S, Peers
from parley_operator.published import Published
from tests.operator.serving import FULLNAME, Clock, Serving, eventually, received, serving, settings
from tests.operator.world import Plant

pytestmark = pytest.mark.control_plane
SLICE: dict[str, Any] = {
    "apiVersion": "discovery.k8s.io/v1",
    "kind": "EndpointSlice",
    "metadata": {"name": "peers", "labels": {"kubernetes.io/service-name": f"{FULLNAME}-operator-peers"}},
    "addressType": "IPv4",
    "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": False}}],
    "ports": [{"name": "stream", "port": 8443}],
}
"""What the endpoint controller makes of the headless Service."""


@pytest.fixture
async def served(bare: Plant, real_api: Kube, tmp_path: Path) -> AsyncIterator[Serving]:
    """A replica with a peer's token; its peers are found on the API server."""
    account = f"{FULLNAME}-operator"
    if not bare.read("serviceaccount", account):
        bare.kubectl("create", "serviceaccount", account)
    token = tmp_path / "peer-token"
    token.write_text(bare.token(account, names.PEER_AUDIENCE))
    async with serving(real_api, bare, peer_token_file=str(token)) as running:
        yield running


def peers_of(running: Serving, api: Kube, clock: Clock, addresses: Iterable[str]) -> Peers:
    """Return the sums of a leader that asks these."""
    own_settings = dataclasses.replace(running.operator.settings, peers=tuple(addresses))
    return Peers(api, own_settings, running.operator.own, clock)


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read until the caller gives up."""
    await reader.read()
    writer.close()


def silent(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return who was said not to answer."""
    said = (record for record in caplog.records if record.getMessage() == "peer does not answer")
    return [str(getattr(record, "peer", "")) for record in said]


async def test_what_sidecars_answer_is_summed(bare: Plant, real_api: Kube, served: Serving) -> None:
    """Connected at once, of the version it runs after its answer, failed where it says so, and gone when it leaves."""
    bare.pod("summed", "shop")
    served.publish("good")
    served.publish("bad", version="7")
    peers = peers_of(served, real_api, Clock(), [f"127.0.0.1:{served.port}"])
    good, bad = (bare.namespace, "good"), (bare.namespace, "bad")
    async with served.stream(bare.token("default", names.STREAM_AUDIENCE, "summed")) as stream:
        snapshot = await received(stream)
        await peers.once()
        before = peers.totals()
        await stream.send_json({"ack": snapshot["hash"], "failed": {"bad": "it cannot be loaded"}})
        counts = served.operator.connected.counts
        await eventually("the answer", lambda: any(each.failed for each in counts().components))
        await peers.once()
        after = peers.totals()
    await eventually("it is gone", lambda: len(served.operator.connected) == 0)
    await peers.once()

    assert {good: Totals(1), bad: Totals(1)} == before
    assert {good: Totals(1, {"1": 1}), bad: Totals(1, {}, 1)} == after
    assert {} == peers.totals()


async def test_a_silent_peer_drops_out_and_is_named_once(
    bare: Plant, real_api: Kube, served: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody listens, somebody does not speak TLS, somebody says nothing: the others' numbers stay."""
    bare.pod("lasting", "shop")
    served.publish("lasting")
    key = (bare.namespace, "lasting")
    clock = Clock()
    mute = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    addresses = ["127.0.0.1:1", f"127.0.0.1:{mute.sockets[0].getsockname()[1]}", f"127.0.0.1:{served.port}"]
    peers = peers_of(served, real_api, clock, addresses)
    async with mute, served.stream(bare.token("default", names.STREAM_AUDIENCE, "lasting")) as stream:
        await received(stream)
        await peers.once()
        await peers.once()
        heard = peers.totals()
        clock.now = SILENT_AFTER_S
        dropped = peers.totals()

    assert ({key: Totals(1)}, {}) == (heard, dropped)
    assert sorted(addresses[:2]) == sorted(silent(caplog))


async def test_peers_are_found_where_the_headless_service_points(
    bare: Plant, served: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever is there is asked, ready or not; who has gone is forgotten, so that a later one is named anew."""
    peers = served.operator.peers
    for _ in range(2):
        bare.apply(SLICE)
        await peers.once()
        bare.kubectl("delete", "endpointslice", "peers")
        await peers.once()

    assert ["10.0.0.1:8443"] * 2 == silent(caplog)


async def test_nobody_is_asked_before_it_is_known_whom_to_trust(bare: Plant, real_api: Kube) -> None:
    """A token must not go to whoever has a certificate of a public authority."""
    own = OwnSecrets(real_api, settings(bare), Published(), Metrics())
    peers = Peers(real_api, settings(bare, peers=("127.0.0.1:1",), peer_token_file="/nowhere"), own)
    await peers.once()

    assert {} == peers.totals()
    own.close()


async def test_asking_goes_on_whatever_goes_wrong(
    bare: Plant, real_api: Kube, served: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a token nobody can be asked; as soon as there is one, everybody is."""
    bare.pod("patient", "shop")
    served.publish("patient")
    token = Path(served.operator.settings.peer_token_file)
    text = await asyncio.to_thread(token.read_text)
    await asyncio.to_thread(token.unlink)
    peers = peers_of(served, real_api, Clock(), [f"127.0.0.1:{served.port}"])
    async with served.stream(bare.token("default", names.STREAM_AUDIENCE, "patient")) as stream:
        await received(stream)
        following = asyncio.create_task(peers.follow())
        await eventually("a fault", lambda: "peers not asked" in caplog.text)
        await asyncio.to_thread(token.write_text, text)
        await eventually("a sum", peers.totals)
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following

    assert "FileNotFoundError" in {getattr(record, "fault", "") for record in caplog.records}
    assert text not in caplog.text
