"""What is measured: the table of rows, each with the row that it is compared with.

A floor row is the least that the same work can cost in this Python: a bare Starlette route with the same JSON library,
HTTP client and Redis client (`floor`). A feature is compared with the same request without it. A row that is compared
with none is a floor itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import msgspec
import yaml

from bench import texts
from bench.job import PLACE
from parley_crds import names

ServerName = Literal["stand-in", "floor", "sidecar", "second sidecar", "sidecar without Redis"]
ALONE: Final = "sidecar without Redis"
SIDECARS: Final[tuple[ServerName, ...]] = ("sidecar", "second sidecar", ALONE)

DIRECT: Final = "stand-in, asked directly"
BARE: Final = "bare route"
BARE_PROVIDER: Final = "bare route, aiohttp"
BARE_REDIS: Final = "bare route, redis-py GET"
PASS_THROUGH: Final = "pass-through"
MEMORY_HIT: Final = "hit in memory"
REDIS_HIT: Final = "hit in Redis"
PLAIN_TEXT: Final = "pass-through, 2 KiB"
TURNS_SENT: Final = "pass-through, 20 turns sent along"

PROMPT: Final = f"{PLACE} " + ("How do I keep the answers of a language model short and true? " * 17)[:1015]
"""1 KiB with its number; the stand-in's answer repeats it."""
TEXT_MESSAGE: Final = msgspec.json.encode(
    {"inputs": [{"messages": [{"ofUser": {"content": [{"text": PROMPT}]}}]}]}
).decode()
COMPLETION: Final = msgspec.json.encode({"model": "bench", "messages": [{"role": "user", "content": PROMPT}]}).decode()
TURNS: Final = 20
ROOMS: Final = 64
"""Rooms that come round again: more than connections, so that no two requests meet in one."""
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
    before: int = 0
    """How often each prompt is asked before it counts; at least once, where prompts come round again."""
    expected: str = "How do I"
    """What proves that the answer came the way that the row names."""
    hidden: str = ""
    """What the provider must not see."""


def _body(*said: str, **more: str) -> str:
    """Return a request's body: what user and assistant said by turns, the user last."""
    names_by_place = ("ofUser", "ofAssistant")
    messages = [{names_by_place[place % 2]: {"content": [{"text": text}]}} for place, text in enumerate(said)]
    return msgspec.json.encode({**more, "inputs": [{"messages": messages}]}).decode()


_SPOKEN: Final = PROMPT[len(PLACE) + 1 :]
IN_ROOM: Final = _body(_SPOKEN, contextId=f"room-{PLACE}")
WITH_TURNS: Final = _body(*(_SPOKEN, _SPOKEN) * TURNS, PROMPT)
CLEAN_TEXT: Final = _body(f"{PLACE} How do I say this?\n{texts.clean()[0]}")
DENSE_TEXT: Final = _body(f"{PLACE} How do I say this?\n{texts.dense()[2]}")


def _converse(component_name: str) -> str:
    return f"/v1.0-alpha2/conversation/{component_name}/converse"


ROWS: Final = (
    Row(DIRECT, "stand-in", "/v1/chat/completions", body=COMPLETION),
    Row(BARE, "floor", "/bare"),
    Row(BARE_PROVIDER, "floor", "/provider", asks_standin=True),
    Row(BARE_REDIS, "floor", "/redis", distinct=REDIS_PROMPTS, expected="cache-status: hit"),
    Row(PASS_THROUGH, "sidecar", _converse("plain"), BARE_PROVIDER, asks_standin=True),
    Row("miss, kept in Redis", "sidecar", _converse("missed"), PASS_THROUGH, asks_standin=True, expected="stored"),
    Row(MEMORY_HIT, "sidecar", _converse("near"), BARE, distinct=MEMORY_PROMPTS, expected="detail=memory"),
    Row(REDIS_HIT, "sidecar", _converse("far"), BARE_REDIS, distinct=REDIS_PROMPTS, expected="detail=redis"),
    Row("echo", "sidecar", _converse("echo"), BARE),
    Row(PLAIN_TEXT, "sidecar", _converse("long"), BARE_PROVIDER, CLEAN_TEXT, asks_standin=True),
    Row(
        "hidden and put back, nothing in 2 KiB", "sidecar", _converse("tidy"), PLAIN_TEXT, CLEAN_TEXT, asks_standin=True
    ),
    Row(
        "hidden and put back, 24 values in 2 KiB", "sidecar", _converse("private"), PLAIN_TEXT, DENSE_TEXT,
        asks_standin=True, expected=texts.VALUE, hidden=texts.VALUE,
    ),
    Row(TURNS_SENT, "sidecar", _converse("sent"), BARE_PROVIDER, WITH_TURNS, asks_standin=True),
    Row(
        "room of 20 turns in memory", "sidecar without Redis", _converse("kept"), TURNS_SENT, IN_ROOM,
        asks_standin=True, distinct=ROOMS, before=TURNS,
    ),
    Row(
        "room of 20 turns in Redis, sealed", "sidecar", _converse("kept"), TURNS_SENT, IN_ROOM,
        asks_standin=True, distinct=ROOMS, before=TURNS,
    ),
)  # fmt: skip
BY_NAME: Final = {row.name: row for row in ROWS}
FLIGHT: Final = "flight"
FLIGHT_MS: Final = 300
"""How long the stand-in takes for what many ask at once."""


def flight_path() -> str:
    """Return where the component is asked whose provider is slow."""
    return _converse(FLIGHT)


def _metadata(settings: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in settings.items()]


def manifests(standin_port: int) -> str:
    """Return the sidecar's components as YAML: one for each of its rows, so that their prompts never meet."""
    settings = {"key": "bench", "model": "bench", "endpoint": f"http://127.0.0.1:{standin_port}/v1"}
    openai = {"type": "conversation.openai", "version": "v1"}
    openai_metadata = _metadata(settings)
    specs = {
        "plain": openai | {"metadata": openai_metadata},
        **{name: openai | {"metadata": openai_metadata, "cache": {"ttl": "1h"}} for name in ("missed", "near", "far")},
        "echo": {"type": "conversation.echo", "version": "v1"},
        **{name: openai | {"metadata": openai_metadata} for name in ("long", "sent")},
        **{
            name: openai | {"metadata": openai_metadata, "privacy": {"mode": "reversible"}}
            for name in ("tidy", "private")
        },
        "kept": openai | {"metadata": openai_metadata, "context": {"ttl": "1h", "maxMessages": 2 * TURNS}},
        FLIGHT: openai | {"metadata": _metadata(settings | {"model": f"slow-{FLIGHT_MS}"}), "cache": {"ttl": "1h"}},
    }
    documents = [
        {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": {"name": name}, "spec": spec}
        for name, spec in specs.items()
    ]
    return yaml.safe_dump_all(documents)
