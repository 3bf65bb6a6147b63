"""The judgements on a component: an ordered list of pure functions, each named after the fault it finds.

Used by the operator, by `parley check` and by the sidecar's directory source alike. A problem is data: it ends up in a
status condition, on a terminal or in a log, so its message never holds a setting's value that may be secret.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from parley_crds.resource import ConversationComponent, MetadataItem


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding: a CamelCase reason, as Kubernetes conditions want it, and a sentence."""

    reason: str
    message: str
    blocks: bool = True
    """Whether the component cannot be used; otherwise it is a warning."""


Check = Callable[[ConversationComponent], Problem | None]


@cache
def settings_schemas() -> Mapping[str, Mapping[str, Any]]:
    """Return the JSON schema of every provider's settings, by component type. Written by `make generate`."""
    folder = files("parley_crds") / "settings"
    named = (entry for entry in folder.iterdir() if entry.name.endswith(".json"))
    return {entry.name.removesuffix(".json"): json.loads(entry.read_text("utf-8")) for entry in named}


def type_is_unknown(resource: ConversationComponent) -> Problem | None:
    """Make sure that a provider of this type exists."""
    known = settings_schemas()
    if resource.spec.type in known:
        return None
    return Problem("UnknownType", f"no provider {resource.spec.type}; there are {', '.join(sorted(known))}")


def version_is_unknown(resource: ConversationComponent) -> Problem | None:
    """Make sure that the provider has this version; all are v1, as Dapr's."""
    if resource.spec.version == "v1":
        return None
    return Problem("UnknownVersion", f"{resource.spec.type} has no version {resource.spec.version}, only v1")


def setting_is_repeated(resource: ConversationComponent) -> Problem | None:
    """Make sure that no two settings differ by case alone. Source: Dapr's metadata decoding."""
    seen: set[str] = set()
    for item in resource.spec.metadata:
        if item.name.lower() in seen:
            return Problem("RepeatedSetting", f"the setting {item.name} is given twice; case does not matter")
        seen.add(item.name.lower())
    return None


def setting_is_missing(resource: ConversationComponent) -> Problem | None:
    """Make sure that what the provider cannot do without is given."""
    given = {item.name.lower() for item in resource.spec.metadata}
    required = settings_schemas().get(resource.spec.type, {}).get("required", ())
    absent = [name for name in required if name.lower() not in given]
    if not absent:
        return None
    return Problem("MissingSetting", f"{resource.spec.type} needs {', '.join(absent)} in spec.metadata")


def setting_is_malformed(resource: ConversationComponent) -> Problem | None:
    """Make sure that values given in the open are of the provider's types."""
    for item, schema in _known_settings(resource):
        if item.value is not None and (expected := _violation(str(item.value), schema)):
            return Problem("MalformedSetting", f"the setting {item.name} must be {expected}")
    return None


def feature_is_not_built(resource: ConversationComponent) -> Problem | None:
    """Make sure that nothing is asked for that this version would silently leave undone."""
    spec = resource.spec
    asked = {
        "spec.privacy.mode": spec.privacy.mode != "off",
        "spec.privacy.answers": spec.privacy.answers != "off",
        "spec.context.ttl": spec.context.ttl is not None,
        "spec.resilience.attemptTimeout": spec.resilience.attempt_timeout is not None,
        "spec.resilience.idleTimeout": spec.resilience.idle_timeout is not None,
        "spec.resilience.retries": spec.resilience.retries > 0,
        "spec.resilience.concurrency": spec.resilience.concurrency is not None,
        "spec.resilience.fallback": bool(spec.resilience.fallback),
    }
    names = [name for name, wanted in asked.items() if wanted]
    if not names:
        return None
    return Problem("NotSupported", f"this version of Parley does not have {', '.join(names)} yet: leave it out")


def setting_is_unknown(resource: ConversationComponent) -> Problem | None:
    """Warn about a setting that the provider does not know, such as a misspelt one."""
    schema = settings_schemas().get(resource.spec.type, {})
    known = {name.lower() for name in schema.get("properties", {})}
    strange = [item.name for item in resource.spec.metadata if item.name.lower() not in known]
    if not strange or schema.get("additionalProperties", True) is True:
        return None
    return Problem("UnknownSetting", f"{resource.spec.type} does not know {', '.join(strange)}", blocks=False)


CHECKS: tuple[Check, ...] = (
    type_is_unknown,
    version_is_unknown,
    setting_is_repeated,
    setting_is_missing,
    setting_is_malformed,
    feature_is_not_built,
    setting_is_unknown,
)


def check(resource: ConversationComponent) -> tuple[Problem, ...]:
    """Return every finding, in the order of `CHECKS`."""
    return tuple(problem for judge in CHECKS if (problem := judge(resource)))


def blocking(problems: tuple[Problem, ...]) -> Problem | None:
    """Return the first finding for which the component cannot be used."""
    return next((problem for problem in problems if problem.blocks), None)


def _known_settings(resource: ConversationComponent) -> Iterator[tuple[MetadataItem, Mapping[str, Any]]]:
    properties = settings_schemas().get(resource.spec.type, {}).get("properties", {})
    by_name = {name.lower(): schema for name, schema in properties.items()}
    for item in resource.spec.metadata:
        if item.name.lower() in by_name:
            yield item, by_name[item.name.lower()]


def _violation(text: str, schema: Mapping[str, Any]) -> str | None:
    """Return in words what `text` should have been, or None if it is that."""
    if "enum" in schema and text not in schema["enum"]:
        return "one of " + ", ".join(map(str, schema["enum"]))
    kinds = {option.get("type") for option in schema.get("anyOf", (schema,))}
    if "string" in kinds:
        return None
    for kind, (reads, words) in _KINDS.items():
        if kind in kinds and not reads(text):
            return words
    return None


def _is_number(text: str, number: Callable[[str], object]) -> bool:
    try:
        number(text)
    except ValueError:
        return False
    return True


_KINDS: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "integer": (lambda text: _is_number(text, int), "a whole number"),
    "number": (lambda text: _is_number(text, float), "a number"),
    "boolean": (lambda text: text.lower() in {"true", "false"}, "true or false"),
}
