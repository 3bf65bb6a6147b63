"""Who is connected to this replica, and what each of them runs: the numbers behind `status.sidecars`.

The stream writes it; peers ask for its sums, which hold names and versions, never a key.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import BaseModel, ConfigDict

from parley_crds.stream import BREAKER_STATES, PROVIDER_FAULTS, Acknowledgement, ProviderHealth, Snapshot
from parley_operator.authentication import Identity
from parley_operator.workqueue import Key

MAX_UNANSWERED: Final = 16
"""Snapshots whose versions are remembered for a sidecar that does not answer; an answer names a late one."""


FINE: Final = ProviderHealth()
"""What is taken for true of a provider that a sidecar says nothing of."""
OTHER: Final = "other"
"""An error that a newer sidecar has a word for, and we do not: status must not fill with words from outside."""


@dataclass(frozen=True, slots=True)
class Totals:
    """One component's sidecars: those that may use it and are connected, by what they run and what they say."""

    connected: int = 0
    by_version: Mapping[str, int] = field(default_factory=dict)
    failed: int = 0
    breakers: Mapping[str, int] = field(default_factory=dict)
    """By state; a closed one is not counted."""
    errors: Mapping[str, int] = field(default_factory=dict)
    """By class, those whose provider did not answer last."""


class Count(BaseModel):
    """One component's sidecars of one replica, on the wire between replicas: `Totals`, and whose they are."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    namespace: str
    name: str
    connected: int = 0
    by_version: Mapping[str, int] = {}
    failed: int = 0
    breakers: Mapping[str, int] = {}
    errors: Mapping[str, int] = {}


class Counts(BaseModel):
    """Everything that one replica counts."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    components: tuple[Count, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """One sidecar and one component that it may use."""

    name: str
    wanted: str | None
    """The version that it should run; None: the operator knows no good one."""
    runs: str | None
    """The version that it said it runs."""
    failed: bool
    """Whether it could not load it."""
    health: ProviderHealth

    @property
    def is_behind(self) -> bool:
        """Whether it does not run what it should."""
        return self.wanted is not None and self.runs != self.wanted


@dataclass(frozen=True, slots=True)
class Sent:
    """A snapshot that went out: the versions in it, None of what is held, and when, by the sidecar's clock."""

    versions: Mapping[str, str | None]
    at: float


NOTHING: Final = Sent({}, 0.0)


class Sidecar:
    """One connected sidecar: what it was sent, and what it said it runs."""

    def __init__(self, identity: Identity, clock: Callable[[], float] = time.monotonic) -> None:
        self.identity = identity
        self._clock = clock
        self._unanswered: dict[str, Sent] = {}
        self._newest = NOTHING
        self._answered = ("", NOTHING)
        self._runs: Mapping[str, str | None] = {}
        self._failed: frozenset[str] = frozenset()
        self._health: Mapping[str, ProviderHealth] = {}

    def sent(self, snapshot: Snapshot) -> None:
        """Note that a snapshot goes out; only its names and versions are kept."""
        versions: dict[str, str | None] = {component.name: component.version for component in snapshot.components}
        self._newest = Sent(dict.fromkeys(snapshot.held) | versions, self._clock())
        self._unanswered.pop(snapshot.hash, None)
        self._unanswered[snapshot.hash] = self._newest
        if len(self._unanswered) > MAX_UNANSWERED:
            del self._unanswered[next(iter(self._unanswered))]

    def acknowledged(self, answer: Acknowledgement) -> float | None:
        """Note what the sidecar runs after the snapshot that it names, and how its providers do.

        An unknown snapshot is passed over. Returns the seconds since it was sent, if this is the first answer to it.
        """
        first = self._unanswered.get(answer.ack)
        last_hash, last = self._answered
        if first is None and answer.ack != last_hash:
            return None
        sent = first or last
        self._answered = (answer.ack, sent)
        self._failed = frozenset(answer.failed) & sent.versions.keys()
        self._runs = {name: version for name, version in sent.versions.items() if name not in self._failed}
        self._health = {name: health for name, health in answer.providers.items() if name in sent.versions}
        if first is None:
            return None
        hashes = list(self._unanswered)
        later = hashes[hashes.index(answer.ack) + 1 :]
        self._unanswered = {later_hash: self._unanswered[later_hash] for later_hash in later}
        return self._clock() - first.at

    def standing(self) -> Iterable[Standing]:
        """Return how it stands with each component that it may use."""
        return (
            Standing(name, wanted, self._runs.get(name), name in self._failed, self._health.get(name, FINE))
            for name, wanted in self._newest.versions.items()
        )


class Connected:
    """The sidecars connected to this replica."""

    def __init__(self) -> None:
        self._sidecars: set[Sidecar] = set()

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._sidecars)

    def add(self, identity: Identity) -> Sidecar:
        """Note a sidecar that has connected."""
        sidecar = Sidecar(identity)
        self._sidecars.add(sidecar)
        return sidecar

    def remove(self, sidecar: Sidecar) -> None:
        """Note that it has gone."""
        self._sidecars.discard(sidecar)

    def pods(self) -> frozenset[str]:
        """Return the uids of the pods whose sidecars are connected here."""
        return frozenset(sidecar.identity.uid for sidecar in self._sidecars)

    def behind(self) -> int:
        """Return how many do not run what they should, be it one component."""
        return sum(any(each.is_behind for each in sidecar.standing()) for sidecar in self._sidecars)

    def counts(self) -> Counts:
        """Return this replica's sums."""
        tallies: dict[Key, _Tally] = {}
        for sidecar in self._sidecars:
            for standing in sidecar.standing():
                tallies.setdefault((sidecar.identity.namespace, standing.name), _Tally()).add(standing)
        return Counts(components=tuple(tally.count(*key) for key, tally in tallies.items()))


class _Tally:
    """One component's sums while they are made."""

    __slots__ = ("_breakers", "_connected", "_errors", "_failed", "_versions")

    def __init__(self) -> None:
        self._connected = self._failed = 0
        self._versions: Counter[str] = Counter()
        self._breakers: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()

    def add(self, standing: Standing) -> None:
        """Count one sidecar."""
        self._connected += 1
        self._failed += standing.failed
        health = standing.health
        if standing.runs is not None:
            self._versions[standing.runs] += 1
        if health.breaker in BREAKER_STATES[1:]:
            self._breakers[health.breaker] += 1
        if health.last_error:
            self._errors[health.last_error if health.last_error in PROVIDER_FAULTS else OTHER] += 1

    def count(self, namespace: str, name: str) -> Count:
        """Return the sums as they travel."""
        return Count(
            namespace=namespace,
            name=name,
            connected=self._connected,
            by_version=self._versions,
            failed=self._failed,
            breakers=self._breakers,
            errors=self._errors,
        )


def summed(replicas: Iterable[Counts]) -> dict[Key, Totals]:
    """Add up what the replicas count. Pure."""
    totals: dict[Key, Totals] = {}
    for counts in replicas:
        for count in counts.components:
            key = (count.namespace, count.name)
            so_far = totals.get(key, Totals())
            totals[key] = Totals(
                so_far.connected + count.connected,
                _added(so_far.by_version, count.by_version),
                so_far.failed + count.failed,
                _added(so_far.breakers, count.breakers),
                _added(so_far.errors, count.errors),
            )
    return totals


def _added(one: Mapping[str, int], other: Mapping[str, int]) -> Mapping[str, int]:
    return Counter(one) + Counter(other)
