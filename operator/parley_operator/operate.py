"""The operator's process: everything wired together, in one loop that owns the signals, with kopf in a thread."""

import asyncio
import gc
import logging
import signal
from collections.abc import Coroutine
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp

from parley_crds.stream import PING_INTERVAL_S
from parley_operator import component_events, health, keeper, rounds
from parley_operator.authentication import Account, Authenticator
from parley_operator.component_events import ComponentEvents
from parley_operator.connected import Connected
from parley_operator.edges import forever, succeeded
from parley_operator.events import Events
from parley_operator.following import Following
from parley_operator.handlers import PACE, Pace, Watcher
from parley_operator.health import Judge, LoopLag
from parley_operator.keeper import Keeper
from parley_operator.kinds import DAPRS, OURS, listed
from parley_operator.kube import Kube
from parley_operator.leadership import Leadership
from parley_operator.listening import Server
from parley_operator.metrics import Live, Metrics
from parley_operator.news import News
from parley_operator.own_secrets import OwnSecrets
from parley_operator.peers import Peers
from parley_operator.pods.owners import Hands, Owners
from parley_operator.pods.rounds import PodRounds
from parley_operator.public import create_public_app, gauges
from parley_operator.published import Published
from parley_operator.reconcile import Reconciler
from parley_operator.rounds import Resync, SecretRounds
from parley_operator.settings import Settings
from parley_operator.statuses import Statuses
from parley_operator.stream import MAX_ANSWER_BYTES, Snapshots, Streaming, create_app
from parley_operator.workqueue import WorkQueue

COLLECTIONS: Final = (700, 10, 100)
"""When Python looks for garbage among new, younger and all objects. Only the last is not its default, which is 10: ten
thousand streams are more than a million objects, a second of standing still in which no change goes out.
"""
FINISH_S: Final = 5
"""How long connections get to end after SIGTERM; sidecars come back to another replica."""

logger = logging.getLogger(__name__)


class Operator:
    """One replica's parts. `run` runs them until it is told to stop."""

    def __init__(self, api: Kube, settings: Settings, pace: Pace = PACE) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.events = Events(api, settings.identity, self.metrics)
        self.published = Published(has_store=bool(settings.store_url))
        kinds = (OURS, DAPRS) if settings.read_dapr_components else (OURS,)
        self.reconciler = Reconciler(api, self.published, self.metrics, kinds)
        self.queue = WorkQueue(self.reconciler)
        self.own = OwnSecrets(api, settings, self.published, self.metrics)
        self.connected = Connected()
        self.peers = Peers(api, settings, self.own)
        self.leadership = Leadership(api, (settings.namespace, f"{settings.fullname}-operator"), settings.identity)
        outcomes = self.reconciler.outcomes
        self.statuses = Statuses(api, outcomes, self.peers.totals, self.leadership.remaining_s)
        self.keeper = Keeper(api, settings, self.leadership.remaining_s)
        hands = Hands(api, Owners(api), self.events, self.metrics, self.leadership.remaining_s)
        self.pods = PodRounds(hands, settings, self.peers.pods)
        namespaces = settings.watch_namespaces
        self.resync = Resync(self.queue, outcomes, [partial(listed, api, kind, namespaces) for kind in kinds])
        self.secret_rounds = SecretRounds(api, self.queue, outcomes, self.metrics)
        self.news = News(self.queue, outcomes)
        self.watchers = [Watcher(kind, self.news.of_kind(), namespaces, pace) for kind in kinds]
        self.lag = LoopLag()
        self.streaming = Streaming(
            self.published,
            Snapshots(self.published, self.own),
            self.connected,
            Authenticator(api, self.metrics),
            Account(settings.namespace, settings.service_account or f"{settings.fullname}-operator"),
            self.metrics,
        )
        self._api = api

    @property
    def judges(self) -> tuple[Judge, ...]:
        """Who says whether this process is alive."""
        return (
            Judge("loop", "{age_s} s late", self.lag.now_s, health.LOOP_LIMIT_S),
            Judge("watch", "nothing asked for {age_s} s", self.watch_idle_s, health.WATCH_LIMIT_S),
            Judge("queue", "no work ended for {age_s} s, and some is due", self.queue.stuck_s, health.QUEUE_LIMIT_S),
            Judge("lease", "not tried for in {age_s} s", self.leadership.pulse.idle_s, health.LEASE_LIMIT_S),
        )

    def watch_idle_s(self) -> float:
        """Return the seconds since a watch that runs has asked the API server anything; of several, the most."""
        return max((watcher.pulse.idle_s() for watcher in self.watchers if watcher.is_watching), default=0.0)

    def watch_age_s(self) -> float:
        """Return the seconds since our watch, or Dapr's while it runs, was answered or told of a change."""
        ours, *others = self.watchers
        return max(ours.pulse.age_s(), *(other.pulse.age_s() for other in others if other.is_watching), 0.0)

    @property
    def is_ready(self) -> bool:
        """Say whether sidecars may be sent here."""
        return self.published.synced and self.own.certificate.is_good(datetime.now(UTC))

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, then end: the Lease is given back, streams are closed, writes are finished."""
        self.metrics.registry.register(Live(gauges(self)))
        public = self._server(create_public_app(self), self.settings.metrics_port)
        async with asyncio.TaskGroup() as tasks:
            background = [
                tasks.create_task(work)
                for work in (self.lag.tick(), self.queue.run(), self.own.follow(), self._watch())
            ]
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
            tasks.create_task(self.pods.run())
            told = ComponentEvents(self.reconciler.outcomes, self.events, self.leadership.remaining_s)
            tasks.create_task(forever(told.once, component_events.ROUND_S, "faults of components not told"))
            if self.settings.own_redis:
                tasks.create_task(forever(self._keep_users, 1.0, "users of Redis not kept"))

    async def _keep_users(self) -> None:
        """Keep the namespaces' users in the chart's own Redis."""
        from parley_operator.redis_users import RedisUsers  # noqa: PLC0415 - 19 MiB that others do not pay for

        outcomes = self.reconciler.outcomes
        remaining_s = self.leadership.remaining_s
        await RedisUsers(
            lambda: self.own.store, self.published, lambda: {namespace for namespace, _ in outcomes}, remaining_s
        ).run()

    async def _watch(self) -> None:
        """Learn what is there, then follow it: by kopf's watches, by Secrets in turn, by a list from time to time."""
        await self.resync.first(self.published)
        gc.set_threshold(*COLLECTIONS)
        gc.freeze()  # what is there by now stays: no collection looks through it again
        async with asyncio.TaskGroup() as tasks:
            for watcher in self.watchers:
                tasks.create_task(Following(self._api, watcher, self.resync.again, self.metrics).run())
            tasks.create_task(forever(self.secret_rounds.once, 0.1, "secrets not read"))
            await asyncio.sleep(rounds.RESYNC_S)
            tasks.create_task(forever(self.resync.again, rounds.RESYNC_S, "components not listed"))

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

    def _server(self, app: ASGIApp, port: int, own: OwnSecrets | None = None) -> Server:
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
                proxy_headers=False,
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


async def operate(settings: Settings) -> None:
    """Run the operator until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    logger.info("operator starts", extra={"settings": asdict(settings)})
    await Operator(await Kube.connect(), settings).run(stop)
    logger.info("operator ends")
