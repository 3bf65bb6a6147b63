"""News: which of the changes that kopf tells must be looked at. In the main loop; it only enqueues keys."""

import asyncio
from collections.abc import Callable, Iterable

from parley_operator.workqueue import DEBOUNCE_S, Key, WorkQueue

Notice = Callable[[Key, "Change"], None]
Change = tuple[str, str, int, str]
"""Type of event (empty for a first list), uid, generation and deletion timestamp."""


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


class News:
    """Enqueues what changed; a watch that began anew may have missed more, so it has all that is known enqueued."""

    def __init__(self, queue: WorkQueue, known: Iterable[Key]) -> None:
        self._queue = queue
        self._known = known
        self._relisted: asyncio.TimerHandle | None = None

    def of_kind(self) -> Notice:
        """Return who takes the changes of one kind: namesakes of two kinds are not each other's former state."""
        novelty = Novelty()

        def notice(key: Key, change: Change) -> None:
            if novelty.is_new(key, change):
                self._queue.add(key)
            if not change[0] and self._relisted is None:
                self._relisted = asyncio.get_running_loop().call_later(DEBOUNCE_S, self._enqueue_known)

        return notice

    def _enqueue_known(self) -> None:
        """Enqueue all that is known, once for the many events of one list."""
        self._relisted = None
        for known in self._known:
            self._queue.add(known)
