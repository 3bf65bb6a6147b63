"""Who is connected to this replica, and what each of them runs: the numbers behind `status.sidecars`.

The stream writes it; peers ask for its sums, which hold names and versions, never a key.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import BaseModel, ConfigDict

from parley_crds.stream import Acknowledgement, Snapshot
from parley_operator.authentication import Identity
from parley_operator.workqueue import Key

MAX_UNANSWERED: Final = 16
"""Snapshots whose versions are remembered for a sidecar that does not answer; an answer names a late one."""


@dataclass(frozen=True, slots=True)
class Totals:
    """One component's sidecars: those that may use it and are connected, by the version they run."""

    connected: int = 0
    by_version: Mapping[str, int] = field(default_factory=dict)
    failed: int = 0


class Count(BaseModel):
    """One component's sidecars of one replica, on the wire between replicas."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    namespace: str
    name: str
    connected: int = 0
    by_version: Mapping[str, int] = {}
    failed: int = 0


class Counts(BaseModel):
    """Everything that one replica counts."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    components: tuple[Count, ...] = ()


class Sidecar:
    """One connected sidecar: what it was sent, and what it said it runs."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self._sent: dict[str, Mapping[str, str]] = {}
        self._may_use: Mapping[str, str] = {}
        self._runs: Mapping[str, str] = {}
        self._failed: frozenset[str] = frozenset()

    def sent(self, snapshot: Snapshot) -> None:
        """Note that a snapshot went out; only its names and versions are kept."""
        self._may_use = {component.name: component.version for component in snapshot.components}
        self._sent.pop(snapshot.hash, None)
        self._sent[snapshot.hash] = self._may_use
        if len(self._sent) > MAX_UNANSWERED:
            del self._sent[next(iter(self._sent))]

    def acknowledged(self, answer: Acknowledgement) -> None:
        """Note what the sidecar runs after the snapshot that it names; an unknown one is passed over."""
        versions = self._sent.get(answer.ack)
        if versions is None:
            return
        self._sent = {answer.ack: versions} | {
            known: sent for known, sent in self._sent.items() if sent is self._may_use
        }
        self._failed = frozenset(answer.failed) & versions.keys()
        self._runs = {name: version for name, version in versions.items() if name not in self._failed}

    def standing(self) -> Iterable[tuple[str, str | None, bool]]:
        """Return, for each component it may use, its name, the version it runs, and whether it could not load it."""
        return ((name, self._runs.get(name), name in self._failed) for name in self._may_use)


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

    def counts(self) -> Counts:
        """Return this replica's sums."""
        connected: Counter[Key] = Counter()
        failed: Counter[Key] = Counter()
        versions: dict[Key, Counter[str]] = {}
        for sidecar in self._sidecars:
            for name, version, has_failed in sidecar.standing():
                key = (sidecar.identity.namespace, name)
                connected[key] += 1
                failed[key] += has_failed
                if version is not None:
                    versions.setdefault(key, Counter())[version] += 1
        return Counts(
            components=tuple(
                Count(
                    namespace=key[0],
                    name=key[1],
                    connected=number,
                    by_version=versions.get(key, {}),
                    failed=failed[key],
                )
                for key, number in connected.items()
            )
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
                Counter(so_far.by_version) + Counter(count.by_version),
                so_far.failed + count.failed,
            )
    return totals
