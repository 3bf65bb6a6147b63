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

from parley_crds import durations
from parley_crds.addresses import is_in_the_open, is_no_network, is_web_root
from parley_crds.patterns import bounds_of
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
    given = {item.name.lower(): item.value for item in resource.spec.metadata}
    required = _required(settings_schemas().get(resource.spec.type, {}), given)
    absent = [name for name in required if name.lower() not in given]
    if not absent:
        return None
    return Problem("MissingSetting", f"{resource.spec.type} needs {', '.join(absent)} in spec.metadata")


def setting_is_malformed(resource: ConversationComponent) -> Problem | None:
    """Make sure that values given in the open are of the provider's types."""
    for item, schema in known_settings(resource):
        if item.value is not None and (expected := _violation(str(item.value), schema)):
            return Problem("MalformedSetting", f"the setting {item.name} must be {expected}")
    return None


def fallback_is_itself(resource: ConversationComponent) -> Problem | None:
    """Make sure that a component does not turn to itself when it cannot answer."""
    if resource.name not in resource.spec.resilience.fallback:
        return None
    return Problem("FallbackToItself", f"spec.resilience.fallback names {resource.name} itself")


def fallback_is_repeated(resource: ConversationComponent) -> Problem | None:
    """Make sure that no fallback is asked twice in one request."""
    names = resource.spec.resilience.fallback
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is None:
        return None
    return Problem("RepeatedFallback", f"spec.resilience.fallback names {twice} twice")


def timeout_is_zero(resource: ConversationComponent) -> Problem | None:
    """Make sure that there is time to answer."""
    nothing = [name for name, limit_s in _limits_s(resource).items() if limit_s <= 0]
    if not nothing:
        return None
    return Problem("ZeroTimeout", f"with {', '.join(nothing)} of 0 nothing could be answered")


def limit_is_never_reached(resource: ConversationComponent) -> Problem | None:
    """Warn about a limit within the request that is longer than the whole, which ends first."""
    limits_s = _limits_s(resource)
    whole_s = limits_s.pop("spec.resilience.timeout")
    longer = [name for name, limit_s in limits_s.items() if limit_s > whole_s]
    if not longer:
        return None
    sentence = f"{', '.join(longer)} longer than spec.resilience.timeout has no effect"
    return Problem("LimitNeverReached", sentence, blocks=False)


def pattern_is_malformed(resource: ConversationComponent) -> Problem | None:
    """Make sure that the user's own patterns can be used, and cost little whatever the text is."""
    try:
        bounds_of(resource.spec.privacy.patterns)
    except ValueError as error:
        return Problem("MalformedPattern", f"spec.privacy.patterns: {error}")
    return None


def allowance_is_malformed(resource: ConversationComponent) -> Problem | None:
    """Make sure that what looks like a network is one, and that a domain is written as one."""
    for place, entry in enumerate(resource.spec.privacy.allow):
        if entry.strip().startswith(("@", "*")):
            sentence = "a domain is written as example.com, which also holds what is below it"
        elif is_no_network(entry.strip()):
            sentence = "not a network, or one with bits behind its prefix"
        else:
            continue
        return Problem("MalformedAllowance", f"spec.privacy.allow[{place}]: {sentence}")
    return None


def recognizer_is_malformed(resource: ConversationComponent) -> Problem | None:
    """Make sure that the recognizer can be asked, and that nothing secret stands in its address."""
    recognizer = resource.spec.privacy.recognizer
    if recognizer is None:
        return None
    if not is_web_root(recognizer.url):
        sentence = "must be an http:// or https:// URL with a host and without credentials or query"
        return Problem("MalformedRecognizer", f"spec.privacy.recognizer.url {sentence}")
    if durations.seconds(recognizer.timeout) <= 0:
        return Problem("ZeroTimeout", "with spec.privacy.recognizer.timeout of 0 nothing could be answered")
    return None


def recognizer_is_unprotected(resource: ConversationComponent) -> Problem | None:
    """Warn about texts that would travel to the recognizer in the open."""
    recognizer = resource.spec.privacy.recognizer
    if recognizer is None or not is_web_root(recognizer.url) or not is_in_the_open(recognizer.url):
        return None
    sentence = "spec.privacy.recognizer.url is not https: texts travel to it unencrypted, with all that is in them"
    return Problem("UnprotectedRecognizer", sentence, blocks=False)


def privacy_is_off(resource: ConversationComponent) -> Problem | None:
    """Warn about settings of privacy that only a request with a flag of its own would use."""
    privacy = resource.spec.privacy
    given = [name for name in ("types", "allow", "patterns", "recognizer") if getattr(privacy, name)]
    if not given or privacy.mode != "off" or privacy.answers != "off":
        return None
    names = ", ".join(f"spec.privacy.{name}" for name in given)
    sentence = f"with spec.privacy.mode off, {names} count only for requests that ask for it with a flag"
    return Problem("PrivacyIsOff", sentence, blocks=False)


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
    pattern_is_malformed,
    allowance_is_malformed,
    recognizer_is_malformed,
    fallback_is_itself,
    fallback_is_repeated,
    timeout_is_zero,
    limit_is_never_reached,
    recognizer_is_unprotected,
    privacy_is_off,
    setting_is_unknown,
)


def check(resource: ConversationComponent) -> tuple[Problem, ...]:
    """Return every finding, in the order of `CHECKS`."""
    return tuple(problem for judge in CHECKS if (problem := judge(resource)))


def blocking(problems: tuple[Problem, ...]) -> Problem | None:
    """Return the first finding for which the component cannot be used."""
    return next((problem for problem in problems if problem.blocks), None)


def known_settings(resource: ConversationComponent) -> Iterator[tuple[MetadataItem, Mapping[str, Any]]]:
    """Yield those settings that the provider knows, each with its JSON schema."""
    properties = settings_schemas().get(resource.spec.type, {}).get("properties", {})
    by_name = {name.lower(): schema for name, schema in properties.items()}
    for item in resource.spec.metadata:
        if item.name.lower() in by_name:
            yield item, by_name[item.name.lower()]


def _required(schema: Mapping[str, Any], given: Mapping[str, object]) -> Iterator[str]:
    """Return what the schema requires, and what its rules require beside that for the values that are given."""
    yield from schema.get("required", ())
    for rule in schema.get("allOf", ()):
        yield from rule.get("then" if _holds(rule["if"], given) else "else", {}).get("required", ())


def _holds(condition: Mapping[str, Any], given: Mapping[str, object]) -> bool:
    """Say whether a rule's condition holds: what is not given has its default, and is no obstacle unless required."""
    if any(name.lower() not in given for name in condition.get("required", ())):
        return False
    wanted = {name.lower(): part["const"] for name, part in condition["properties"].items()}
    return all(given[name] == value for name, value in wanted.items() if name in given)


def _limits_s(resource: ConversationComponent) -> dict[str, float]:
    """Return the limits on time that are given, in seconds, by field."""
    resilience = resource.spec.resilience
    limits = {
        "spec.resilience.timeout": resilience.timeout,
        "spec.resilience.attemptTimeout": resilience.attempt_timeout,
        "spec.resilience.idleTimeout": resilience.idle_timeout,
    }
    return {name: durations.seconds(limit) for name, limit in limits.items() if limit is not None}


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
