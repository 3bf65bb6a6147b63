"""Dapr's metadata document: what this sidecar is, which components it has, and what callers noted in it."""

from typing import Final

from parley_crds import __version__
from parley_sidecar.door import Door
from parley_sidecar.errors import InvalidParameters
from parley_sidecar.registry import Registry

DAPR_VERSION: Final = "1.18.1"
"""The version of Dapr whose API is answered here; SDKs that look at it expect one of Dapr's."""
MAX_NOTES: Final = 64
MAX_NOTE_CHARS: Final = 1024
"""How many notes are taken, and how long a key or a value may be: they stay until the process ends."""


class Metadata:
    """The document, made anew at each look."""

    def __init__(self, registry: Registry, door: Door) -> None:
        self._registry = registry
        self._door = door
        self._notes: dict[str, str] = {}

    def note(self, key: str, value: str) -> None:
        """Keep a caller's note.

        Raises:
            InvalidParameters: when it is too long, or there are too many.
        """
        if max(len(key), len(value)) > MAX_NOTE_CHARS:
            raise InvalidParameters(f"a metadata key and its value have at most {MAX_NOTE_CHARS} characters")
        if key not in self._notes and len(self._notes) >= MAX_NOTES:
            raise InvalidParameters(f"there are {MAX_NOTES} metadata entries already")
        self._notes[key] = value

    def document(self) -> dict[str, object]:
        """Return the document in Dapr's shape; lists of what Parley does not have are empty."""
        components = [
            {"name": component.name, "type": component.type, "version": "v1", "capabilities": []}
            for component in self._registry.components()
        ]
        return {
            "id": self._door.app_id,
            "runtimeVersion": DAPR_VERSION,
            "enabledFeatures": [],
            "components": components,
            "extended": {**self._notes, "daprRuntimeVersion": DAPR_VERSION, "parleyVersion": __version__},
            "subscriptions": [],
            "httpEndpoints": [],
            "appConnectionProperties": {},
            "actorRuntime": {"runtimeStatus": "DISABLED", "hostReady": False},
        }
