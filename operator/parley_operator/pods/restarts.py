"""Restarts of owners whose pods have an outdated sidecar, where the chart's `outdatedSidecars.restart` says so.

As `kubectl rollout restart` does it, so the owner's own strategy holds. One owner at a time, one a round at most, and
the next one when that has come to rest. An owner is restarted once for a revision: what is stamped on its template says
for which. If what it makes then is outdated still, nothing more is restarted: the next ones would fare no better.

A pod must have been outdated for five minutes first: while an upgrade is under way, injector and operator may
differ on what is current.
"""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from parley_crds import names
from parley_operator import kube
from parley_operator.errors import NotFound, OperatorError
from parley_operator.events import Subject
from parley_operator.kube import Object
from parley_operator.pods import telling
from parley_operator.pods.owners import Hands
from parley_operator.pods.seen import Seen
from parley_operator.pods.survey import Survey, is_restarted_for, restart_stamp

SETTLE_S: Final = 300.0
LOOKS_A_ROUND: Final = 10
"""Owners that are looked at in one round to find the next one."""
RESTARTABLE: Final = {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}
"""Kinds of apps/v1 whose template can be changed, and how their paths spell them."""

logger = logging.getLogger(__name__)


def is_at_rest(document: Object) -> bool:
    """Say whether all pods of an owner are of its present template, and well. Pure. Source: kubectl rollout status."""
    spec, status = document["spec"], document.get("status") or {}
    if status.get("observedGeneration", 0) < document["metadata"]["generation"] or spec.get("paused"):
        return False
    wanted = status.get("desiredNumberScheduled", 0) if "desiredNumberScheduled" in status else spec.get("replicas", 1)
    updated = status.get("updatedNumberScheduled", status.get("updatedReplicas", 0))
    there = status.get("currentNumberScheduled", status.get("replicas", 0))
    well = status.get("numberAvailable", status.get("availableReplicas", 0))
    return bool(updated == there == well == wanted)


def stamp(document: Object) -> str:
    """Return what the last restart wrote on an owner's template; empty: there was none. Pure."""
    annotations = document["spec"]["template"].get("metadata", {}).get("annotations") or {}
    return str(annotations.get(names.RESTARTED_ANNOTATION, ""))


def may_restart(document: Object, revision: str) -> bool:
    """Say whether an owner may be restarted now. Pure."""
    by_hand = (document["spec"].get("updateStrategy") or {}).get("type") == "OnDelete"
    return is_at_rest(document) and not by_hand and not is_restarted_for(revision, stamp(document))


def restart_patch(document: Object, revision: str, now: datetime) -> list[Object]:
    """Return the JSON patch that has an owner make its pods anew, if it is still as it was read. Pure."""
    metadata = document["spec"]["template"].get("metadata") or {}
    stamped = {names.RESTARTED_ANNOTATION: restart_stamp(revision, now.strftime("%Y-%m-%dT%H:%M:%SZ"))}
    annotations = {**(metadata.get("annotations") or {}), **stamped}
    version = document["metadata"]["resourceVersion"]
    return [
        {"op": "test", "path": "/metadata/resourceVersion", "value": version},
        {"op": "add", "path": "/spec/template/metadata/annotations", "value": annotations},
    ]


class Restarts:
    """Restarts one owner after the other; only the holder of the Lease calls it."""

    def __init__(self, hands: Hands, revision: str, clock: Callable[[], float] = time.time) -> None:
        self._hands = hands
        self._revision = revision
        self._clock = clock
        self._since: dict[str, float] = {}
        self._looked: dict[str, float] = {}
        self._current: Subject | None = None

    async def once(self, survey: Survey) -> None:
        """Restart the next owner if it is time; raises `errors.OperatorError` when the API server cannot be asked."""
        now = self._clock()
        outdated = survey.outdated_owners
        self._since = {uid: self._since.get(uid, now) for uid in outdated}
        self._looked = {uid: at for uid, at in self._looked.items() if uid in outdated}
        if await self._is_held(survey.restarted_in_vain):
            return
        due = (uid for uid, since in self._since.items() if now - since >= SETTLE_S)
        for uid in sorted(due, key=lambda uid: (self._looked.get(uid, 0.0), uid))[:LOOKS_A_ROUND]:
            self._looked[uid] = now
            owner = await self._hands.owners.of(outdated[uid])
            if await self._restart(owner):
                self._current = owner
                return

    async def _is_held(self, in_vain: Mapping[str, Seen]) -> bool:
        """Say whether the last restart is still under way, or did not help."""
        for seen in in_vain.values():
            owner = await self._hands.owners.of(seen)
            await self._hands.events.tell(telling.restarted_in_vain(owner), self._hands.limit_s())
        if in_vain:
            return True
        document = await self._read(self._current) if self._current else None
        if document is None or is_at_rest(document):
            self._current = None
        return self._current is not None

    async def _read(self, owner: Subject) -> Object | None:
        """Read an owner; None: it is gone, or of a kind that is not restarted."""
        plural = RESTARTABLE.get(owner.kind)
        if plural is None or owner.api_version != "apps/v1":
            return None
        try:
            document = await self._hands.api.get(kube.owner(owner.namespace, owner.api_version, plural, owner.name))
        except NotFound:
            return None
        return document if document["metadata"]["uid"] == owner.uid else None

    async def _restart(self, owner: Subject) -> bool:
        """Restart an owner if it may be; say whether it was."""
        document = await self._read(owner)
        if document is None or not may_restart(document, self._revision):
            return False
        path = kube.owner(owner.namespace, owner.api_version, RESTARTABLE[owner.kind], owner.name)
        try:
            patch = restart_patch(document, self._revision, datetime.now(UTC))
            await self._hands.api.patch(path, patch, self._hands.limit_s())
        except OperatorError:
            self._hands.metrics.restarts.labels("failed").inc()
            raise
        self._hands.metrics.restarts.labels("restarted").inc()
        logger.info("owner restarted", extra={"namespace": owner.namespace, "kind": owner.kind, "owner": owner.name})
        await self._hands.events.tell(telling.restarted(owner), self._hands.limit_s())
        return True
