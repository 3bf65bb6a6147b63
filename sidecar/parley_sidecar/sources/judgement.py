"""Which of a directory's manifests a sidecar runs, and why not the others: pure, on what `directory` has read."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from parley_crds.checks import Problem, blocking, check
from parley_crds.component import Component
from parley_crds.loading import Secrets, load, secret_problem
from parley_crds.manifests import Manifest
from parley_crds.resource import ConversationComponent

Weight = Literal["fault", "elsewhere", "warning"]
"""A fault keeps the last good version alive; a component for somebody else goes; a warning changes nothing."""

_NUMBER: Final = re.compile(r"#[0-9]+$")


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem and where it stands; equal findings are told once."""

    source: str
    """The file, and the number of the document where one could be told apart."""
    name: str
    """The component's name, or empty where it could not be read."""
    problem: Problem
    weight: Weight = "fault"

    @property
    def file(self) -> str:
        """The file alone."""
        return _NUMBER.sub("", self.source)


@dataclass(frozen=True, slots=True)
class Place:
    """Who the sidecar is, as components see it."""

    app_id: str
    namespace: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one file comes to."""

    components: tuple[Component, ...]
    findings: tuple[Finding, ...]

    @property
    def is_broken(self) -> bool:
        """Whether something in the file could not be used though it was meant to be."""
        return any(finding.weight == "fault" for finding in self.findings)


def judge(files: Mapping[str, Sequence[Manifest]], secrets: Secrets, place: Place) -> dict[str, Judgement]:
    """Judge every file, in order; of two components of one name the first one counts."""
    first: dict[str, str] = {}
    return {file: _file(manifests, first, secrets, place) for file, manifests in files.items()}


def kept(
    judged: Mapping[str, Judgement], good: Mapping[str, tuple[Component, ...]]
) -> dict[str, tuple[Component, ...]]:
    """Return what each file gives to the sidecar: a broken one loses nothing that it gave before."""
    taken = {component.name for judgement in judged.values() for component in judgement.components}
    result = {}
    for file, judgement in judged.items():
        elsewhere = {finding.name for finding in judgement.findings if finding.weight == "elsewhere"}
        before = good.get(file, ()) if judgement.is_broken else ()
        stays = tuple(old for old in before if old.name not in taken | elsewhere)
        result[file] = judgement.components + stays
    return result


def outdated(judged: Mapping[str, Judgement], given: Mapping[str, tuple[Component, ...]]) -> frozenset[str]:
    """Return the files that give something they no longer say well, and the names of that."""
    stays = {
        file: {component.name for component in given[file] if component not in judgement.components}
        for file, judgement in judged.items()
    }
    return frozenset(file for file, names in stays.items() if names).union(*stays.values())


def _file(manifests: Sequence[Manifest], first: dict[str, str], secrets: Secrets, place: Place) -> Judgement:
    components: list[Component] = []
    findings: list[Finding] = []
    for manifest in manifests:
        if isinstance(manifest.parsed, Problem):
            findings.append(Finding(manifest.source, manifest.name, manifest.parsed))
            continue
        resource = _placed(manifest.parsed, place)
        told = list(_findings(manifest.source, resource, secrets, place))
        if not told or told[0].weight == "warning":
            other = first.setdefault(resource.name, manifest.source)
            if other == manifest.source:
                components.append(load(resource, secrets))
            else:
                told = [Finding(manifest.source, resource.name, Problem("RepeatedName", f"{other} has that name too"))]
        findings.extend(told)
    return Judgement(tuple(components), tuple(findings))


def _findings(source: str, resource: ConversationComponent, secrets: Secrets, place: Place) -> Iterator[Finding]:
    """Give what keeps the component out, alone, or else its warnings."""
    if problem := _elsewhere(resource, place):
        yield Finding(source, resource.name, problem, "elsewhere")
        return
    problems = check(resource)
    if problem := blocking(problems) or secret_problem(resource, secrets):
        yield Finding(source, resource.name, problem)
        return
    yield from (Finding(source, resource.name, problem, "warning") for problem in problems)


def _elsewhere(resource: ConversationComponent, place: Place) -> Problem | None:
    if resource.namespace != place.namespace:
        return Problem("OtherNamespace", f"it is in {resource.namespace}; start with --namespace {resource.namespace}")
    if resource.scopes and place.app_id not in resource.scopes:
        return Problem(
            "OutOfScope", f"it is for {', '.join(resource.scopes)}; start with --app-id {resource.scopes[0]}"
        )
    return None


def _placed(resource: ConversationComponent, place: Place) -> ConversationComponent:
    """Put a component whose manifest names no namespace into the sidecar's own, as kubectl does."""
    namespace = resource.metadata.get("namespace") or place.namespace
    return resource.model_copy(update={"metadata": {**resource.metadata, "namespace": namespace}})
