"""Chat rooms over several sidecars: real processes that share a Redis and a context key."""

import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from parley_sidecar.rooms.room import tag_of
from tests.conftest import until
from tests.sidecar.own_redis import OwnRedis, own_redis
from tests.sidecar.processes import Process, Reply, parley_run
from tests.sidecar.recorder import Recorder, recorder
from tests.sidecar.rooms.places import KEY, OTHER_KEY, encoded

COMPONENT = """
apiVersion: parley.dev/v1alpha1
kind: ConversationComponent
metadata: {{name: gpt}}
spec:
  type: conversation.openai
  metadata:
  - {{name: key, value: sk-hush}}
  - {{name: model, value: m}}
  - {{name: endpoint, value: "{url}/v1"}}
  cache: {{ttl: 10m}}
  privacy: {{mode: reversible}}
  context: {{ttl: 1h}}
  resilience: {{retries: 0, breakerFaults: 0}}
"""
PATIENT = {"PARLEY_STORE_SECONDS": "5", "PARLEY_CONTEXT_KEY": encoded(KEY)}


@dataclass(frozen=True, slots=True)
class World:
    """What the tests of this module share."""

    provider: Recorder
    redis: OwnRedis
    directory: Path
    stack: ExitStack

    def sidecar(self, name: str, *arguments: str, app_id: str = "shop", **environ: str) -> Process:
        """Start a sidecar that stays until the module's end."""
        directory = self.directory / name
        directory.mkdir()
        words = ["--components", str(self.directory / "components"), "--redis", self.redis.url, "--app-id", app_id]
        process = self.stack.enter_context(parley_run(directory, *words, *arguments, environ={**PATIENT, **environ}))
        process.until_up()
        return process

    def held(self) -> str:
        """Return all keys, values and messages in Redis, as one text."""
        with Redis(port=self.redis.port, decode_responses=False) as client:
            return "".join(repr((key, self._value(client, key))) for key in client.scan_iter())

    @staticmethod
    def _value(client: Any, key: bytes) -> object:
        kind = client.type(key)
        if kind == b"hash":
            return client.hgetall(key)
        return client.zrange(key, 0, -1) if kind == b"zset" else client.get(key)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A Redis, a provider that remembers, and the component of it."""
    directory = tmp_path_factory.mktemp("rooms")
    (directory / "redis").mkdir()
    with recorder() as provider, own_redis(directory / "redis") as redis, ExitStack() as stack:
        (directory / "components").mkdir()
        (directory / "components" / "gpt.yaml").write_text(COMPONENT.format(url=provider.url))
        yield World(provider, redis, directory, stack)


@pytest.fixture(scope="module")
def pair(world: World) -> tuple[Process, Process]:
    """Two sidecars of one application."""
    return world.sidecar("one"), world.sidecar("two")


def say(sidecar: Process, text: str, context_id: str) -> Reply:
    """Have a turn."""
    return sidecar.ask("gpt", {"inputs": [text], "conversationContext": context_id})


def answered(reply: Reply) -> str:
    """Return the answer."""
    assert 202 == reply.status, reply.body
    return str(reply.body["outputs"][0]["result"])


def contexts(sidecar: Process, context_id: str, method: str = "GET") -> Reply:
    """Read or erase a room."""
    path = f"/v1.0-alpha1/conversation/gpt/contexts/{context_id}"
    return sidecar.request(sidecar.http_port, path, method=method)


def told(sidecar: Process, context_id: str) -> list[str]:
    """Return what a room holds."""
    return [message["content"] for message in contexts(sidecar, context_id).body["messages"]]


def test_turns_over_two_sidecars_see_the_whole_history(world: World, pair: tuple[Process, Process]) -> None:
    """In order, whichever of them they come by; a value has one token in both."""
    said = [f"{at}: ann@example.com" for at in range(6)]

    answers = [answered(say(pair[at % 2], text, "by-turns")) for at, text in enumerate(said)]

    assert [f"re: {text}" for text in said] == answers
    assert [text for line in said for text in (line, f"re: {line}")] == told(pair[0], "by-turns")
    hidden = [f"{at}: <EMAIL_ADDRESS_1>" for at in range(6)]
    assert [text for line in hidden[:5] for text in (line, f"re: {line}")] + hidden[5:] == world.provider.asked[-1]


def test_many_turns_at_once_are_all_stored_and_none_interleaved(world: World, pair: tuple[Process, Process]) -> None:
    """Forty, in one room, over both sidecars; the provider saw one history that grows by whole turns."""
    before = len(world.provider.asked)
    with ThreadPoolExecutor(40) as threads:
        replies = list(threads.map(lambda at: say(pair[at % 2], f"turn {at}", "crowded"), range(40)))
    asked = world.provider.asked[before:]

    assert [f"re: turn {at}" for at in range(40)] == [answered(reply) for reply in replies]
    assert [2 * at + 1 for at in range(40)] == [len(texts) for texts in asked]
    history = [text for texts in asked for text in (texts[-1], f"re: {texts[-1]}")]
    assert [history[: 2 * at] for at in range(40)] == [texts[:-1] for texts in asked]
    assert history == told(pair[1], "crowded")
    assert {f"turn {at}" for at in range(40)} == {texts[-1] for texts in asked}


def test_a_sidecar_that_dies_in_mid_turn_leaves_no_half_of_it(world: World, pair: tuple[Process, Process]) -> None:
    """Another one goes on when the lease is over."""
    doomed = world.sidecar("doomed")
    answered(say(doomed, "one", "mourning"))
    before = len(world.provider.asked)
    world.provider.may_answer.clear()
    with ThreadPoolExecutor(2) as threads:
        lost = threads.submit(say, doomed, "two", "mourning")
        until("the turn is with the provider", lambda: len(world.provider.asked) > before)
        doomed.signal(signal.SIGKILL)
        waiting: Future[Reply] = threads.submit(say, pair[0], "three", "mourning")
        doomed.ended()
        world.provider.may_answer.set()

        assert "re: three" == answered(waiting.result())
        assert lost.exception()
    assert ["one", "re: one", "three"] == world.provider.asked[-1]
    assert ["one", "re: one", "three", "re: three"] == told(pair[1], "mourning")


def test_another_application_sees_nothing_of_a_room(world: World, pair: tuple[Process, Process]) -> None:
    """Though it gives the same id, on the same component, in the same Redis."""
    other = world.sidecar("other", app_id="billing")
    answered(say(pair[0], "mine", "guessed"))
    refused = contexts(other, "guessed")
    answered(say(other, "theirs", "guessed"))
    erased = contexts(other, "guessed", "DELETE")

    assert (404, "ERR_CONVERSATION_CONTEXT_NOT_FOUND") == (refused.status, refused.body["errorCode"])
    assert ["theirs"] == world.provider.asked[-1]
    assert 204 == erased.status
    assert ["mine", "re: mine"] == told(pair[1], "guessed")


def test_what_lies_in_redis_shows_nothing(world: World, pair: tuple[Process, Process]) -> None:
    """No prompt, no answer, no value, no context id, in no key and no value; and after erasing nothing at all."""
    world.redis.say("FLUSHALL")
    answered(say(pair[0], "the quick brown fox met ann@example.com", "confidential-id"))
    answered(say(pair[1], "and who is bob@example.com", "confidential-id"))
    held = world.held()
    words = ("quick", "brown", "re: ", "ann@", "bob@", "example", "confidential", "who is", "EMAIL_ADDRESS_1", "user")

    tag = tag_of("default", "shop", "gpt", "confidential-id").decode()

    assert [] == [word for word in words if word in held]
    assert tag in held
    assert "EMAIL_ADDRESS" in held  # how many values of a kind there are is no secret
    assert 204 == contexts(pair[1], "confidential-id", "DELETE").status
    until("nothing of it is left", lambda: tag not in world.held())
    assert 404 == contexts(pair[0], "confidential-id").status


def test_a_key_is_replaced_without_losing_a_room(world: World, pair: tuple[Process, Process]) -> None:
    """A sidecar that knows both goes on; one with the new key alone says what is wrong, and may erase."""
    answered(say(pair[0], "old", "rotated"))
    both = world.sidecar("both", PARLEY_CONTEXT_KEY=encoded(OTHER_KEY), PARLEY_FORMER_CONTEXT_KEY=encoded(KEY))
    new = world.sidecar("new", PARLEY_CONTEXT_KEY=encoded(OTHER_KEY))
    answered(say(both, "still here", "rotated"))
    refused = say(new, "who are you", "rotated")
    answered(say(both, "young", "fresh"))

    assert ["old", "re: old", "still here", "re: still here"] == told(pair[1], "rotated")
    assert (500, "room_sealed") == (refused.status, refused.body["reason"])
    assert ["young", "re: young"] == told(new, "fresh")
    assert 204 == contexts(new, "rotated", "DELETE").status
    assert "re: again" == answered(say(new, "again", "rotated"))


def test_a_frozen_redis_fails_the_turns_and_nothing_else(world: World) -> None:
    """With a clear reason; when it thaws the conversation goes on where it was."""
    hasty = world.sidecar("hasty", PARLEY_STORE_SECONDS="0.5")
    until("a turn is stored", lambda: 202 == say(hasty, "one", "frozen").status)
    asked = len(world.provider.asked)
    world.redis.send(signal.SIGSTOP)
    try:
        refused = [say(hasty, "two", "frozen"), contexts(hasty, "frozen"), contexts(hasty, "frozen", "DELETE")]
        spent = len(world.provider.asked) - asked
        outside = hasty.ask("gpt", {"inputs": ["three"]})
    finally:
        world.redis.send(signal.SIGCONT)

    assert [(500, "store_unavailable")] * 3 == [(reply.status, reply.body["reason"]) for reply in refused]
    assert 0 == spent
    assert "re: three" == answered(outside)
    until("Redis is noticed again", lambda: 202 == say(hasty, "four", "frozen").status)
    texts = world.provider.asked[-1]
    assert ["one", "re: one", "four"] == [*texts[:2], texts[-1]]


def test_without_a_key_a_component_that_keeps_rooms_is_not_loaded(world: World) -> None:
    """The log says what is missing."""
    keyless = world.sidecar("keyless", PARLEY_CONTEXT_KEY="")
    refused = say(keyless, "one", "any")

    assert "needs a context key" in keyless.stdout
    assert (400, "ERR_CONVERSATION_NOT_FOUND") == (refused.status, refused.body["errorCode"])
