"""The operator's process: everything wired together, in one loop that owns the signals, with kopf in a thread."""

import asyncio
import logging
import signal
from collections.abc import Coroutine, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

import uvicorn
from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import PlainTextResponse, Response

from parley_crds.stream import PING_INTERVAL_S
from parley_operator import keeper, rounds
from parley_operator.authentication import Account, Authenticator
from parley_operator.connected import Connected
from parley_operator.edges import forever, succeeded
from parley_operator.handlers import Change, Novelty, Watcher
from parley_operator.keeper import Keeper
from parley_operator.kube import Kube
from parley_operator.leadership import Leadership
from parley_operator.listening import Server
from parley_operator.metrics import ALONE, Gauge, registry
from parley_operator.own_secrets import OwnSecrets
from parley_operator.peers import Peers
from parley_operator.published import Published
from parley_operator.reconcile import Reconciler
from parley_operator.rounds import Resync, SecretRounds
from parley_operator.settings import Settings
from parley_operator.statuses import Statuses
from parley_operator.stream import MAX_ANSWER_BYTES, Snapshots, Streaming, create_app
from parley_operator.workqueue import DEBOUNCE_S, Key, WorkQueue

WATCH_PAUSE_S: Final = 2.0
"""Between the end of a watch and the next one."""
FINISH_S: Final = 5
"""How long connections get to end after SIGTERM; sidecars come back to another replica."""

logger = logging.getLogger(__name__)


class Operator:
    """One replica's parts. `run` runs them until it is told to stop."""

    def __init__(self, api: Kube, settings: Settings) -> None:
        self.settings = settings
        self.published = Published()
        self.reconciler = Reconciler(api, self.published)
        self.queue = WorkQueue(self.reconciler)
        self.own = OwnSecrets(api, settings, self.published)
        self.connected = Connected()
        self.peers = Peers(api, settings, self.own)
        self.leadership = Leadership(api, (settings.namespace, f"{settings.fullname}-operator"), settings.identity)
        outcomes = self.reconciler.outcomes
        self.statuses = Statuses(api, outcomes, self.peers.totals, self.leadership.remaining_s)
        self.keeper = Keeper(api, settings, self.leadership.remaining_s)
        self.resync = Resync(api, self.queue, outcomes, settings.watch_namespaces)
        self.secret_rounds = SecretRounds(api, self.queue, outcomes)
        self.watcher = Watcher(self._on_change, settings.watch_namespaces)
        self.streaming = Streaming(
            self.published,
            Snapshots(self.published, self.own),
            self.connected,
            Authenticator(api),
            Account(settings.namespace, f"{settings.fullname}-operator"),
        )
        self._novelty = Novelty()
        self._relisted: asyncio.TimerHandle | None = None
        self._api = api

    @property
    def is_ready(self) -> bool:
        """Say whether sidecars may be sent here."""
        return self.published.synced and self.own.certificate.is_good(datetime.now(UTC))

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, then end: the Lease is given back, streams are closed, writes are finished."""
        public = self._server(create_public_app(self), self.settings.metrics_port)
        async with asyncio.TaskGroup() as tasks:
            background = [tasks.create_task(work) for work in (self.queue.run(), self.own.follow(), self._watch())]
            leading = tasks.create_task(self.leadership.run(self.lead))
            tasks.create_task(public.serve())
            stream = tasks.create_task(self._serve_stream(stop))
            await stop.wait()
            leading.cancel()  # before all else: another replica writes on while streams end here
            await stream
            for task in background:
                task.cancel()
            public.should_exit = True
        self.own.close()
        await self._api.aclose()

    async def lead(self) -> None:
        """Do what the holder of the Lease alone does."""
        # Before the first status: with no sums yet, it would write zeros over what the last leader counted.
        await succeeded(self.peers.once(), "peers not asked")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.statuses.run())
            tasks.create_task(forever(self.keeper.once, keeper.ROUND_S, "keeper failed"))
            tasks.create_task(self.peers.follow())

    async def _watch(self) -> None:
        """Learn what is there, then follow it: by kopf's watch, by Secrets in turn, by a list from time to time."""
        await self.resync.first(self.published)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            tasks.create_task(forever(self.secret_rounds.once, 0.1, "secrets not read"))
            await asyncio.sleep(rounds.RESYNC_S)
            tasks.create_task(forever(self._resync, rounds.RESYNC_S, "components not listed"))

    async def _follow(self) -> None:
        """Watch, and begin anew where the watch ends: not the whole process, which sidecars hang on."""
        while True:
            await self.watcher.run()
            logger.warning("watch ended, and begins anew")
            await asyncio.sleep(WATCH_PAUSE_S)
            await self.resync.patiently()

    async def _resync(self) -> None:
        await self.resync.once()

    def _on_change(self, key: Key, change: Change) -> None:
        """Enqueue a component that kopf saw change; a watch that began anew may have missed others."""
        if self._novelty.is_new(key, change):
            self.queue.add(key)
        if not change[0] and self._relisted is None:
            self._relisted = asyncio.get_running_loop().call_later(DEBOUNCE_S, self._enqueue_known)

    def _enqueue_known(self) -> None:
        """Enqueue all that is known, once for the many events of one list."""
        self._relisted = None
        for known in self.reconciler.outcomes:
            self.queue.add(known)

    async def _serve_stream(self, stop: asyncio.Event) -> None:
        """Open the listener once there is a certificate to show, and close it when it is time."""
        await either(self.own.has_certificate.wait(), stop.wait())
        if stop.is_set():
            return
        server = self._server(create_app(self.streaming), self.settings.port, self.own)
        serving = asyncio.create_task(server.serve())
        await either(asyncio.shield(serving), stop.wait())
        server.should_exit = True
        await serving

    def _server(self, app: FastAPI, port: int, own: OwnSecrets | None = None) -> Server:
        return Server(
            uvicorn.Config(
                app,
                host=self.settings.host,
                port=port,
                log_config=None,
                log_level="warning",
                access_log=False,
                lifespan="off",
                ws="websockets-sansio" if own else "none",
                ws_ping_interval=PING_INTERVAL_S,
                ws_ping_timeout=2 * PING_INTERVAL_S,
                ws_max_size=MAX_ANSWER_BYTES,
                ws_per_message_deflate=False,  # memory for each of thousands of streams
                server_header=False,
                timeout_graceful_shutdown=FINISH_S,
                ssl_context_factory=(lambda *_: own.certificate.context) if own else None,
            )
        )


async def either(*works: Coroutine[Any, Any, object] | asyncio.Future[object]) -> None:
    """Return when one of these is done; cancel the others."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def create_public_app(operator: Operator) -> FastAPI:
    """Return health and metrics, on plain HTTP: for the kubelet and for Prometheus."""
    app = FastAPI(openapi_url=None)
    metrics = registry(gauges(operator))

    @app.get("/healthz")
    async def healthz() -> Response:
        return PlainTextResponse("ok\n")

    @app.get("/readyz")
    async def readyz() -> Response:
        return PlainTextResponse("ok\n") if operator.is_ready else PlainTextResponse("not ready\n", 503)

    @app.get("/metrics")
    async def show() -> Response:
        return Response(await asyncio.to_thread(generate_latest, metrics), media_type=CONTENT_TYPE_LATEST)

    return app


def gauges(operator: Operator) -> Iterator[Gauge]:
    """Return the operator's metrics."""
    outcomes = operator.reconciler.outcomes

    def components() -> dict[tuple[str, ...], float]:
        counted: dict[tuple[str, ...], float] = {("ready",): 0.0, ("failed",): 0.0}
        for outcome in list(outcomes.values()):
            counted[("failed" if outcome.judged.fault else "ready",)] += 1
        return counted

    def alone(name: str, meaning: str, read: Any) -> Gauge:
        return Gauge(name, meaning, lambda: {ALONE: float(read())})

    yield Gauge("parley_operator_components", "Components by state: ready, failed.", components, ("state",))
    yield alone("parley_operator_leader", "1 while this replica holds the Lease.", lambda: operator.leadership.is_held)
    yield alone("parley_operator_synced", "1 once all components are known.", lambda: operator.published.synced)
    yield alone("parley_operator_watching", "1 while changes are watched.", lambda: operator.watcher.is_watching)
    yield alone("parley_operator_queue_depth", "Components that wait to be reconciled.", lambda: operator.queue.depth)
    yield alone("parley_operator_sidecars", "Sidecars connected to this replica.", lambda: len(operator.connected))
    yield alone(
        "parley_operator_certificate_expiry_timestamp_seconds",
        "When the served certificate ends, as a Unix time.",
        lambda: operator.own.expires_at,
    )


async def operate(settings: Settings) -> None:
    """Run the operator until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    logger.info("operator starts", extra={"settings": asdict(settings)})
    await Operator(await Kube.connect(), settings).run(stop)
    logger.info("operator ends")
