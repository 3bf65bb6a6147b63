"""The operator's messages, read so that one component of a newer version does not cost all the others. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from parley_crds.component import Component
from parley_crds.stream import Snapshot

MAX_PLACES = 3
"""Fields named in one sentence."""


def decode(text: str | bytes, running: Mapping[str, Component]) -> tuple[Snapshot, dict[str, str]]:
    """Read a snapshot, and why single components of it cannot be read; for those the running version stays.

    Raises:
        ValueError: when the whole cannot be read; its sentence names fields, never what stands in them.
    """
    document = _object(text)
    components: list[Component] = []
    unreadable: dict[str, str] = {}
    for raw in document["components"]:
        name = _name(raw)
        try:
            components.append(Component.model_validate(raw))
        except ValidationError as error:
            unreadable[name] = f"this sidecar cannot read {_places(error)}"
            components.extend([running[name]] if name in running else [])
    try:
        return Snapshot.model_validate({**document, "components": tuple(components)}), unreadable
    except ValidationError as error:
        raise ValueError(f"a snapshot with a fault in {_places(error)}") from None


def _object(text: str | bytes) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("a snapshot that is not JSON") from None
    if not isinstance(document, dict) or not isinstance(document.setdefault("components", []), list):
        raise ValueError("a snapshot that is not an object with a list of components")  # noqa: TRY004 - as below
    return document


def _name(raw: object) -> str:
    name = raw.get("name") if isinstance(raw, dict) else None
    if not isinstance(name, str):
        raise ValueError("a snapshot with a component without a name")  # noqa: TRY004 - a fault of the message
    return name


def _places(error: ValidationError) -> str:
    places = [".".join(map(str, fault["loc"])) for fault in error.errors(include_url=False, include_input=False)]
    return ", ".join(places[:MAX_PLACES])
