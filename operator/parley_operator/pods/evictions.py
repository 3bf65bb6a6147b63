"""Evictions of missed pods, where the chart's `missedPods.evict` says so: their owners make them anew, with a sidecar.

Only pods whose owner is sure to make another, and whose end costs no work: a bare pod would never come back, and a
Job's would begin from nothing. Disruption budgets are asked. A few a round; and if what comes back is missed as well
(no injector answers), each owner is left alone for longer and longer, and the round evicts one pod only.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from parley_operator import kube
from parley_operator.errors import Conflict, NotFound, OperatorError, TooManyRequests
from parley_operator.kube import Object
from parley_operator.pods import telling
from parley_operator.pods.owners import Hands
from parley_operator.pods.seen import Seen

EVICTABLE: Final = frozenset({"ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController"})
"""Kinds of controllers whose pods may be evicted."""
MOST_A_ROUND: Final = 5
"""Pods that are evicted in one round."""
ASKED_A_ROUND: Final = 20
"""Evictions that are asked for in one round; budgets may refuse all of them."""
FIRST_PAUSE_S: Final = 120.0
"""How long an eviction is watched, and an owner left alone after one that did not help; twice as long each time."""
MOST_PAUSE_S: Final = 3600.0
REMEMBERED_S: Final = 2 * MOST_PAUSE_S

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of an owner's evictions."""

    known: frozenset[str]
    """Its missed pods at the last eviction: one that is not among them was made since."""
    at: float
    in_vain: int = 0
    """How many in a row did not help."""
    until: float = 0.0
    """When the next one may be evicted."""
    is_open: bool = True
    """Whether it is not known yet if the last one helped."""


def pause_s(in_vain: int) -> float:
    """Return how long an owner is left alone after so many evictions in a row that did not help."""
    return min(FIRST_PAUSE_S * (1 << min(in_vain - 1, 16)), MOST_PAUSE_S)


def judged(tried: Tried, missed: AbstractSet[str], now: float) -> Tried:
    """Return what to think of an owner's last eviction, now that these pods of it are missed. Pure."""
    if not missed <= tried.known:
        in_vain = tried.in_vain + 1
        return Tried(tried.known | missed, tried.at, in_vain, now + pause_s(in_vain), is_open=False)
    if tried.is_open and now - tried.at >= FIRST_PAUSE_S:
        return Tried(tried.known, tried.at, is_open=False)
    return tried


def after_eviction(before: Tried | None, missed: AbstractSet[str], now: float) -> Tried:
    """Return what is known of an owner when one of these missed pods has just been evicted. Pure."""
    if before is None:
        return Tried(frozenset(missed), now)
    until = now + FIRST_PAUSE_S if before.in_vain else 0.0
    return Tried(before.known | missed, now, before.in_vain, until)


def quota(tried: Tried | None) -> int:
    """Return how many pods of an owner may go in one round: one until it is known that it helps. Pure."""
    return MOST_A_ROUND if tried and not tried.in_vain else 1


def eviction(seen: Seen) -> Object:
    """Return the Eviction of this very pod, and of none that has its name by now."""
    return {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": seen.name, "namespace": seen.namespace},
        "deleteOptions": {"preconditions": {"uid": seen.uid}},
    }


class Evictions:
    """Evicts, a few each time; only the holder of the Lease calls it."""

    def __init__(self, hands: Hands, clock: Callable[[], float] = time.time) -> None:
        self._api = hands.api
        self._owners = hands.owners
        self._events = hands.events
        self._metrics = hands.metrics
        self._limit_s = hands.limit_s
        self._clock = clock
        self._tried: dict[str, Tried] = {}
        self._asked: dict[str, float] = {}

    async def once(self, missed: Iterable[Seen]) -> None:
        """Evict what may go now; raises `errors.OperatorError` when the API server cannot be asked."""
        owners: dict[str, list[Seen]] = {}
        for seen in missed:
            if seen.controller and seen.controller.kind in EVICTABLE:
                owners.setdefault(seen.owner_uid, []).append(seen)
        await self._learn(owners)
        left = 1 if any(self._tried[uid].in_vain for uid in self._tried.keys() & owners.keys()) else MOST_A_ROUND
        for uid in self._turn(owners):
            for seen in owners[uid][: min(left, quota(self._tried.get(uid)))]:
                left -= await self._evict(seen, owners[uid])

    async def _learn(self, owners: Mapping[str, list[Seen]]) -> None:
        """See which of the last evictions did not help, and tell."""
        now = self._clock()
        self._tried = {uid: tried for uid, tried in self._tried.items() if now - tried.at < REMEMBERED_S}
        self._asked = {uid: at for uid, at in self._asked.items() if uid in owners}
        for uid in self._tried.keys() & owners.keys():
            before = self._tried[uid]
            after = self._tried[uid] = judged(before, uids(owners[uid]), now)
            if after.in_vain > before.in_vain:
                owner = await self._owners.of(owners[uid][0])
                await self._events.tell(telling.evicted_in_vain(owner, after.until - now), self._limit_s())

    def _turn(self, owners: Mapping[str, list[Seen]]) -> list[str]:
        """Return the owners whose turn it is: those that were not asked about for longest."""
        now = self._clock()
        free = (uid for uid in owners if uid not in self._tried or self._tried[uid].until <= now)
        return sorted(free, key=lambda uid: (self._asked.get(uid, 0.0), uid))[:ASKED_A_ROUND]

    async def _evict(self, seen: Seen, missed: Iterable[Seen]) -> bool:
        """Evict one of an owner's missed pods; say whether it goes."""
        uid, owner = seen.owner_uid, await self._owners.of(seen)
        self._asked[uid] = self._clock()
        try:
            await self._api.create(kube.eviction(seen.namespace, seen.name), eviction(seen), self._limit_s())
        except TooManyRequests:
            self._metrics.evictions.labels("blocked").inc()
            await self._events.tell(telling.blocked(owner), self._limit_s())
            return False
        except (NotFound, Conflict):  # it has gone, and may be there anew
            return False
        except OperatorError:
            self._metrics.evictions.labels("failed").inc()
            raise
        self._metrics.evictions.labels("evicted").inc()
        self._tried[uid] = after_eviction(self._tried.get(uid), uids(missed), self._clock())
        logger.info("pod evicted", extra={"namespace": seen.namespace, "pod": seen.name})
        await self._events.tell(telling.evicted(owner, seen.name), self._limit_s())
        return True


def uids(pods: Iterable[Seen]) -> frozenset[str]:
    """Return the uids of some pods."""
    return frozenset(seen.uid for seen in pods)
