"""Owners: from a pod to the object that a person knows, which Events are about.

| the pod's controller | is a part of         | told to           |
|----------------------|----------------------|-------------------|
| none                 |                      | the pod itself    |
| ReplicaSet           | a Deployment, mostly | that              |
| Job                  | a CronJob, or none   | the CronJob, else the Job |
| anything else        |                      | the controller    |
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from parley_operator import kube
from parley_operator.errors import Forbidden, NotFound
from parley_operator.events import Events, Subject
from parley_operator.kube import Kube
from parley_operator.metrics import Metrics
from parley_operator.pods.seen import Reference, Seen

PARTS: Final = {("apps/v1", "ReplicaSet"): "replicasets", ("batch/v1", "Job"): "jobs"}
"""What is made by another owner for each change or run, and how its path spells it."""


class Owners:
    """Finds owners, and remembers those of ReplicaSets and Jobs, which do not change."""

    def __init__(self, api: Kube) -> None:
        self._api = api
        self._known: dict[str, Subject] = {}

    async def of(self, seen: Seen) -> Subject:
        """Return whom to tell about a pod; raises `errors.RetryMayHelp` when the API server cannot be asked."""
        if seen.controller is None:
            return Subject("v1", "Pod", seen.namespace, seen.name, seen.uid)
        uid = seen.controller.uid
        if uid not in self._known:
            self._known[uid] = await self._above(seen.namespace, seen.controller)
        return self._known[uid]

    def keep(self, uids: Iterable[str]) -> None:
        """Forget all but the owners of these controllers."""
        wanted = set(uids)
        self._known = {uid: owner for uid, owner in self._known.items() if uid in wanted}

    async def _above(self, namespace: str, controller: Reference) -> Subject:
        plural = PARTS.get((controller.api_version, controller.kind))
        if plural is None:
            return _subject(namespace, controller)
        try:
            part = await self._api.get(kube.owner(namespace, controller.api_version, plural, controller.name))
        except (NotFound, Forbidden):
            return _subject(namespace, controller)
        found = (owner for owner in part["metadata"].get("ownerReferences") or () if owner.get("controller"))
        owner = next(found, None)
        if owner is None:
            return _subject(namespace, controller)
        return Subject(owner["apiVersion"], owner["kind"], namespace, owner["name"], owner["uid"])


@dataclass(frozen=True, slots=True)
class Hands:
    """What it takes to do something about pods: evict one, restart an owner, and tell."""

    api: Kube
    owners: Owners
    events: Events
    metrics: Metrics
    limit_s: Callable[[], float]
    """How long a write may take: what is left of the Lease."""


def _subject(namespace: str, owner: Reference) -> Subject:
    return Subject(owner.api_version, owner.kind, namespace, owner.name, owner.uid)
