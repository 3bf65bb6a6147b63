"""The stream in the test's own process: the operator's own wiring, on a real API server, with real Secrets and tokens.

For what a test cannot see of an operator in another process, or would have to wait long for.
"""

import asyncio
import dataclasses
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from parley_crds import names
from parley_crds.component import Component
from parley_crds.stream import PING_INTERVAL_S
from parley_operator.keeper import Keeper
from parley_operator.kube import Kube
from parley_operator.operate import FINISH_S, Operator
from parley_operator.settings import Settings
from parley_operator.stream import Streaming, Times, create_app
from tests.conftest import PATIENCE_S, free_port
from tests.operator.world import Plant

FULLNAME = "bare"
SECRETS = tuple(f"{FULLNAME}-{suffix}" for suffix in ("ca", "tls", "store", "context-key"))
QUICK = Times(recheck_s=lambda: 0.2, retry_after_s=lambda: 1)


class Clock:
    """Seconds that a test lets pass."""

    now = 0.0

    def __call__(self) -> float:
        """Return them."""
        return self.now


def empty(name: str) -> dict[str, Any]:
    """Return a Secret as the chart makes it."""
    return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {"name": name}}


def webhook(plant: Plant) -> dict[str, Any]:
    """Return a webhook configuration as the chart makes it, with two entries that match nothing."""
    entries = [
        {
            "name": f"{number}.bare.parley.dev",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Ignore",
            "clientConfig": {"url": "https://127.0.0.1:1/inject"},
            "rules": [],
        }
        for number in ("first", "second")
    ]
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration"}
    return {**kind, "metadata": {"name": f"{plant.namespace}-injector"}, "webhooks": entries}


def settings(plant: Plant, **different: Any) -> Settings:
    """Return the settings of an operator in a bare namespace."""
    own = Settings(
        namespace=plant.namespace,
        identity="tested",
        fullname=FULLNAME,
        webhook_name=f"{plant.namespace}-injector",
        host="127.0.0.1",
        store_url="redis://bare-redis:6379",
        store_secret=f"{FULLNAME}-store",
        tls_secret=f"{FULLNAME}-tls",
        own_redis=True,
        extra_sans=("localhost", "127.0.0.1"),
    )
    return dataclasses.replace(own, **different)


def limit_s() -> float:
    """Return how long a write may take."""
    return 10.0


async def eventually(what: str, probe: Callable[[], object]) -> None:
    """Poll, in the loop, until `probe` returns something truthy."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not probe():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"{what}: not within {PATIENCE_S:.0f} s") from None


@asynccontextmanager
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session whose TLS connections are gone, not merely closing, after the block."""
    connector = aiohttp.TCPConnector()
    async with aiohttp.ClientSession(connector=connector, connector_owner=False) as session:
        try:
            yield session
        finally:
            await connector.close(abort_ssl=True)
            await asyncio.sleep(0)


@dataclass(frozen=True, slots=True)
class Serving:
    """A served stream, and what is behind it."""

    operator: Operator
    port: int

    def publish(self, name: str, **parts: Any) -> None:
        """Publish a component without going through the API server."""
        namespace = self.operator.settings.namespace
        given = {"namespace": namespace, "type": "conversation.echo", "version": "1", **parts}
        self.operator.published.put(Component(name=name, **given))

    def trusted(self) -> ssl.SSLContext:
        """Return what a sidecar trusts."""
        return ssl.create_default_context(cadata=self.operator.own.trust_anchors)

    @asynccontextmanager
    async def stream(self, token: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open the stream as a sidecar does."""
        url = f"https://127.0.0.1:{self.port}{names.STREAM_PATH}"
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            asyncio.timeout(PATIENCE_S),
            http() as session,
            session.ws_connect(url, headers=headers, ssl=self.trusted(), max_msg_size=0) as opened,
        ):
            yield opened

    async def refusal(self, token: str) -> tuple[int, str, str]:
        """Ask for the stream as a plain client; return status, Retry-After and the sentence."""
        headers = {
            "Authorization": f"Bearer {token}",
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        }
        url = f"https://127.0.0.1:{self.port}{names.STREAM_PATH}"
        async with http() as session, session.get(url, headers=headers, ssl=self.trusted()) as reply:
            return reply.status, reply.headers.get("Retry-After", ""), await reply.text()


@asynccontextmanager
async def serving(
    api: Kube,
    plant: Plant,
    change: Callable[[Streaming], Streaming] = lambda streaming: streaming,
    *,
    ping_s: float = PING_INTERVAL_S,
    finish_s: int = FINISH_S,
    **different: Any,
) -> AsyncIterator[Serving]:
    """Serve the stream with the bare namespace's Secrets; `change` what the routes share, times, and the settings."""
    own_settings = settings(plant, **different)
    await Keeper(api, own_settings, limit_s).once()
    operator = Operator(api, own_settings)
    await operator.own.once()
    operator.published.mark_synced()
    port = free_port()
    server = operator._server(create_app(change(operator.streaming)), port, operator.own)
    server.config.timeout_graceful_shutdown = finish_s
    server.config.ws_ping_interval, server.config.ws_ping_timeout = ping_s, 2 * ping_s
    running = asyncio.create_task(server.serve())
    await eventually("the stream is served", lambda: server.started)
    try:
        yield Serving(operator, port)
    finally:
        server.should_exit = True
        await running
        operator.own.close()


async def received(stream: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    """Return the next snapshot."""
    snapshot: dict[str, Any] = json.loads(await stream.receive_str())
    return snapshot


def pod_token(plant: Plant, pod: str, app_id: str = "shop", account: str = "default") -> str:
    """Run a pretended pod, and return its sidecar's token."""
    plant.pod(pod, app_id, account)
    return plant.token(account, names.STREAM_AUDIENCE, pod)


def quick(streaming: Streaming) -> Streaming:
    """Look at pods all the time, and have who is refused come back soon."""
    return dataclasses.replace(streaming, times=QUICK)


def names_in(snapshot: dict[str, Any]) -> list[str]:
    """Return the components of a snapshot."""
    return [component["name"] for component in snapshot["components"]]
