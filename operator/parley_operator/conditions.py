"""A component's conditions: Accepted, SecretsResolved, Published, and Ready when all of them are. Pure.

| the component is        | Accepted | SecretsResolved | Published          | Ready          |
|-------------------------|----------|-----------------|--------------------|----------------|
| good                    | True     | True            | True Published     | True Ready     |
| refused by a check      | False    | Unknown         | False, or True     | False, and the |
|                         |          | NotAccepted     | LastGood           | first reason   |
| without a Secret        | True     | False           | False, or True     | False, and the |
|                         |          |                 | LastGood           | first reason   |
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from parley_crds.checks import Problem

Status = Literal["True", "False", "Unknown"]
MAX_MESSAGE = 1024
NOT_PUBLISHED = "this operator knows no good version of it; a sidecar that runs an earlier one goes on with that"


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a component."""

    refused: Problem | None = None
    """The finding for which it cannot be used."""
    unresolved: Problem | None = None
    """The Secret, or key of one, that is missing."""
    warnings: tuple[Problem, ...] = ()
    last_good: bool = False
    """Whether an earlier version stays published in its place; one that this process has seen."""

    @property
    def fault(self) -> Problem | None:
        """Why it is not published as it is."""
        return self.refused or self.unresolved


@dataclass(frozen=True, slots=True)
class Finding:
    """One condition before it is stamped with generation and time."""

    type: str
    status: Status
    reason: str
    message: str = ""


def findings(judged: Judged) -> tuple[Finding, ...]:
    """Return the four conditions of a judgement, in the order of the table."""
    return (_accepted(judged), _resolved(judged), _published(judged), _ready(judged))


def stamped(
    found: Iterable[Finding], previous: Iterable[Mapping[str, Any]], generation: int, now: datetime
) -> list[dict[str, Any]]:
    """Return the conditions as the status holds them; `lastTransitionTime` moves only when the status does."""
    before = {condition.get("type"): condition for condition in previous}
    time = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return [_stamped(finding, before.get(finding.type, {}), generation, time) for finding in found]


def _stamped(finding: Finding, before: Mapping[str, Any], generation: int, time: str) -> dict[str, Any]:
    unchanged = before.get("status") == finding.status and before.get("lastTransitionTime")
    return {
        "type": finding.type,
        "status": finding.status,
        "reason": finding.reason,
        "message": finding.message[:MAX_MESSAGE],
        "observedGeneration": generation,
        "lastTransitionTime": before["lastTransitionTime"] if unchanged else time,
    }


def _accepted(judged: Judged) -> Finding:
    if judged.refused:
        return Finding("Accepted", "False", judged.refused.reason, judged.refused.message)
    warnings = "; ".join(warning.message for warning in judged.warnings)
    return Finding("Accepted", "True", "Accepted", warnings)


def _resolved(judged: Judged) -> Finding:
    if judged.refused:
        return Finding("SecretsResolved", "Unknown", "NotAccepted")
    if judged.unresolved:
        return Finding("SecretsResolved", "False", judged.unresolved.reason, judged.unresolved.message)
    return Finding("SecretsResolved", "True", "Resolved")


def _published(judged: Judged) -> Finding:
    if not judged.fault:
        return Finding("Published", "True", "Published")
    if judged.last_good:
        return Finding("Published", "True", "LastGood", "sidecars get the last version that was good")
    return Finding("Published", "False", "NotPublished", NOT_PUBLISHED)


def _ready(judged: Judged) -> Finding:
    if judged.fault:
        return Finding("Ready", "False", judged.fault.reason, judged.fault.message)
    return Finding("Ready", "True", "Ready")
