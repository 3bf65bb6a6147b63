"""Dapr's flat metadata names and the typed fields they stand for: the one place that knows both forms.

`manifests` lifts them before a manifest is validated, so that a Dapr manifest and ours meet as one.
"""

from collections.abc import Mapping
from typing import Any, Final

TYPED_FIELDS: Final[Mapping[str, tuple[str, str]]] = {
    "responsecachettl": ("cache", "ttl"),  # Dapr's name
    "cachettl": ("cache", "ttl"),  # Dapr's alias
    "cachemaxttl": ("cache", "maxTTL"),
    "cachescope": ("cache", "scope"),
    "cachetoolcalls": ("cache", "toolCalls"),
    "piimode": ("privacy", "mode"),
    "piianswers": ("privacy", "answers"),
    "piitypes": ("privacy", "types"),
    "piiallow": ("privacy", "allow"),
    "contextttl": ("context", "ttl"),
    "contextmaxmessages": ("context", "maxMessages"),
    "contextmaxtokens": ("context", "maxTokens"),
    "timeout": ("resilience", "timeout"),
    "attempttimeout": ("resilience", "attemptTimeout"),
    "idletimeout": ("resilience", "idleTimeout"),
    "retries": ("resilience", "retries"),
    "retrymaxwait": ("resilience", "retryMaxWait"),
    "breakerfaults": ("resilience", "breakerFaults"),
    "breakerpause": ("resilience", "breakerPause"),
    "concurrency": ("resilience", "concurrency"),
    "fallback": ("resilience", "fallback"),
    "allowoverrides": ("overrides", "allow"),
}
"""Lower-case metadata name: section and field of `spec`."""
_NUMBERS: Final = {"maxMessages", "maxTokens", "retries", "breakerFaults", "concurrency"}
_LISTS: Final = {"fallback", "allow", "types"}


def lifted(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return `spec` with flat names in `metadata` moved to their typed fields.

    Raises:
        ValueError: when a flat name and its typed field, or two flat names, say different things, or what should
            hold the typed field is no section.
    """
    items = spec.get("metadata")
    if not isinstance(items, list):
        return dict(spec)
    flat = [item for item in items if _is_flat(item)]
    result = {**spec, "metadata": [item for item in items if not _is_flat(item)]}
    for item in flat:
        section, field = TYPED_FIELDS[item["name"].lower()]
        value = _typed(field, item["value"])
        fields = result.get(section) or {}
        if not isinstance(fields, dict):
            raise ValueError(f"{section} is not a section")  # noqa: TRY004 - a fault of the manifest
        if fields.get(field, value) != value:
            raise ValueError(f"{item['name']} in metadata contradicts {section}.{field}")
        result[section] = {**fields, field: value}
    return result


def _is_flat(item: object) -> bool:
    return (
        isinstance(item, dict) and str(item.get("name", "")).lower() in TYPED_FIELDS and item.get("value") is not None
    )


def _typed(field: str, value: object) -> object:
    text = str(value)
    if field in _LISTS:
        return [word for part in text.split(",") if (word := part.strip())]
    return int(text) if field in _NUMBERS and text.isdigit() else value
