"""Statuses: what the leader writes into components, by server-side apply, only if it differs, seldom.

A standby computes nothing: after a change of leader the first look at each component reads the status that is there.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from parley_crds import names
from parley_crds.status import ErrorCount, Sidecars
from parley_operator import kube
from parley_operator.conditions import findings, stamped
from parley_operator.connected import Totals
from parley_operator.edges import succeeded
from parley_operator.errors import NotFound
from parley_operator.kube import Kube, Object
from parley_operator.reconcile import Outcome
from parley_operator.workqueue import Key

MANAGER: Final = "parley-operator"
ROUND_S: Final = 0.5
"""How often the leader looks for statuses that differ."""
QUIET_S: Final = 2.0
"""The shortest time between two writes to one component."""
LONGEST_PAUSE_S: Final = 60.0
"""The longest time until a write that failed again and again is tried once more."""
MALFORMED: Final = "Malformed"
NOBODY: Final = Totals()

logger = logging.getLogger(__name__)


def wanted(outcome: Outcome, totals: Totals, previous: Mapping[str, Any], now: datetime) -> Object:
    """Return the status that a component should have. Pure."""
    generation = int(outcome.document["metadata"].get("generation", 0))
    return {
        "observedGeneration": generation,
        "version": outcome.version,
        "conditions": stamped(findings(outcome.judged), previous.get("conditions") or (), generation, now),
        "sidecars": _sidecars(outcome.version, totals).model_dump(by_alias=True),
    }


def _sidecars(version: str, totals: Totals) -> Sidecars:
    up_to_date = totals.by_version.get(version, 0)
    return Sidecars(
        connected=totals.connected,
        up_to_date=up_to_date,
        failed=totals.failed,
        summary=f"{up_to_date}/{totals.connected}",
        breakers_open=totals.breakers.get("open", 0),
        breakers_half_open=totals.breakers.get("half_open", 0),
        errors=[ErrorCount(reason=reason, count=count) for reason, count in sorted(totals.errors.items())],
        faults=", ".join(_faults(totals)),
    )


def _faults(totals: Totals) -> Iterator[str]:
    """Say in few words what `kubectl get` should show of sidecars: nothing where all is well."""
    if totals.failed:
        yield f"{totals.failed} not loaded"
    if opened := totals.breakers.get("open", 0):
        yield f"{opened} open"
    if probing := totals.breakers.get("half_open", 0):
        yield f"{probing} half-open"
    yield from (f"{count} {reason}" for reason, count in sorted(totals.errors.items()))


class Statuses:
    """Writes statuses while `run` runs: only the holder of the Lease runs it."""

    def __init__(
        self,
        api: Kube,
        outcomes: Mapping[Key, Outcome],
        totals: Callable[[], Mapping[Key, Totals]],
        limit_s: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Write for `outcomes`; a write may take no longer than `limit_s()`, what is left of the Lease."""
        self._api = api
        self._outcomes = outcomes
        self._totals = totals
        self._limit_s = limit_s
        self._clock = clock
        self._written: dict[Key, tuple[Outcome, Object]] = {}
        self._quiet_until: dict[Key, float] = {}
        self._failures: dict[Key, int] = {}

    async def run(self) -> None:
        """Write what differs, round after round, until cancelled."""
        self._written.clear()
        self._quiet_until.clear()
        while True:
            totals = self._totals()
            for key, outcome in list(self._outcomes.items()):
                if outcome.is_ours and self._clock() >= self._quiet_until.get(key, 0.0):
                    await self._try(key, outcome, totals.get(key, NOBODY))
            self._forget_what_is_gone()
            await asyncio.sleep(ROUND_S)

    async def _try(self, key: Key, outcome: Outcome, totals: Totals) -> None:
        """Write a status if it differs; one that cannot be written is tried more and more seldom."""
        if await succeeded(self._write(key, outcome, totals), "status not written"):
            self._failures.pop(key, None)
        else:
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            self._quiet_until[key] = self._clock() + min(QUIET_S * (1 << min(failures - 1, 16)), LONGEST_PAUSE_S)

    async def _write(self, key: Key, outcome: Outcome, totals: Totals) -> None:
        """Write a status if it differs; after each reconcile from what the API server has, which others may change."""
        known, present = self._written.get(key, (None, {}))
        if known is not outcome:
            self._quiet_until[key] = self._clock() + QUIET_S
            document = await self._read(key)
            if document is None or document["metadata"]["uid"] != outcome.uid:
                return  # gone, or a namesake: the reconcile that sees it is on its way
            present = document.get("status") or {}
        status = wanted(outcome, totals, present, datetime.now(UTC))
        if status != present:
            self._quiet_until[key] = self._clock() + QUIET_S
            is_malformed = outcome.judged.refused is not None and outcome.judged.refused.reason == MALFORMED
            await (self._replace if is_malformed else self._apply)(key, status)
        self._written[key] = (outcome, status)

    async def _read(self, key: Key) -> Object | None:
        try:
            return await self._api.get(kube.component(*key))
        except NotFound:
            return None

    async def _apply(self, key: Key, status: Object) -> None:
        namespace, name = key
        body = {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "metadata": {"namespace": namespace, "name": name},
            "status": status,
        }
        try:
            await self._api.apply(f"{kube.component(*key)}/status", body, MANAGER, self._limit_s())
        except NotFound:
            logger.debug("component went before its status was written")

    async def _replace(self, key: Key, status: Object) -> None:
        """Write the status of what the schema does not know: the API server cannot tell who owns what in it."""
        operations = [{"op": "add", "path": "/status", "value": status}]
        try:
            await self._api.patch(f"{kube.component(*key)}/status", operations, self._limit_s())
        except NotFound:
            logger.debug("component went before its status was written")

    def _forget_what_is_gone(self) -> None:
        for key in self._quiet_until.keys() - self._outcomes.keys():
            del self._quiet_until[key]
            self._written.pop(key, None)
            self._failures.pop(key, None)
