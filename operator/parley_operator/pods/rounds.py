"""The rounds over all pods: no missed pod unseen. Every 30 s, by the leader alone.

Pages of metadata; then whole pods, one by one, but only those that something may be the matter with; then the numbers
that the metrics show; then what is told to owners; and where the chart says so, evictions and restarts. Nothing is
kept of a pod that is as it should be.
"""

import asyncio
import itertools
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Final

from parley_crds import names
from parley_operator import kube
from parley_operator.edges import forever, succeeded
from parley_operator.errors import Forbidden, NotFound, OperatorError
from parley_operator.events import Chronicle, Event, Subject
from parley_operator.kube import Object
from parley_operator.pods import telling
from parley_operator.pods.evictions import Evictions
from parley_operator.pods.missed import Scope
from parley_operator.pods.owners import Hands
from parley_operator.pods.restarts import Restarts
from parley_operator.pods.seen import UNFINISHED, Seen, read_page
from parley_operator.pods.survey import Survey
from parley_operator.pods.suspects import Suspects
from parley_operator.pods.tallies import Tallies
from parley_operator.pods.unconnected import Unconnected
from parley_operator.settings import Settings

ROUND_S: Final = 30.0
READS_A_ROUND: Final = 1000
"""Whole pods that are read in one round, of suspects and of unconnected ones each; the others wait for the next."""
READS_AT_ONCE: Final = 8
OPTED_IN: Final = f"{names.INJECT_NAMESPACE_LABEL}=enabled"

Connected = Callable[[], Awaitable[frozenset[str] | None]]
Told = tuple[Seen, Callable[[Subject], Event]]

logger = logging.getLogger(__name__)


class PodRounds:
    """Looks at all pods again and again; only the holder of the Lease runs it. `tallies` is what the metrics show."""

    def __init__(
        self, hands: Hands, settings: Settings, connected: Connected, clock: Callable[[], float] = time.time
    ) -> None:
        """`connected` returns the uids of pods with a connected sidecar, or None; `clock` gives Unix time."""
        self.tallies = Tallies()
        self._hands = hands
        self._settings = settings
        self._connected = connected
        self._clock = clock
        self._begin()

    def _begin(self) -> None:
        """Know nothing: what an earlier term as leader saw may be over."""
        self._chronicle = Chronicle(self._hands.events, self._hands.limit_s, self._clock)
        self._evictions = Evictions(self._hands, self._clock)
        self._restarts = Restarts(self._hands, self._settings.sidecar_revision, self._clock)
        self._unconnected = Unconnected(self._clock)
        self._suspects = Suspects()

    async def run(self) -> None:
        """Make one round after the other until cancelled."""
        self._begin()
        try:
            await forever(self.once, ROUND_S, "pods not looked at")
        finally:
            self.tallies.clear()

    async def once(self) -> None:
        """Make one round; raises `errors.OperatorError` when the pods cannot be listed or read."""
        survey = await self._survey()
        missed = await self._look_at_suspects(survey)
        await self._look_at_unconnected(survey)
        self._show(survey, missed)
        await succeeded(self._tell(survey, missed), "owners not told")
        if self._settings.evict_missed:
            await succeeded(self._evictions.once(missed), "missed pods not evicted")
        if self._settings.restart_outdated:
            await succeeded(self._restarts.once(survey), "outdated sidecars not restarted")

    async def _survey(self) -> Survey:
        """Look at the metadata of all pods that have not ended."""
        scope = Scope(await self._opted_in(), self._settings.namespace)
        survey = Survey(scope, self._settings.sidecar_revision, await self._asked_replicas())
        for namespace in self._settings.watch_namespaces or (None,):
            await self._survey_one(survey, namespace)
        return survey

    async def _survey_one(self, survey: Survey, namespace: str | None) -> None:
        """Look at a namespace, or all; a closed one, which may be on its way out, keeps nobody from the others."""
        try:
            async for page in self._hands.api.pages(kube.pods(namespace), {"fieldSelector": UNFINISHED}):
                for pod in read_page(page):
                    survey.add(pod)
        except Forbidden:
            if namespace is None:
                raise
            logger.warning("pods may not be listed", extra={"namespace": namespace})

    async def _opted_in(self) -> frozenset[str]:
        """Return the namespaces whose pods all ask for a sidecar."""
        api, watched = self._hands.api, self._settings.watch_namespaces
        if not watched:
            found = await api.list_all(kube.namespaces(), {"labelSelector": OPTED_IN})
            return frozenset(namespace["metadata"]["name"] for namespace in found)
        return frozenset([name for name in watched if await self._is_opted_in(name)])

    async def _is_opted_in(self, name: str) -> bool:
        try:
            namespace = await self._hands.api.get(kube.namespaces(name))
        except (NotFound, Forbidden):
            return False
        labels = namespace["metadata"].get("labels") or {}
        return bool(labels.get(names.INJECT_NAMESPACE_LABEL) == "enabled")

    async def _asked_replicas(self) -> frozenset[str] | None:
        """Return who is connected; None: not every replica says, and a pod of a silent one must not be blamed."""
        try:
            return await self._connected()
        except (OperatorError, OSError, ValueError) as error:
            logger.warning("replicas do not say who is connected", extra={"fault": type(error).__name__})
            return None

    async def _look_at_suspects(self, survey: Survey) -> list[Seen]:
        """Read the suspects that are not known yet, and return those that are missed."""
        self._suspects.keep(survey.suspects)
        note = partial(self._suspects.note, scope=survey.scope)
        await self._read(self._suspects.due(survey.suspects), note)
        for seen, reason, sentences in self._suspects.explained(survey.suspects):
            survey.add_mark(seen, reason, sentences)
        return list(self._suspects.missed(survey.suspects))

    async def _look_at_unconnected(self, survey: Survey) -> None:
        """Read those that have not been connected for long."""
        if survey.connected is not None:
            self._unconnected.keep(survey.unconnected)
            await self._read(self._unconnected.due(survey.unconnected), self._unconnected.note)

    async def _read(self, pods: Iterable[Seen], note: Callable[[Seen, Object], None]) -> None:
        """Read pods whole, a few at once, and note what is there of them."""
        due = list(itertools.islice(pods, READS_A_ROUND))
        for first in range(0, len(due), READS_AT_ONCE):
            await asyncio.gather(*(self._look(seen, note) for seen in due[first : first + READS_AT_ONCE]))

    async def _look(self, seen: Seen, note: Callable[[Seen, Object], None]) -> None:
        try:
            document = await self._hands.api.get(kube.pod(seen.namespace, seen.name))
        except NotFound:
            return
        if document["metadata"]["uid"] == seen.uid:
            note(seen, document)

    def _show(self, survey: Survey, missed: Iterable[Seen]) -> None:
        """Put the numbers where the metrics read them; what is not known now stays as it was."""
        self.tallies.show("missed", by_namespace(missed))
        self.tallies.show("marked", survey.marked)
        self.tallies.show("outdated", survey.outdated)
        if survey.connected is not None:
            self.tallies.show("unconnected", by_namespace(self._unconnected.running(survey.unconnected)))
            self.tallies.show(
                "damaged", by_namespace(seen for seen, _ in self._unconnected.damaged(survey.unconnected))
            )

    async def _tell(self, survey: Survey, missed: Iterable[Seen]) -> None:
        """Tell owners what is the matter with their pods, once for all pods of an owner."""
        told: dict[tuple[str, str], Told] = {}
        for seen in missed:
            told[seen.owner_uid, telling.MISSED] = (seen, telling.missed)
        for (uid, reason, sentences), seen in survey.marks.items():
            told[uid, f"{reason} {sentences}"] = (seen, partial(telling.marked, reason=reason, sentences=sentences))
        for seen, damage in self._unconnected.damaged(survey.unconnected):
            told[seen.owner_uid, damage] = (seen, partial(telling.damaged, damage=damage))
        self._hands.owners.keep(uid for uid, _ in told)
        await self._chronicle.tell([make(await self._hands.owners.of(seen)) for seen, make in told.values()])


def by_namespace(pods: Iterable[Seen]) -> Counter[tuple[str, ...]]:
    """Count pods by namespace."""
    return Counter((seen.namespace,) for seen in pods)
