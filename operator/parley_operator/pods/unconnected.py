"""Pods that the injector gave a sidecar which is not connected: for how long, and why, as far as a look at them tells.

A pod is looked at when it has not been connected for two minutes. One whose sidecar has been running for as long is
counted; one whose sidecar was damaged by another webhook is counted apart; any other is looked at again after two
minutes: it may wait for a node or an image.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Final

from parley_operator.kube import Object
from parley_operator.pods.missed import Damage, damage
from parley_operator.pods.seen import Seen

PATIENCE_S: Final = 120.0
"""How long a sidecar may take to connect."""


def running_since(document: Object) -> float | None:
    """Return when a pod's init containers had started or ended, as a Unix time; None: it does not run yet. Pure."""
    status = document.get("status") or {}
    if status.get("phase") != "Running":
        return None
    for condition in status.get("conditions") or ():
        if condition["type"] == "Initialized" and condition["status"] == "True" and condition.get("lastTransitionTime"):
            return datetime.fromisoformat(condition["lastTransitionTime"]).timestamp()
    return None


class Unconnected:
    """Remembers, of injected pods that are not connected, since when, and what was seen of them."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """`clock` gives Unix time, which the API server's is compared with."""
        self._clock = clock
        self._since: dict[str, float] = {}
        self._found: dict[str, Damage | None] = {}

    def keep(self, present: Iterable[Seen]) -> None:
        """Take note of those that are not connected now, and forget all others."""
        now = self._clock()
        self._since = {seen.uid: self._since.get(seen.uid, now) for seen in present}
        self._found = {uid: found for uid, found in self._found.items() if uid in self._since}

    def due(self, present: Iterable[Seen]) -> Iterator[Seen]:
        """Yield those that are to be read whole now."""
        now = self._clock()
        return (s for s in present if s.uid not in self._found and now - self._since[s.uid] >= PATIENCE_S)

    def note(self, seen: Seen, document: Object) -> None:
        """Note what a pod, read whole, looks like."""
        now = self._clock()
        found = damage(document)
        since = running_since(document)
        if found or (since is not None and now - since >= PATIENCE_S):
            self._found[seen.uid] = found
        else:
            self._since[seen.uid] = now

    def damaged(self, present: Iterable[Seen]) -> Iterator[tuple[Seen, Damage]]:
        """Yield those whose sidecar is damaged, and how."""
        for seen in present:
            if found := self._found.get(seen.uid):
                yield seen, found

    def running(self, present: Iterable[Seen]) -> Iterator[Seen]:
        """Yield those that run with an undamaged sidecar."""
        return (seen for seen in present if self._found.get(seen.uid, Damage.MISSING) is None)
