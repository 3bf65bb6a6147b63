"""Reconcile: make what is published agree with the API server, for one key. Level-based: only the present counts.

gather -> judge -> publish. The status is written elsewhere, by the leader; every replica publishes.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from parley_crds import checks, loading, names
from parley_crds.checks import Problem
from parley_crds.component import Component
from parley_crds.resource import ConversationComponent
from parley_operator.advice import advice
from parley_operator.conditions import Judged
from parley_operator.edges import contained
from parley_operator.gather import Gathered, Reach, gather
from parley_operator.kinds import OURS, Kind
from parley_operator.kube import Kube, Object
from parley_operator.metrics import Metrics
from parley_operator.published import Held, Published
from parley_operator.workqueue import Key

KUBERNETES_STORE: Final = "kubernetes"
"""The secret store that needs no component. Source: Dapr, where an empty name means it too."""

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

    @property
    def is_ours(self) -> bool:
        """Whether it is of our own kind, whose status we write: Dapr's components are only read."""
        return bool(self.document.get("kind", names.KIND) == names.KIND)


def judge(gathered: Gathered, *, last_good: bool, has_store: bool = True) -> tuple[Judged, Component | None]:
    """Return the judgement, and the loaded component if it may be published. Pure."""
    parsed = gathered.parsed
    if isinstance(parsed, Problem):
        return Judged(refused=parsed, last_good=last_good), None
    problems = checks.check(parsed)
    warnings = tuple(problem for problem in problems if not problem.blocks)
    warnings += tuple(advice(parsed, has_store=has_store))
    if refused := checks.blocking(problems):
        return Judged(refused=refused, warnings=warnings, last_good=last_good), None
    if (
        unresolved := _foreign_store(gathered, parsed)
        or _forbidden(gathered)
        or loading.secret_problem(parsed, gathered.secrets)
    ):
        return Judged(unresolved=unresolved, warnings=warnings, last_good=last_good), None
    return Judged(warnings=warnings), loading.load(parsed, gathered.secrets)


def _held(name: str, parsed: ConversationComponent | Problem) -> Held:
    """Return what stands for a component without a good version; where nobody could read its fences, without them."""
    if isinstance(parsed, Problem):
        return Held(name)
    return Held(name, tuple(parsed.scopes), tuple(parsed.spec.service_accounts))


def _forbidden(gathered: Gathered) -> Problem | None:
    names = ", ".join(sorted(gathered.forbidden))
    return Problem("SecretForbidden", f"the operator may not read the Secret {names}") if names else None


def _foreign_store(gathered: Gathered, resource: ConversationComponent) -> Problem | None:
    """Make sure that Dapr's component needs no secret store of Dapr's; in ours, the field has no effect."""
    store = resource.auth.secret_store
    if gathered.document.get("kind") != names.DAPR_KIND or store in {"", KUBERNETES_STORE}:
        return None
    if not gathered.wanted_secrets:
        return None
    return Problem("UnknownSecretStore", f"auth.secretStore names {store}; only Secrets of Kubernetes can be read")


class Reconciler:
    """Keeps `published`, and remembers every outcome for whoever writes statuses and polls Secrets."""

    def __init__(self, api: Kube, published: Published, metrics: Metrics, kinds: Sequence[Kind] = (OURS,)) -> None:
        """Read components of these kinds; of two with one name, the first kind's counts."""
        self.outcomes: dict[Key, Outcome] = {}
        self._api = api
        self._published = published
        self._metrics = metrics
        self._kinds = kinds

    async def __call__(self, key: Key) -> None:
        """Reconcile one component; raises `errors.OperatorError` when the API server cannot be asked.

        One on which our own code fails is held, until the next resync tries again: it must not keep the others waiting.
        """
        result = "failed"
        try:
            with self._metrics.reconcile_s.time():
                judged = await contained(self._reconcile(key), "component not judged")
            if judged:
                result = "ok"
            else:
                self._published.hold(key[0], Held(key[1]))
        finally:
            self._metrics.reconciles.labels(result).inc()

    async def _reconcile(self, key: Key) -> None:
        before = self.outcomes.get(key)
        holds_guest = before is not None and not before.is_ours
        gathered = await gather(self._api, key, self._metrics, Reach(self._kinds, holds_guest))
        if gathered is None:
            self._published.remove(*key)
            self.outcomes.pop(key, None)
            return
        self.outcomes[key] = self._publish(key, gathered)

    def _publish(self, key: Key, gathered: Gathered) -> Outcome:
        last_good = self._published.get(*key) is not None
        judged, component = judge(gathered, last_good=last_good, has_store=self._published.has_store)
        if component:
            self._published.put(component)
        else:
            self._published.hold(key[0], _held(key[1], gathered.parsed))
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
