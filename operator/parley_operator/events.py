"""Events: what a person sees with `kubectl describe` and `kubectl events`, written once each.

An Event's name follows from its object, reason and message, so the same one again is a conflict, whichever replica
writes it and however often: de-duplicated by the API server, with no right but to create. It is told anew once the API
server has forgotten it (an hour, by default), and at once when it is back after `Chronicle` saw that it was over.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

from parley_operator import kube
from parley_operator.errors import Conflict, RetryWillNotHelp
from parley_operator.kube import Kube, Object
from parley_operator.metrics import Metrics

REPORTER: Final = "parley-operator"
MAX_MESSAGE: Final = 1024
"""Source: events.v1; the API server refuses longer ones."""
FORGOTTEN_S: Final = 3720.0
"""When the API server has forgotten an Event: an hour (--event-ttl), and two minutes for the leases in etcd."""
MOST_AT_ONCE: Final = 50
"""Events of one `Chronicle.tell`: what is left waits for the next."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Subject:
    """The object that an Event is about."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str

    @classmethod
    def of(cls, document: Object) -> "Subject":
        """Return an object as a subject."""
        metadata = document["metadata"]
        return cls(
            document.get("apiVersion", ""), document.get("kind", ""), metadata["namespace"], metadata["name"],
            metadata["uid"],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """What is told. `reason` is one CamelCase word; `message` never holds a value, a key or a provider's words."""

    subject: Subject
    reason: str
    message: str
    type: Literal["Normal", "Warning"] = "Warning"
    occurrence: str = ""
    """What tells it from an earlier one of the same words."""


def manifest(event: Event, reporter: str, now: datetime) -> Object:
    """Return the Event as the API server stores it. Pure."""
    subject = event.subject
    moment = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    regarding: dict[str, Any] = {
        "apiVersion": subject.api_version,
        "kind": subject.kind,
        "namespace": subject.namespace,
        "name": subject.name,
        "uid": subject.uid,
    }
    identity = f"{subject.uid} {event.type} {event.reason} {event.message}{event.occurrence}"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "namespace": subject.namespace,
            "name": f"{subject.name[:200].rstrip('.-')}.{hashlib.sha256(identity.encode()).hexdigest()[:16]}",
        },
        "involvedObject": regarding,
        "type": event.type,
        "reason": event.reason,
        "message": event.message[:MAX_MESSAGE],
        "source": {"component": REPORTER},
        "reportingComponent": REPORTER,
        "reportingInstance": reporter,
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
    }


class Events:
    """Writes Events; only the holder of the Lease calls it."""

    def __init__(self, api: Kube, reporter: str, metrics: Metrics) -> None:
        self._api = api
        self._reporter = reporter
        self._metrics = metrics

    async def tell(self, event: Event, limit_s: float = kube.CALL_LIMIT_S) -> None:
        """Write an Event unless it is there; raises `errors.RetryMayHelp` when the API server cannot be asked."""
        body = manifest(event, self._reporter, datetime.now(UTC))
        try:
            await self._api.create(kube.events(event.subject.namespace), body, limit_s)
        except Conflict:
            return
        except RetryWillNotHelp as error:  # the namespace goes, or is not ours: the next Event may do better
            logger.debug("event not written", extra={"reason": str(error)})
            return
        self._metrics.events.labels(event.reason).inc()


class Chronicle:
    """Tells what goes on, once for as long as it does, and once more each time that it is back after it was over."""

    def __init__(self, events: Events, limit_s: Callable[[], float], clock: Callable[[], float] = time.time) -> None:
        """Write with at most `limit_s()` seconds a call, what is left of the Lease; `clock` gives Unix time."""
        self._events = events
        self._limit_s = limit_s
        self._clock = clock
        self._told: dict[Event, float] = {}
        self._over: dict[Event, float] = {}

    async def tell(self, present: Iterable[Event]) -> None:
        """Tell what goes on now, all of it, or as much as may be told at once; raises as `Events.tell` does."""
        now = self._clock()
        ongoing = set(present)
        over = {event: now for event in self._told if event not in ongoing}
        self._over = {event: at for event, at in self._over.items() if now - at < FORGOTTEN_S} | over
        self._told = {event: at for event, at in self._told.items() if event in ongoing and now - at < FORGOTTEN_S}
        for event in sorted(ongoing - self._told.keys(), key=_place)[:MOST_AT_ONCE]:
            occurrence = this_minute(now) if event in self._over else ""
            await self._events.tell(replace(event, occurrence=occurrence), self._limit_s())
            self._told[event] = now
            self._over.pop(event, None)


def this_minute(now: float) -> str:
    """Return what tells a fault that is back from the last one, at most one a minute: it may come and go all the time.

    `now` is Unix time. Pure.
    """
    return f" {int(now // 60)}"


def _place(event: Event) -> tuple[str, str, str]:
    return event.subject.namespace, event.subject.name, event.reason
