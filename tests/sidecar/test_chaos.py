"""A thousand requests at once while the provider and Redis fail: none is lost, and nobody gets another's values.

Two real sidecars share a Redis that is frozen, killed and started again, and a provider that fails two calls in ten.
Most callers ask the same questions with values of their own, so that they share cached answers and calls in flight.
"""

import asyncio
import json
import re
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest

from tests.conftest import Standin, free_port
from tests.sidecar.own_redis import OwnRedis, own_redis
from tests.sidecar.processes import Process, parley_run

REQUESTS = 1000
WITHIN_S = 6.0
"""How long Redis is tormented, and new callers come."""
PATIENCE_S = 60.0
KEY = "3q2+796tvu/erb7v3q2+796tvu/erb7v3q2+796tvu8="
QUESTIONS = ("Where is the order of {}?", "Write to {} please.", "Who is {}?", "Does {} like tea?", "Say hi to {}.")
DOORS = 5
ROOMS = 100
"""Of them twenty are used, each by ten callers."""
PASSING = {"unavailable", "store_unavailable", "room_busy", "room_lost"}
"""Reasons after which the same request may succeed."""
OWNED = re.compile(r"caller-(\d+)@example\.org")
COMPONENT = """
apiVersion: parley.dev/v1alpha1
kind: ConversationComponent
metadata: {{name: gpt}}
spec:
  type: conversation.openai
  metadata:
  - {{name: key, value: sk-chaos}}
  - {{name: model, value: flaky}}
  - {{name: endpoint, value: "{url}/v1"}}
  cache: {{ttl: 10m}}
  privacy: {{mode: reversible}}
  context: {{ttl: 1h, maxMessages: 2000}}
  resilience: {{retries: 0, breakerFaults: 0}}
"""


@dataclass(frozen=True, slots=True)
class Told:
    """What one caller got: a status, and the text of the answer or the reason of the error."""

    status: int
    text: str
    failures: tuple[str, ...] = ()
    """The reasons of the errors that it got before."""


@dataclass(frozen=True, slots=True)
class Caller:
    """One of the thousand, with a value that nobody else has."""

    number: int
    session: aiohttp.ClientSession
    root: str

    @property
    def question(self) -> str:
        """What it asks: one of a few questions, about its own address."""
        return QUESTIONS[self.number % len(QUESTIONS)].format(f"caller-{self.number}@example.org")

    @property
    def is_in_a_room(self) -> bool:
        """Whether its question belongs to a chat room."""
        return self.number // len(QUESTIONS) % DOORS == DOORS - 1

    async def ask(self) -> Told:
        """Ask at the door that its number says, and again where that may help, until there is an answer."""
        doors: list[Callable[[], Awaitable[Told]]] = [self.early, self.alpha2, self.events, self.openai, self.in_a_room]
        failures: list[str] = []
        while True:
            told = await doors[self.number // len(QUESTIONS) % DOORS]()
            if told.status < 300 or told.text not in PASSING:
                return replace(told, failures=tuple(failures))
            failures.append(told.text)
            await asyncio.sleep(0.1)

    async def early(self) -> Told:
        """Ask in the API reference's early form."""
        body = {"inputs": [self.question]}
        return await self.post(
            "/v1.0-alpha1/conversation/gpt/converse", body, lambda told: str(told["outputs"][0]["result"])
        )

    async def alpha2(self, **more: object) -> Told:
        """Ask in Dapr's current form."""
        return await self.post("/v1.0-alpha2/conversation/gpt/converse", self.inputs() | more, content)

    async def in_a_room(self) -> Told:
        """Ask in a chat room that several share."""
        return await self.alpha2(contextId=f"room-{self.number % ROOMS}")

    async def openai(self) -> Told:
        """Ask at OpenAI's endpoint."""
        body = {"model": "gpt", "messages": [{"role": "user", "content": self.question}]}
        return await self.post("/v1/chat/completions", body, lambda told: str(told["choices"][0]["message"]["content"]))

    async def events(self) -> Told:
        """Ask for a stream, and read it to its end."""
        headers = {"accept": "text/event-stream"}
        path = "/v1.0-alpha2/conversation/gpt/converse"
        async with self.session.post(self.root + path, json=self.inputs(), headers=headers) as reply:
            read = (await reply.read()).decode()
        if reply.status != 200:
            return Told(reply.status, json.loads(read)["reason"])
        frames = [
            dict(line.split(": ", 1) for line in frame.split("\n") if ": " in line) for frame in read.split("\n\n")
        ]
        if any(frame.get("event") == "error" for frame in frames):
            return Told(500, next(json.loads(frame["data"])["reason"] for frame in frames if frame["event"] == "error"))
        assert "complete" == frames[-2]["event"], frames
        deltas = (json.loads(frame["data"]) for frame in frames if frame.get("event") == "delta")
        return Told(200, "".join(delta["outputs"][0]["choices"][0]["delta"].get("content", "") for delta in deltas))

    def inputs(self) -> dict[str, object]:
        """Return the question as an alpha2 body."""
        return {"inputs": [{"messages": [{"ofUser": {"content": [{"text": self.question}]}}]}]}

    async def post(self, path: str, body: object, read: Callable[[Any], str]) -> Told:
        """Ask for a whole answer."""
        async with self.session.post(self.root + path, json=body) as reply:
            told = await reply.json()
        text = read(told) if reply.status < 300 else told.get("reason") or told["error"]["code"]
        return Told(reply.status, text)


def content(told: Any) -> str:
    """Return the text of an alpha2 answer."""
    return str(told["outputs"][0]["choices"][0]["message"]["content"])


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[OwnRedis]:
    """A Redis that loses nothing when it is killed: what it has answered is in the kernel's hands."""
    directory = tmp_path / "redis"
    directory.mkdir()
    port = free_port()
    flags = ("--port", str(port), "--appendonly", "yes", "--appendfsync", "no")
    with own_redis(directory, *flags, port=port) as running:
        yield running


@pytest.fixture
def sidecars(tmp_path: Path, standin: Standin, redis: OwnRedis) -> Iterator[list[Process]]:
    """Two sidecars of one application."""
    components = tmp_path / "components"
    components.mkdir()
    (components / "gpt.yaml").write_text(COMPONENT.format(url=standin.url))
    arguments = ("--components", str(components), "--redis", redis.url)
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    environ = {"PARLEY_CONTEXT_KEY": KEY, "PARLEY_STORE_SECONDS": "1"}
    with (
        parley_run(first, *arguments, environ=environ) as one,
        parley_run(second, *arguments, environ=environ) as other,
    ):
        one.until_up()
        other.until_up()
        yield [one, other]


async def torment(redis: OwnRedis, random: Random) -> None:
    """Freeze Redis, or kill it and start it again, over and over."""
    end = asyncio.get_running_loop().time() + WITHIN_S
    while asyncio.get_running_loop().time() < end:
        await asyncio.sleep(random.uniform(0.3, 0.9))
        if random.random() < 0.5:
            redis.send(signal.SIGSTOP)
            await asyncio.sleep(random.uniform(0.05, 1.5))
            redis.send(signal.SIGCONT)
        else:
            await asyncio.to_thread(redis.send, signal.SIGKILL)
            await asyncio.sleep(random.uniform(0.0, 0.5))
            await asyncio.to_thread(redis.start)


async def room(session: aiohttp.ClientSession, sidecar: Process, name: str) -> list[str]:
    """Return what the users of a room said, once Redis is used again."""
    url = f"http://127.0.0.1:{sidecar.http_port}/v1.0-alpha1/conversation/gpt/contexts/{name}"
    while True:
        async with session.get(url) as reply:
            told = await reply.json()
        if told.get("reason") != "store_unavailable":
            return [message["content"] for message in told["messages"] if message["role"] == "user"]
        await asyncio.sleep(0.1)


async def test_nothing_is_lost_and_nobody_gets_anothers_values(sidecars: list[Process], redis: OwnRedis) -> None:
    """Every caller has its own answer in the end; rooms have every turn, and once where its caller asked once."""
    random = Random(1)
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
        roots = [f"http://127.0.0.1:{sidecar.http_port}" for sidecar in sidecars]
        callers = [Caller(number, session, roots[number % 2]) for number in range(REQUESTS)]

        async def ask(caller: Caller) -> Told:
            await asyncio.sleep(random.uniform(0, WITHIN_S))
            return await caller.ask()

        told, _ = await asyncio.gather(asyncio.gather(*map(ask, callers)), torment(redis, random))
        names = sorted({f"room-{caller.number % ROOMS}" for caller in callers if caller.is_in_a_room})
        kept = [question for name in names for question in await room(session, sidecars[0], name)]

    assert [200, 202] == sorted({reply.status for reply in told})
    assert [[str(caller.number)] for caller in callers] == [OWNED.findall(reply.text) for reply in told]
    stored, turns = Counter(kept), list(zip(callers, told, strict=True))
    once = [caller for caller, reply in turns if caller.is_in_a_room and not reply.failures]
    assert {caller.question for caller in callers if caller.is_in_a_room} == set(stored)
    assert [1] * len(once) == [stored[caller.question] for caller in once]
    assert {"store_unavailable", "unavailable"} <= {reason for reply in told for reason in reply.failures}
    for sidecar in sidecars:
        assert 'parley_in_flight_requests{component="gpt"} 0' in sidecar.get("/metrics").body
