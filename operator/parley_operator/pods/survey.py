"""Survey: what one round finds in the pages of pods, from their metadata alone. Pure.

No pod is kept beyond its page but those that something is, or may be, the matter with.
"""

from collections import Counter
from dataclasses import dataclass, field

from parley_crds import names
from parley_operator.injector.eligibility import SkipReason, explain
from parley_operator.pods.missed import Scope, asks, mark
from parley_operator.pods.seen import Metadata, Seen

Marks = dict[tuple[str, SkipReason, tuple[str, ...]], Seen]
"""One pod for each owner, reason, and what its owner is told."""


@dataclass(slots=True)
class Survey:
    """What was found so far."""

    scope: Scope
    revision: str
    """What the injector stamps on pods now; empty: nobody knows."""
    connected: frozenset[str] | None
    """The uids of pods whose sidecars are connected; None: nobody knows."""
    suspects: list[Seen] = field(default_factory=list)
    unconnected: list[Seen] = field(default_factory=list)
    marked: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """By namespace and reason."""
    marks: Marks = field(default_factory=dict)
    outdated: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """By namespace."""
    outdated_owners: dict[str, Seen] = field(default_factory=dict)
    """One pod for each controller with outdated pods, by the controller's uid."""
    restarted_in_vain: dict[str, Seen] = field(default_factory=dict)
    """The same for outdated pods that were made after a restart for the present revision."""

    def add(self, pod: Metadata) -> None:
        """Look at a pod."""
        if pod.is_injected:
            self._add_injected(pod)
            return
        options = asks(pod, self.scope)
        if options is None:
            return
        reason = mark(pod)
        if reason:
            self.add_mark(Seen.of(pod), reason, explain(reason, options))
        else:
            self.suspects.append(Seen.of(pod))

    def add_mark(self, seen: Seen, reason: SkipReason, sentences: tuple[str, ...]) -> None:
        """Note a pod that the injector gave no sidecar, or would have given none."""
        self.marked[seen.namespace, reason.value] += 1
        self.marks[seen.owner_uid, reason, sentences] = seen

    def _add_injected(self, pod: Metadata) -> None:
        if pod.deletion_timestamp:
            return
        if self.connected is not None and pod.uid not in self.connected:
            self.unconnected.append(Seen.of(pod))
        stamped = pod.annotations.get(names.REVISION_ANNOTATION, "")
        if stamped and self.revision and stamped != self.revision:
            self.outdated[(pod.namespace,)] += 1
            if controller := pod.controller:
                in_vain = is_restarted_for(self.revision, pod.annotations.get(names.RESTARTED_ANNOTATION, ""))
                (self.restarted_in_vain if in_vain else self.outdated_owners)[controller.uid] = Seen.of(pod)


def restart_stamp(revision: str, time: str) -> str:
    """Return what is written on a pod template when its pods are restarted for a revision."""
    return f"{time} for {revision}"


def is_restarted_for(revision: str, stamp: str) -> bool:
    """Say whether a pod template, or a pod of it, was restarted for this revision already."""
    return stamp.endswith(f" for {revision}")
