"""Who is connected to this replica, and what each of them runs: the numbers behind `status.sidecars`.

The stream writes it; peers ask for its sums, which hold names and versions, never a key.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
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


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """What a snapshot holds: names and versions, None of what is held.

    One for all sidecars that are sent the snapshot, and compared by identity: so thousands of them are kept and summed
    as one.
    """

    hash: str
    """The snapshot's."""
    versions: Mapping[str, str | None]

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Contents":
        """Take them from a snapshot."""
        versions: dict[str, str | None] = {component.name: component.version for component in snapshot.components}
        return cls(snapshot.hash, dict.fromkeys(snapshot.held) | versions)


@dataclass(frozen=True, slots=True)
class Sent:
    """A snapshot that went out, and when, by the sidecar's clock."""

    contents: Contents
    at: float


NOTHING: Final = Contents("", {})


@dataclass(frozen=True, slots=True)
class Position:
    """What is known of a sidecar; many share one."""

    namespace: str
    wanted: Contents
    runs: Contents
    failed: frozenset[str] = frozenset()
    """What of `runs` it could not load."""
    health: frozenset[tuple[str, ProviderHealth]] = frozenset()

    def standing(self) -> Iterable[Standing]:
        """Return how it stands with each component that the sidecar may use."""
        health = dict(self.health)
        for name, wanted in self.wanted.versions.items():
            failed = name in self.failed
            runs = None if failed else self.runs.versions.get(name)
            yield Standing(name, wanted, runs, failed, health.get(name, FINE))


class Sidecar:
    """One connected sidecar: what it was sent, and what it said it runs."""

    __slots__ = ("_answered", "_clock", "_unanswered", "identity", "position")

    def __init__(self, identity: Identity, clock: Callable[[], float] = time.monotonic) -> None:
        self.identity = identity
        self.position = Position(identity.namespace, NOTHING, NOTHING)
        self._clock = clock
        self._unanswered: dict[str, Sent] = {}
        self._answered = NOTHING

    def sent(self, contents: Contents) -> None:
        """Note that a snapshot goes out; only its names and versions are kept."""
        self.position = replace(self.position, wanted=contents)
        self._unanswered.pop(contents.hash, None)
        self._unanswered[contents.hash] = Sent(contents, self._clock())
        if len(self._unanswered) > MAX_UNANSWERED:
            del self._unanswered[next(iter(self._unanswered))]

    def acknowledged(self, answer: Acknowledgement) -> float | None:
        """Note what the sidecar runs after the snapshot that it names, and how its providers do.

        An unknown snapshot is passed over. Returns the seconds since it was sent, if this is the first answer to it.
        """
        first = self._unanswered.get(answer.ack)
        if first is None and answer.ack != self._answered.hash:
            return None
        runs = self._answered = first.contents if first else self._answered
        failed = frozenset(answer.failed.keys() & runs.versions.keys())
        health = frozenset((name, health) for name, health in answer.providers.items() if name in runs.versions)
        self.position = Position(self.identity.namespace, self.position.wanted, runs, failed, health)
        if first is None:
            return None
        hashes = list(self._unanswered)
        later = hashes[hashes.index(answer.ack) + 1 :]
        self._unanswered = {later_hash: self._unanswered[later_hash] for later_hash in later}
        return self._clock() - first.at


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
        return sum(
            number
            for position, number in self._positions().items()
            if any(each.is_behind for each in position.standing())
        )

    def counts(self) -> Counts:
        """Return this replica's sums."""
        tallies: dict[Key, _Tally] = {}
        for position, number in self._positions().items():
            for standing in position.standing():
                tallies.setdefault((position.namespace, standing.name), _Tally()).add(standing, number)
        return Counts(components=tuple(tally.count(*key) for key, tally in tallies.items()))

    def _positions(self) -> Counter[Position]:
        return Counter(sidecar.position for sidecar in self._sidecars)


class _Tally:
    """One component's sums while they are made."""

    __slots__ = ("_breakers", "_connected", "_errors", "_failed", "_versions")

    def __init__(self) -> None:
        self._connected = self._failed = 0
        self._versions: Counter[str] = Counter()
        self._breakers: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()

    def add(self, standing: Standing, number: int) -> None:
        """Count so many sidecars."""
        self._connected += number
        self._failed += standing.failed * number
        health = standing.health
        if standing.runs is not None:
            self._versions[standing.runs] += number
        if health.breaker in BREAKER_STATES[1:]:
            self._breakers[health.breaker] += number
        if health.last_error:
            self._errors[health.last_error if health.last_error in PROVIDER_FAULTS else OTHER] += number

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
