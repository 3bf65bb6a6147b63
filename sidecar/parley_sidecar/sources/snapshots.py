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

    It stays as well of those that the operator holds: they exist, and it knows no good version of them.

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
        read = Snapshot.model_validate({**document, "components": tuple(components)})
    except ValidationError as error:
        raise ValueError(f"a snapshot with a fault in {_places(error)}") from None
    named = {component.name for component in components} | unreadable.keys()
    stays = tuple(running[name] for name in read.held if name in running and name not in named)
    return read.model_copy(update={"components": read.components + stays}), unreadable


def completed(text: bytes, used: Snapshot) -> bytes:
    """Return a message with what stayed of an earlier one in it: whoever begins with it must have that, too."""
    stayed = [component.model_dump(mode="json") for component in used.components if component.name in used.held]
    if not stayed:
        return text
    document = _object(text)
    there = {_name(raw) for raw in document["components"]}
    document["components"] += [each for each in stayed if each["name"] not in there]
    return json.dumps(document).encode()


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
