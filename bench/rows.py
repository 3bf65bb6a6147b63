"""What is measured: the table of rows, each with the floor that it is compared with.

A floor row is the least that the same work can cost in this Python: a bare Starlette route with the same JSON library,
HTTP client and Redis client (`floor`). A row without a floor is one itself.
"""

from dataclasses import dataclass
from typing import Final, Literal

import msgspec
import yaml

from bench.job import PLACE
from parley_crds import names

ServerName = Literal["stand-in", "floor", "sidecar"]

DIRECT: Final = "stand-in, asked directly"
BARE: Final = "bare route"
BARE_PROVIDER: Final = "bare route, aiohttp"
BARE_REDIS: Final = "bare route, redis-py GET"
PASS_THROUGH: Final = "pass-through"
REDIS_HIT: Final = "hit in Redis"

PROMPT: Final = f"{PLACE} " + ("How do I keep the answers of a language model short and true? " * 17)[:1015]
"""1 KiB with its number; the stand-in's answer repeats it."""
TEXT_MESSAGE: Final = msgspec.json.encode(
    {"inputs": [{"messages": [{"ofUser": {"content": [{"text": PROMPT}]}}]}]}
).decode()
COMPLETION: Final = msgspec.json.encode({"model": "bench", "messages": [{"role": "user", "content": PROMPT}]}).decode()
MEMORY_PROMPTS: Final = 16
"""Few, so that they stay in the process's own tier."""
REDIS_PROMPTS: Final = 1536
"""Half as many again as the process's own tier holds: each has left it when its turn comes again, and Redis answers."""


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of request to one server."""

    name: str
    server: ServerName
    path: str
    floor: str = ""
    body: str = TEXT_MESSAGE
    asks_standin: bool = False
    """Whether it asks the stand-in on its way, whose own time is then in its latency."""
    distinct: int = 0
    """Prompts come round again after this many; 0: each is new."""
    expected: str = "How do I"
    """What proves that the answer came the way that the row names."""


def _converse(component_name: str) -> str:
    return f"/v1.0-alpha2/conversation/{component_name}/converse"


ROWS: Final = (
    Row(DIRECT, "stand-in", "/v1/chat/completions", body=COMPLETION),
    Row(BARE, "floor", "/bare"),
    Row(BARE_PROVIDER, "floor", "/provider", asks_standin=True),
    Row(BARE_REDIS, "floor", "/redis", distinct=REDIS_PROMPTS, expected="cache-status: hit"),
    Row(PASS_THROUGH, "sidecar", _converse("plain"), BARE_PROVIDER, asks_standin=True),
    Row("miss, kept in Redis", "sidecar", _converse("missed"), BARE_PROVIDER, asks_standin=True, expected="stored"),
    Row("hit in memory", "sidecar", _converse("near"), BARE, distinct=MEMORY_PROMPTS, expected="detail=memory"),
    Row(REDIS_HIT, "sidecar", _converse("far"), BARE_REDIS, distinct=REDIS_PROMPTS, expected="detail=redis"),
    Row("echo", "sidecar", _converse("echo"), BARE),
)
BY_NAME: Final = {row.name: row for row in ROWS}


def manifests(standin_port: int) -> str:
    """Return the sidecar's components as YAML: one for each of its rows, so that their prompts never meet."""
    settings = (("key", "bench"), ("model", "bench"), ("endpoint", f"http://127.0.0.1:{standin_port}/v1"))
    openai = {"type": "conversation.openai", "version": "v1"}
    openai_metadata = [{"name": name, "value": value} for name, value in settings]
    specs = {
        "plain": openai | {"metadata": openai_metadata},
        **{name: openai | {"metadata": openai_metadata, "cache": {"ttl": "1h"}} for name in ("missed", "near", "far")},
        "echo": {"type": "conversation.echo", "version": "v1"},
    }
    documents = [
        {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": {"name": name}, "spec": spec}
        for name, spec in specs.items()
    ]
    return yaml.safe_dump_all(documents)
