"""Every kopf handler, and the thread that kopf runs in. A handler only says that a component changed.

kopf logs what a low-level handler raises and goes on, so nothing that may fail is done here. It takes its own loop: in
a shared one it cancels tasks that it does not know. Each kind of component has a kopf of its own: one whose resource
goes ends all of its watches.
"""

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import kopf

from parley_operator.edges import succeeded
from parley_operator.health import Pulse
from parley_operator.kinds import Kind
from parley_operator.news import Change, Notice
from parley_operator.workqueue import Key

CLOSING_S: Final = 0.3
"""How long TLS connections get to close, before their loop ends."""
BACKOFFS_S: Final = (0.5, 1.0, 2.0, 5.0)
"""Pauses between tries of a call that the API server refuses with 403, 429 or 5xx; the last one is repeated."""


class Patience:
    """Back-offs without an end: when kopf runs out of them its watch is over, however soon the API server is back."""

    def __init__(self, pauses_s: Sequence[float] = BACKOFFS_S) -> None:
        self._pauses_s = pauses_s

    def __iter__(self) -> Iterator[float]:
        """Begin anew for each call."""
        return itertools.chain(self._pauses_s, itertools.repeat(self._pauses_s[-1]))


PATIENCE: Final = Patience()


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a watch may take and be silent, and how long each wait between two watches is; all in seconds."""

    patience: Patience = PATIENCE
    watch_s: int = 30
    """How long the API server is asked to answer one watch: so an idle one, too, shows regularly that it lives."""
    silence_s: float = 40.0
    """How long nothing may come from a watch, not even its end, until its connection is taken for dead."""
    stuck_s: float = 120.0
    """How long kopf may ask nothing, whatever it was answered, until it is begun anew."""
    stop_s: float = 5.0
    """How long kopf may take to end; a stuck one is left behind."""
    pause_s: float = 2.0
    """Between the end of a watch and the next one."""
    absent_s: float = 2.0
    """Between looks for a resource that is not there, or an API server that does not answer."""
    guest_absent_s: float = 60.0
    """Between looks for a resource that a cluster may be without."""


PACE: Final = Pace()


def registry(kind: Kind, notice: Notice, pulse: Pulse, pace: Pace) -> kopf.OperatorRegistry:
    """Return kopf's handlers for one kind, which call `notice` in kopf's thread."""
    handlers = kopf.OperatorRegistry()
    counted: set[Key] = set()
    shown: list[kopf.ConnectionInfo] = []

    @kopf.on.startup(registry=handlers)
    async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        """Leave nothing on objects, do not scan the API, and come back soon after a lost connection."""
        settings.posting.enabled = False
        settings.scanning.disabled = True
        settings.networking.request_timeout = 15
        settings.networking.error_backoffs = pace.patience
        settings.watching.server_timeout = pace.watch_s
        settings.watching.client_timeout = pace.watch_s + 30
        settings.watching.inactivity_timeout = pace.silence_s
        settings.watching.connect_timeout = 10

    @kopf.on.login(registry=handlers)
    async def login(**known: Any) -> kopf.AiohttpSession | None:
        """Log in as the pod's service account, or with KUBECONFIG outside of a cluster.

        What the API server has refused is not shown again: kopf ends then, and is begun anew after a pause.
        """
        found = kopf.login_with_service_account(**known) or kopf.login_with_kubeconfig(**known)
        if found is None or found in shown:
            return None
        shown[:] = [found]
        return session(found, pulse)

    @kopf.on.event(kind.api_version, kind.plural, registry=handlers)
    async def changed(event: Mapping[str, Any], **_: Any) -> None:
        """Say which component changed; one that counts no more has changed too."""
        pulse.note_success()
        document = event["object"]
        metadata = document["metadata"]
        key = (metadata["namespace"], metadata["name"])
        if kind.counts(document):
            counted.add(key)
        elif key not in counted:
            return
        identity = (metadata.get("uid", ""), metadata.get("generation", 0), metadata.get("deletionTimestamp", ""))
        notice(key, (event["type"] or "", *identity))

    return handlers


def session(info: kopf.ConnectionInfo, pulse: Pulse) -> kopf.AiohttpSession:
    """Return the session that kopf would make itself, and which tells each request and each answer besides."""
    trace = aiohttp.TraceConfig()

    @trace.on_request_start.append
    async def asked(*_: object) -> None:
        pulse.note_try()

    @trace.on_request_end.append
    async def answered(_: object, __: object, end: aiohttp.TraceRequestEndParams) -> None:
        if end.response.ok:
            pulse.note_success()

    made = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=info.as_ssl_context()),
        headers=info.as_http_headers(),
        proxy=info.proxy_url,
        trust_env=info.trust_env,
        trace_configs=[trace],
    )
    return kopf.AiohttpSession(server=info.server, default_namespace=info.default_namespace, aiohttp_session=made)


class Watcher:
    """kopf in a thread of its own, for one kind; changes arrive in the loop that runs it."""

    def __init__(self, kind: Kind, on_change: Notice, namespaces: Iterable[str], pace: Pace = PACE) -> None:
        self.kind = kind
        self.namespaces = tuple(namespaces)
        self._on_change = on_change
        self.pace = pace
        self.is_watching = False
        """Whether kopf runs now."""
        self.pulse = Pulse()
        """kopf's requests, and the API server's answers to them."""

    async def run(self) -> None:
        """Watch until cancelled, or until kopf ends by itself, as it does when the resource is gone.

        Call it only once the resource exists, without which kopf would wait for ever.
        """
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        stop: Future[None] = Future()

        def notice(key: Key, change: Change) -> None:
            loop.call_soon_threadsafe(self._on_change, key, change)

        def body() -> None:
            with contextlib.suppress(asyncio.CancelledError):  # as in kopf.run
                asyncio.run(self._kopf(registry(self.kind, notice, self.pulse, self.pace), stop))
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(ended.set)

        thread = threading.Thread(target=body, name=f"kopf-{self.kind.plural}", daemon=True)
        thread.start()
        self.is_watching = True
        try:
            await ended.wait()
        finally:
            self.is_watching = False
            with contextlib.suppress(InvalidStateError):  # kopf has ended, and cancelled it
                stop.set_result(None)
            await asyncio.to_thread(thread.join, self.pace.stop_s)

    async def _kopf(self, handlers: kopf.OperatorRegistry, stop: Future[None]) -> None:
        flag = asyncio.wrap_future(stop)  # a flag of another kind would need a thread to wait for it

        @kopf.on.cleanup(registry=handlers)
        async def release(**_: Any) -> None:
            """End kopf's own wait for the flag: when a watch ends by itself, it would hang on that for 5 s."""
            if not flag.done():
                flag.set_result(None)

        work = kopf.operator(
            registry=handlers,
            standalone=True,
            clusterwide=not self.namespaces,
            namespaces=self.namespaces,
            stop_flag=flag,
        )
        await succeeded(work, "watch failed")
        await asyncio.sleep(CLOSING_S)
