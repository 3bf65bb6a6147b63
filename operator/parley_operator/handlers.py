"""Every kopf handler, and the thread that kopf runs in. A handler only says that a component changed.

kopf logs what a low-level handler raises and goes on, so nothing that may fail is done here. It takes its own loop: in
a shared one it cancels tasks that it does not know.
"""

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import kopf

from parley_crds import names
from parley_operator.edges import succeeded
from parley_operator.workqueue import Key

Notice = Callable[[Key, "Change"], None]
Change = tuple[str, str, int, str]
"""Type of event (empty for a first list), uid, generation and deletion timestamp."""

STOP_LIMIT_S: Final = 5.0
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


class Novelty:
    """Tells changes that matter from our own status writes, and a first list after a reconnect from news. Pure."""

    def __init__(self) -> None:
        self._seen: dict[Key, tuple[str, int, str]] = {}

    def is_new(self, key: Key, change: Change) -> bool:
        """Say whether a component must be looked at."""
        kind, *identity = change
        known = self._seen.get(key)
        if kind == "DELETED":
            self._seen.pop(key, None)
            return True
        self._seen[key] = (change[1], change[2], change[3])
        return known != tuple(identity)


def registry(notice: Notice, patience: Patience) -> kopf.OperatorRegistry:
    """Return kopf's handlers, which call `notice` in kopf's thread."""
    handlers = kopf.OperatorRegistry()

    @kopf.on.startup(registry=handlers)
    async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        """Leave nothing on objects, do not scan the API, and come back soon after a lost connection."""
        settings.posting.enabled = False
        settings.scanning.disabled = True
        settings.networking.request_timeout = 15
        settings.networking.error_backoffs = patience
        settings.watching.server_timeout = 300
        settings.watching.client_timeout = 330
        settings.watching.connect_timeout = 10

    @kopf.on.login(registry=handlers)
    def login(**known: Any) -> kopf.ConnectionInfo | None:
        """Log in as the pod's service account, or with KUBECONFIG outside of a cluster."""
        return kopf.login_with_service_account(**known) or kopf.login_with_kubeconfig(**known)

    @kopf.on.event(names.GROUP, names.VERSION, names.PLURAL, registry=handlers)
    async def changed(event: Mapping[str, Any], **_: Any) -> None:
        """Say which component changed."""
        metadata = event["object"]["metadata"]
        change = (
            event["type"] or "",
            metadata.get("uid", ""),
            metadata.get("generation", 0),
            metadata.get("deletionTimestamp", ""),
        )
        notice((metadata["namespace"], metadata["name"]), change)

    return handlers


class Watcher:
    """kopf in a thread of its own; changes arrive in the loop that runs it."""

    def __init__(self, on_change: Notice, namespaces: Iterable[str], patience: Patience = PATIENCE) -> None:
        self._on_change = on_change
        self._patience = patience
        self._namespaces = tuple(namespaces)
        self.is_watching = False
        """Whether kopf runs now."""

    async def run(self) -> None:
        """Watch until cancelled, or until kopf ends by itself, as it does when the resource is gone.

        Call it only once the resource exists, without which kopf would wait for ever.
        """
        loop, stop, ended = asyncio.get_running_loop(), threading.Event(), asyncio.Event()

        def notice(key: Key, change: Change) -> None:
            loop.call_soon_threadsafe(self._on_change, key, change)

        def body() -> None:
            with contextlib.suppress(asyncio.CancelledError):  # as in kopf.run
                asyncio.run(self._kopf(registry(notice, self._patience), stop))
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(ended.set)

        thread = threading.Thread(target=body, name="kopf", daemon=True)
        thread.start()
        self.is_watching = True
        try:
            await ended.wait()
        finally:
            self.is_watching = False
            stop.set()
            await asyncio.to_thread(thread.join, STOP_LIMIT_S)

    async def _kopf(self, handlers: kopf.OperatorRegistry, stop: threading.Event) -> None:
        """Run kopf. When it ends, release the thread in which it waits for `stop`, or its loop would never close."""
        work = kopf.operator(
            registry=handlers,
            standalone=True,
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
            stop_flag=stop,
        )
        try:
            await succeeded(work, "watch failed")
        finally:
            stop.set()
