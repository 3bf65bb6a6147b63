"""What is measured: the table of rows, each with the row that it is compared with.

A floor row is the least that the same work can cost in this Python: a bare Starlette route with the same JSON library,
HTTP client and Redis client (`floor`). A feature is compared with the same request without it. A row that is compared
with none is a floor itself.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from bench import texts
from bench.job import PLACE

ServerName = Literal[
    "stand-in", "floor", "sidecar", "second sidecar", "sidecar without Redis", "sidecar of many components"
]
ALONE: Final = "sidecar without Redis"
SIDECARS: Final[tuple[ServerName, ...]] = ("sidecar", "second sidecar", ALONE)

DIRECT: Final = "stand-in, asked directly"
BARE: Final = "bare route"
BARE_PROVIDER: Final = "bare route, own client"
BARE_AIOHTTP: Final = "bare route, aiohttp"
BARE_REDIS: Final = "bare route, redis-py GET"
PASS_THROUGH: Final = "pass-through"
OPENAI: Final = "pass-through, OpenAI's endpoint"
MEMORY_HIT: Final = "hit in memory"
REDIS_HIT: Final = "hit in Redis"
PLAIN_TEXT: Final = "pass-through, 2 KiB"
TURNS_SENT: Final = "pass-through, 20 turns sent along"

PROMPT: Final = f"{PLACE} " + ("How do I keep the answers of a language model short and true? " * 17)[:1015]
"""1 KiB with its number; the stand-in's answer repeats it."""
TEXT_MESSAGE: Final = msgspec.json.encode(
    {"inputs": [{"messages": [{"ofUser": {"content": [{"text": PROMPT}]}}]}]}
).decode()
COMPLETIONS: Final = "/v1/chat/completions"
TURNS: Final = 20
ROOMS: Final = 64
"""Rooms that come round again: more than connections, so that no two requests meet in one."""
MEMORY_PROMPTS: Final = 16
"""Few, so that they stay in the process's own tier."""
REDIS_PROMPTS: Final = 1536
"""Half as many again as the process's own tier holds: each has left it when its turn comes again, and Redis answers."""


def completion(model: str, content: str = PROMPT, **more: object) -> str:
    """Return a request's body in OpenAI's form."""
    return msgspec.json.encode({"model": model, "messages": [{"role": "user", "content": content}], **more}).decode()


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
    is_crowded: bool = False
    """Whether it is also measured at 64 connections."""
    events: int = 0
    """How many pieces its answer has at least, where that is a stream."""
    ending: str = ""
    """What the last of them must hold."""


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


def converse(component_name: str) -> str:
    """Return the path at which a component is asked."""
    return f"/v1.0-alpha2/conversation/{component_name}/converse"


ROWS: Final = (
    Row(DIRECT, "stand-in", COMPLETIONS, body=completion("bench")),
    Row(BARE, "floor", "/bare", is_crowded=True),
    Row(BARE_PROVIDER, "floor", "/provider", asks_standin=True, is_crowded=True),
    Row(BARE_AIOHTTP, "floor", "/aiohttp", asks_standin=True),
    Row(BARE_REDIS, "floor", "/redis", distinct=REDIS_PROMPTS, expected="cache-status: hit", is_crowded=True),
    Row(PASS_THROUGH, "sidecar", converse("plain"), BARE_PROVIDER, asks_standin=True, is_crowded=True),
    Row(OPENAI, "sidecar", COMPLETIONS, BARE_PROVIDER, completion("openai"), asks_standin=True),
    Row("miss, kept in Redis", "sidecar", converse("missed"), PASS_THROUGH, asks_standin=True, expected="stored"),
    Row(
        MEMORY_HIT, "sidecar", converse("near"), BARE,
        distinct=MEMORY_PROMPTS, expected="detail=memory", is_crowded=True,
    ),
    Row(
        REDIS_HIT, "sidecar", converse("far"), BARE_REDIS,
        distinct=REDIS_PROMPTS, expected="detail=redis", is_crowded=True,
    ),
    Row("echo", "sidecar", converse("echo"), BARE),
    Row(PLAIN_TEXT, "sidecar", converse("long"), BARE_PROVIDER, CLEAN_TEXT, asks_standin=True),
    Row(
        "hidden and put back, nothing in 2 KiB", "sidecar", converse("tidy"), PLAIN_TEXT, CLEAN_TEXT, asks_standin=True
    ),
    Row(
        "hidden and put back, 24 values in 2 KiB", "sidecar", converse("private"), PLAIN_TEXT, DENSE_TEXT,
        asks_standin=True, expected=texts.VALUE, hidden=texts.VALUE,
    ),
    Row(TURNS_SENT, "sidecar", converse("sent"), BARE_PROVIDER, WITH_TURNS, asks_standin=True),
    Row(
        "room of 20 turns in memory", "sidecar without Redis", converse("kept"), TURNS_SENT, IN_ROOM,
        asks_standin=True, distinct=ROOMS, before=TURNS,
    ),
    Row(
        "room of 20 turns in Redis, sealed", "sidecar", converse("kept"), TURNS_SENT, IN_ROOM,
        asks_standin=True, distinct=ROOMS, before=TURNS,
    ),
)  # fmt: skip
BY_NAME: Final = {row.name: row for row in ROWS}


def with_floors(rows: Sequence[Row], names: Collection[str], direct: str) -> list[Row]:
    """Return the rows of these names, in the table's order, with those that they are compared with."""
    by_name = {row.name: row for row in rows}
    wanted: set[str] = set()
    for row in rows:
        name = row.name if row.name in names else ""
        while name and name not in wanted:
            wanted |= {name, direct}
            name = by_name[name].floor
    return [row for row in rows if row.name in wanted]
