"""Reconcile: make what is published agree with the API server, for one key. Level-based: only the present counts.

gather -> judge -> publish. The status is written elsewhere, by the leader; every replica publishes.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from parley_crds import checks, loading
from parley_crds.checks import Problem
from parley_crds.component import Component
from parley_operator.conditions import Judged
from parley_operator.gather import Gathered, gather
from parley_operator.kube import Kube, Object
from parley_operator.published import Published
from parley_operator.workqueue import Key

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known of one component after its last reconcile."""

    document: Object = field(repr=False)
    judged: Judged
    version: str
    """The published version's hash; empty: nothing is published."""
    secrets: Mapping[str, str | None]
    """The Secrets that it needs, and the resourceVersion seen of each; None: it could not be read."""

    @property
    def uid(self) -> str:
        """The object's uid, by which a namesake made later is told apart."""
        return str(self.document["metadata"]["uid"])


def judge(gathered: Gathered, *, last_good: bool) -> tuple[Judged, Component | None]:
    """Return the judgement, and the loaded component if it may be published. Pure."""
    parsed = gathered.parsed
    if isinstance(parsed, Problem):
        return Judged(refused=parsed, last_good=last_good), None
    problems = checks.check(parsed)
    warnings = tuple(problem for problem in problems if not problem.blocks)
    if refused := checks.blocking(problems):
        return Judged(refused=refused, warnings=warnings, last_good=last_good), None
    if unresolved := _forbidden(gathered) or loading.secret_problem(parsed, gathered.secrets):
        return Judged(unresolved=unresolved, warnings=warnings, last_good=last_good), None
    return Judged(warnings=warnings), loading.load(parsed, gathered.secrets)


def _forbidden(gathered: Gathered) -> Problem | None:
    names = ", ".join(sorted(gathered.forbidden))
    return Problem("SecretForbidden", f"the operator may not read the Secret {names}") if names else None


class Reconciler:
    """Keeps `published`, and remembers every outcome for whoever writes statuses and polls Secrets."""

    def __init__(self, api: Kube, published: Published) -> None:
        self.outcomes: dict[Key, Outcome] = {}
        self._api = api
        self._published = published

    async def __call__(self, key: Key) -> None:
        """Reconcile one component; raises `errors.OperatorError` when the API server cannot be asked."""
        gathered = await gather(self._api, key)
        if gathered is None:
            self._published.remove(*key)
            self.outcomes.pop(key, None)
        else:
            self.outcomes[key] = self._publish(key, gathered)

    def _publish(self, key: Key, gathered: Gathered) -> Outcome:
        judged, component = judge(gathered, last_good=self._published.get(*key) is not None)
        if component:
            self._published.put(component)
        self._say(key, judged)
        running = self._published.get(*key)
        seen = {
            name: gathered.secrets[name].resource_version if name in gathered.secrets else None
            for name in gathered.wanted_secrets
        }
        return Outcome(gathered.document, judged, running.version if running else "", seen)

    def _say(self, key: Key, judged: Judged) -> None:
        """Log a component's fault once, not at each resync."""
        before = self.outcomes.get(key)
        if judged.fault and (before is None or before.judged.fault != judged.fault):
            place = {"namespace": key[0], "component": key[1]}
            logger.warning("component not published", extra={**place, "reason": judged.fault.reason})
