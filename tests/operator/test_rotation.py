"""An authority is replaced, with everything that hangs on it: no pod misses its sidecar, no sidecar its stream.

Real API server, injector and sidecar. The keeper's and the operator's clock is passed; what a TLS client checks by the
true time is made to be valid now. The test does what the kubelet does: it mounts the Secrets, some time later.
"""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvicorn

from parley_operator import kube
from parley_operator.certificates import CA_LIFE, CA_OVERLAP, certificates_of
from parley_operator.injector.app import Injector, create_app
from parley_operator.injector.certificate import ServedCertificate
from parley_operator.injector.door import Door
from parley_operator.injector.metrics import Metrics
from parley_operator.keeper import Keeper
from parley_operator.kube import Kube
from parley_operator.listening import Server
from parley_operator.operate import Operator
from parley_operator.own_secrets import called_names
from parley_operator.stream import create_app as create_stream
from tests.conftest import free_port
from tests.injector.live import Api, named
from tests.injector.world import SETTINGS, mount
from tests.operator.issuer import Issuer
from tests.operator.serving import FULLNAME, SECRETS, empty, eventually, http, limit_s, settings
from tests.operator.world import Plant, RunningSidecar

pytestmark = pytest.mark.control_plane
NOW = datetime.now(UTC)
OTHERS = "others-tls"


class Clock:
    """What leader and replica go by."""

    now = NOW

    def __call__(self) -> datetime:
        """Return what it shows."""
        return self.now


@dataclass(slots=True)
class Scene:
    """The leader, one replica of operator and injector, the API server between them, and a clock."""

    plant: Plant
    api: Kube
    cluster: Api
    keeper: Keeper
    operator: Operator
    injector: Injector
    directory: Path
    clock: Clock
    port: int
    webhook_port: int

    async def look(self, now: datetime | None = None) -> None:
        """Let a round of the leader's and one of the replica's pass, at a time."""
        self.clock.now = now or self.clock.now
        await self.keeper.once()
        await self.operator.own.once()

    def mounted(self) -> bool:
        """Let the kubelet swap the injector's volume, and the injector look; say whether it serves another one."""
        tls = self.plant.secret_data(self.operator.settings.tls_secret)
        if self.operator.settings.certificates != "builtin":
            tls["ca.crt"] = self.plant.secret_data(f"{FULLNAME}-ca")["ca.crt"]
        mount(self.directory, tls)
        return self.injector.certificate.refresh()

    async def injected(self) -> list[str]:
        """Create a pod, and return the authorities that its sidecar is told to trust; the webhook's policy is Fail."""
        answer = await asyncio.to_thread(self.cluster.create, self.plant.namespace, named("shop"))
        assert answer.is_good, answer.message
        (sidecar,) = answer.document["spec"]["initContainers"]
        (anchors,) = [each["value"] for each in sidecar["env"] if each["name"] == "PARLEY_TRUST_ANCHORS"]
        return certificates_of(anchors)

    async def put(self, data: Mapping[str, str]) -> None:
        """Write the Secret that is not ours, as cert-manager does."""
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": OTHERS}, "data": encoded}
        await self.api.apply(kube.secret(self.plant.namespace, OTHERS), body, "somebody")

    def serial(self) -> float:
        """Tell one certificate of the replica's from another."""
        return self.operator.own.certificate.begins.timestamp()

    @property
    def called(self) -> list[str]:
        """Return what the certificate must be good for, here on loopback too."""
        return [*called_names(self.operator.settings), "localhost"]

    async def is_trusted_by(self, anchors: list[str]) -> bool:
        """Say whether who trusts these, and was never told of others, can connect to the replica."""
        context = ssl.create_default_context(cadata="\n".join(anchors))
        try:
            async with http() as session, session.get(f"https://localhost:{self.port}/", ssl=context):
                return True
        except aiohttp.ClientConnectorCertificateError:
            return False

    @property
    def last_good(self) -> Path:
        """Return where the sidecar keeps it."""
        return self.directory.with_name(f"{self.directory.name}-last-good.json")

    async def sidecar(self, anchors: list[str]) -> AbstractContextManager[object]:
        """Start the sidecar of a pod that was injected with these, and wait until it is connected."""
        environment = {
            "PARLEY_TRUST_ANCHORS": "\n".join(anchors),
            "PARLEY_OPERATOR_URL": f"https://localhost:{self.port}",
            "PARLEY_LAST_GOOD_FILE": str(self.last_good),
        }
        await asyncio.to_thread(self.plant.pod, "long-lived", "shop")  # whose webhook we are
        running = RunningSidecar.start(self.plant, self, "long-lived", "shop", **environment)
        with ExitStack() as stack:
            stack.callback(running.stop)
            await eventually("the sidecar is connected", lambda: len(self.operator.connected) == 1)
            return stack.pop_all()

    def kept(self) -> list[str]:
        """Return the authorities in what the sidecar keeps for the container after it."""
        text = self.last_good.read_text() if self.last_good.exists() else "{}"
        return certificates_of(json.loads(text).get("trust_anchors", ""))


def webhook(plant: Plant, port: int) -> dict[str, Any]:
    """Return an entry that asks the injector for each pod of the namespace, and fails where it does not answer."""
    entry = {
        "name": "rotation.parley.dev",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "clientConfig": {"url": f"https://localhost:{port}/inject"},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": plant.namespace}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
    }
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration"}
    return {**kind, "metadata": {"name": f"{plant.namespace}-injector"}, "webhooks": [entry]}


@asynccontextmanager
async def served(server: Server) -> AsyncIterator[None]:
    """Serve inside the block."""
    running = asyncio.create_task(server.serve())
    await eventually("it is served", lambda: server.started)
    try:
        yield
    finally:
        server.should_exit = True
        await running


@pytest.fixture
async def scene(bare: Plant, real_api: Kube, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    """Everything but certificates: both servers serve as soon as there is one."""
    mode = {"builtin": {}, "certManager": {"certificates": "certManager", "tls_secret": OTHERS}}[request.param]
    bare.kubectl("delete", "secret", *SECRETS, "--ignore-not-found")
    bare.kubectl("delete", "mutatingwebhookconfiguration", f"{bare.namespace}-injector", "--ignore-not-found")
    bare.apply(*map(empty, SECRETS))
    own, clock, certificate = settings(bare, **mode), Clock(), ServedCertificate(tmp_path)
    operator, port = Operator(real_api, own), free_port()
    operator.own._clock = operator.own.certificate._clock = clock
    operator.published.mark_synced()
    injector = Injector(SETTINGS, certificate, Door(8), Metrics())
    keeper = Keeper(real_api, own, limit_s, clock)
    config = uvicorn.Config(
        create_app(injector),
        host="127.0.0.1",
        port=free_port(),
        log_config=None,
        lifespan="off",
        ssl_context_factory=lambda *_: certificate.context,
    )
    bare.apply(webhook(bare, config.port))
    stream = operator._server(create_stream(operator.streaming), port, operator.own)
    async with served(Server(config)), served(stream):
        parts = (keeper, operator, injector, tmp_path, clock)
        yield Scene(bare, real_api, Api.of(bare.cluster), *parts, port, config.port)
    operator.own.close()


@pytest.mark.parametrize("scene", ["builtin"], indirect=True)
async def test_our_own_authority_is_replaced(scene: Scene) -> None:
    """Trusted first, by the API server and by all who are connected; it signs an hour later, beside the old one."""
    await scene.look(NOW - CA_LIFE + CA_OVERLAP - timedelta(minutes=70))
    await scene.look(NOW - timedelta(minutes=75))
    scene.mounted()
    first = await scene.injected()
    with await scene.sidecar(first):
        await scene.look(NOW - timedelta(minutes=65))
        told = [await scene.injected(), scene.mounted(), await scene.injected()]
        both = certificates_of(scene.operator.own.trust_anchors)
        await eventually("the sidecar is told", lambda: scene.kept() == both)
        serials = [scene.serial()]
        await scene.look(NOW)
        signed = [await scene.injected(), scene.mounted(), await scene.injected()]
        serials.append(scene.serial())
    with await scene.sidecar(first):  # its container, started anew with the environment of that time
        pass

    assert (1, 2) == (len(first), len(both))
    assert ([first, True, both], [both, True, both[::-1]]) == (told, signed)
    assert 2 == len(set(serials))
    assert (False, True) == (await scene.is_trusted_by(first), await scene.is_trusted_by(both))


@pytest.mark.parametrize("scene", ["certManager"], indirect=True)
async def test_somebody_elses_authority_is_replaced(scene: Scene) -> None:
    """With its certificate in one write: the injector waits for caBundle, the operator for its sidecars."""
    old, new = Issuer("old", NOW - timedelta(days=10)), Issuer("new", NOW - timedelta(hours=2))
    await scene.put(old.secret(scene.called, NOW - timedelta(days=1)))
    await scene.look()
    scene.mounted()
    first = await scene.injected()
    with await scene.sidecar(first):
        await scene.put(new.secret(scene.called))
        early = [scene.mounted(), await scene.injected()]
        await scene.look()
        told = [await scene.injected(), scene.mounted(), await scene.injected()]
        both = certificates_of(scene.operator.own.trust_anchors)
        await eventually("the sidecar is told", lambda: scene.kept() == both)
        serials = [scene.serial()]
        waiting = await scene.is_trusted_by(first)
        await scene.look(NOW + timedelta(hours=1))
        serials.append(scene.serial())
    with await scene.sidecar(first):
        pass

    assert [[old.pem.strip()], [new.pem.strip(), old.pem.strip()]] == [first, both]
    assert ([False, first], [first, True, both], True) == (early, told, waiting)
    assert 2 == len(set(serials))
    assert (False, True) == (await scene.is_trusted_by(first), await scene.is_trusted_by(both))


@pytest.mark.parametrize("scene", ["builtin"], indirect=True)
async def test_an_upgrade_with_force_costs_no_pod(scene: Scene) -> None:
    """Secrets and caBundle emptied are put back in one round; the very same, so that nothing has to be told anybody."""
    await scene.look()
    scene.mounted()
    before = await scene.injected()
    scene.plant.kubectl("delete", "secret", *SECRETS)
    scene.plant.kubectl("delete", "mutatingwebhookconfiguration", f"{scene.plant.namespace}-injector")
    scene.plant.apply(*map(empty, SECRETS), webhook(scene.plant, scene.webhook_port))
    await scene.look()
    after = [await scene.injected(), scene.mounted(), await scene.injected()]

    assert [before, True, before] == after
    assert before == certificates_of(scene.operator.own.trust_anchors)
