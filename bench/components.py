"""The sidecar's components: one for each of its rows, so that their prompts never meet."""

from collections.abc import Mapping
from typing import Any, Final

import yaml

from bench.rows import TURNS, converse
from bench.stream_rows import CROWD_MODEL, MODEL
from parley_crds import names

FLIGHT: Final = "flight"
FLIGHT_MS: Final = 300
"""How long the stand-in takes for what many ask at once."""
NOTHING: Final[Mapping[str, Any]] = {}
_CACHED: Final = {"cache": {"ttl": "1h"}}
_PRIVATE: Final = {"privacy": {"mode": "reversible"}}


def flight_path() -> str:
    """Return where the component is asked whose provider is slow."""
    return converse(FLIGHT)


def manifests(standin_port: int) -> str:
    """Return the components of all rows as YAML."""
    asked = _OpenAI(standin_port)
    return _documents(
        {
            **{name: asked.spec() for name in ("plain", "openai", "long", "sent")},
            **{name: asked.spec(_CACHED) for name in ("missed", "near", "far")},
            **{name: asked.spec(_PRIVATE) for name in ("tidy", "private")},
            "echo": {"type": "conversation.echo", "version": "v1"},
            "kept": asked.spec({"context": {"ttl": "1h", "maxMessages": 2 * TURNS}}),
            FLIGHT: asked.spec(_CACHED, f"slow-{FLIGHT_MS}"),
            **{name: asked.spec(model=MODEL) for name in ("flow", "flow-openai", "flow-long")},
            "flow-private": asked.spec(_PRIVATE, MODEL),
            "flow-crowd": asked.spec(model=CROWD_MODEL),
        }
    )


def many(standin_port: int, count: int) -> str:
    """Return as many equal components as YAML, named as `nth` names them."""
    asked = _OpenAI(standin_port)
    return _documents({nth(number): asked.spec() for number in range(count)})


def nth(number: int) -> str:
    """Return the name of one of many."""
    return f"one-{number}"


class _OpenAI:
    """Components whose provider is the stand-in."""

    def __init__(self, standin_port: int) -> None:
        self._endpoint = f"http://127.0.0.1:{standin_port}/v1"

    def spec(self, more: Mapping[str, Any] = NOTHING, model: str = "bench") -> dict[str, Any]:
        """Return one's spec with what it has beside the provider's settings."""
        settings = {"key": "bench", "model": model, "endpoint": self._endpoint}
        metadata = [{"name": name, "value": value} for name, value in settings.items()]
        return {"type": "conversation.openai", "version": "v1", "metadata": metadata, **more}


def _documents(specs: Mapping[str, Mapping[str, Any]]) -> str:
    return yaml.safe_dump_all(
        {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": {"name": name}, "spec": spec}
        for name, spec in specs.items()
    )
