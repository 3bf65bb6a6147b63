"""Chat rooms as their owner reads and erases them, and the purge of a cache."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from starlette.types import Message

from parley_crds.component import Component
from parley_sidecar.app import create_app
from parley_sidecar.door import Door
from parley_sidecar.metadata import Metadata
from parley_sidecar.pipeline import Surroundings
from parley_sidecar.registry import Registry
from parley_sidecar.rooms import Rooms
from parley_sidecar.stores import Stores
from tests.sidecar.held import held
from tests.sidecar.running import ALPHA1, Sidecar, component, sidecar, surroundings

ROOM = "/v1.0-alpha1/conversation/{}/contexts/{}"
PURGE = "/v1.0-alpha1/conversation/{}/cache/purge"
KEEPING = component("echo", context={"ttl": "1h"})
FORGETFUL = component("forgetful")


def path(context_id: str, name: str = "echo") -> str:
    """Return where a room is."""
    return ROOM.format(name, quote(context_id, safe=""))


async def texts(client: httpx2.AsyncClient, context_id: str, name: str = "echo") -> list[str] | None:
    """Return what was said in a room, or None if there is none."""
    reply = await client.get(path(context_id, name))
    return [message["content"] for message in reply.json()["messages"]] if reply.status_code == 200 else None


@asynccontextmanager
async def application(
    shared: Surroundings, app_id: str, *components: Component, **settings: Any
) -> AsyncIterator[httpx2.AsyncClient]:
    """Run the sidecar of an application that shares stores with others."""
    registry, door = Registry(replace(shared, app_id=app_id)), Door(app_id, **settings)
    assert {} == await registry.replace(components)
    app = create_app(registry, door, shared.metrics, Metadata(registry, door), lambda: None)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost:3500") as client:
        yield client


async def ask(client: httpx2.AsyncClient, text: str, context_id: str, name: str = "echo") -> httpx2.Response:
    """Add a turn to a room."""
    return await client.post(ALPHA1.format(name), json={"inputs": [text], "conversationContext": context_id})


async def test_a_room_is_shown() -> None:
    """All that was said in it, oldest first, and how many turns that is; nobody keeps it on the way."""
    async with sidecar(KEEPING) as running:
        for text in ("one", "two"):
            await ask(running.api, text, "r/1")
        shown = await running.api.get(path("r/1"), headers={"x-request-id": "id-1"})

    expected = {
        "contextId": "r/1",
        "component": "echo",
        "messages": [
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "one"},
            {"role": "user", "content": "two"},
            {"role": "assistant", "content": "one\none\ntwo"},
        ],
        "turns": 2,
    }
    assert (200, expected) == (shown.status_code, shown.json())
    assert ("application/json", "no-store", "id-1") == tuple(
        shown.headers[name] for name in ("content-type", "cache-control", "x-request-id")
    )


async def test_names_and_tool_calls_are_shown() -> None:
    """A participant's name, what the model called, and which call a result answers."""
    offer = {"function": {"name": "weather", "parameters": {"properties": {"city": {}}}}}
    asked = {"messages": [{"ofUser": {"name": "ann", "content": [{"text": "weather?"}]}}]}
    async with sidecar(KEEPING) as running:
        called = await running.alpha2({"inputs": [asked], "tools": [offer], "contextId": "r"})
        call = called.json()["outputs"][0]["choices"][0]["message"]["toolCalls"][0]
        result = {"toolId": call["id"], "name": "weather", "content": [{"text": "sunny"}]}
        await running.alpha2({"inputs": [{"messages": [{"ofTool": result}]}], "contextId": "r"})
        shown = (await running.api.get(path("r"))).json()["messages"]

    assert {"role": "user", "content": "weather?", "name": "ann"} == shown[0]
    assert {"role": "assistant", "content": "weather?", "toolCalls": [call]} == shown[1]
    assert {"role": "tool", "content": "sunny", "name": "weather", "toolCallId": call["id"]} == shown[2]


async def test_hidden_values_are_shown_to_their_owner() -> None:
    """In texts, names and arguments; secrets stay hidden, and so does what a flag hid for good."""
    arguments = '{"to":"ann@example.com","note":"<b>"}'
    call = {"id": "c", "function": {"name": "send", "arguments": arguments}}
    key = "sk-proj-" + "Ab3" * 16
    messages = [
        {"ofUser": {"name": "bob@example.com", "content": [{"text": f"write to ann@example.com, my key is {key}"}]}},
        {"ofAssistant": {"toolCalls": [call]}},
        {"ofTool": {"toolId": "c", "name": "send", "content": [{"text": "ok"}]}},
    ]
    masked = [{"ofUser": {"content": [{"text": "carl@example.com"}]}}]
    async with sidecar(component(context={"ttl": "1h"}, privacy={"mode": "reversible"})) as running:
        await running.alpha2({"inputs": [{"messages": messages}], "contextId": "r"})
        await running.alpha2({"inputs": [{"messages": masked, "scrubPii": True}], "contextId": "r"})
        said = (await running.api.get(path("r"))).json()["messages"]

    assert "write to ann@example.com, my key is <SECRET_1>" == said[0]["content"]
    assert ("bob@example.com", arguments) == (said[0]["name"], said[1]["toolCalls"][0]["function"]["arguments"])
    assert "ann@example.com" in said[3]["content"]
    assert key not in str(said)
    assert "carl" not in said[4]["content"]


async def test_an_erased_room_is_gone() -> None:
    """204 whether or not it was there; the next turn begins anew, and other rooms stay."""
    async with sidecar(KEEPING) as running:
        for context_id in ("r", "s"):
            await ask(running.api, "one", context_id)
        erased = [await running.api.delete(path("r")) for _ in range(2)]
        gone = await running.api.get(path("r"))
        again = await ask(running.api, "two", "r")
        other = await texts(running.api, "s")

    assert [(204, b"")] * 2 == [(reply.status_code, reply.content) for reply in erased]
    assert (404, "ERR_CONVERSATION_CONTEXT_NOT_FOUND", "not_found") == (
        gone.status_code,
        gone.json()["errorCode"],
        gone.json()["reason"],
    )
    assert ("two", ["one", "one"]) == (again.json()["outputs"][0]["result"], other)


async def test_a_turn_under_way_ends_with_its_room() -> None:
    """Its caller is told, and what it said is not stored."""
    async with held() as provider, sidecar(provider.component(context={"ttl": "1h"})) as running:
        asking = asyncio.create_task(ask(running.api, "one", "r", "gpt"))
        await provider.until_asked(1)
        erased = await running.api.delete(path("r", "gpt"))
        provider.may_answer.set()
        lost = await asking
        after = await texts(running.api, "r", "gpt")

    assert (204, 500, "room_lost", None) == (erased.status_code, lost.status_code, lost.json()["reason"], after)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize(
    ("name", "raw_id", "code", "message"),
    [
        ("nobody", "r", "ERR_CONVERSATION_NOT_FOUND", "failed finding conversation component nobody"),
        ("n%2Fo", "r", "ERR_CONVERSATION_NOT_FOUND", "failed finding conversation component n/o"),
        ("echo", "x" * 257, "ERR_CONVERSATION_INVALID_PARMS", "a context id has 1 to 256 characters"),
        ("echo", "%zz", "ERR_CONVERSATION_INVALID_PARMS", "the path is not percent-encoded UTF-8"),
        ("echo", "%ff", "ERR_CONVERSATION_INVALID_PARMS", "the path is not percent-encoded UTF-8"),
        ("%ff", "r", "ERR_CONVERSATION_INVALID_PARMS", "the path is not percent-encoded UTF-8"),
    ],
)
async def test_what_means_nothing_is_told(method: str, name: str, raw_id: str, code: str, message: str) -> None:
    """With the codes and words of the converse routes, and without the id."""
    async with sidecar(KEEPING, FORGETFUL) as running:
        sent = running.api.build_request(method, "/")
        sent.url = sent.url.copy_with(raw_path=ROOM.format(name, raw_id).encode())
        reply = await running.api.send(sent)

    assert (400, code) == (reply.status_code, reply.json()["errorCode"])
    assert reply.json()["message"].endswith(message)
    assert len(raw_id) < 9 or raw_id not in reply.text


async def test_an_unescaped_path_is_read_as_utf_8() -> None:
    """A client that does not escape letters means the same room."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    async with sidecar(KEEPING) as running:
        await ask(running.api, "one", "zimmer-ü")
        app = create_app(running.registry, running.door, running.metrics, running.metadata, running.stopped.set)
        raw_path = ROOM.format("echo", "zimmer-ü").encode()
        scope = {"type": "http", "method": "GET", "raw_path": raw_path, "headers": [(b"host", b"localhost")]}
        await app({**scope, "query_string": b""}, receive, send)

    assert 200 == sent[0]["status"]
    assert "zimmer-ü" == json.loads(sent[1]["body"])["contextId"]


async def test_the_door_is_the_same() -> None:
    """A token, and no web pages."""
    async with surroundings() as shared, application(shared, "shop", KEEPING, api_tokens=("t",)) as client:
        replies = [
            await client.request(method, where, headers=headers)
            for method, where in (("GET", path("r")), ("DELETE", path("r")), ("POST", PURGE.format("echo")))
            for headers in ({}, {"dapr-api-token": "t", "origin": "https://elsewhere.test"})
        ]

    assert [(401, "unauthorized"), (403, "foreign_origin")] * 3 == [
        (reply.status_code, reply.json()["reason"]) for reply in replies
    ]


@pytest.mark.parametrize(("method", "where"), [("PUT", path("r")), ("GET", PURGE.format("echo")), ("GET", path(""))])
async def test_other_methods_and_paths_do_not_exist(method: str, where: str) -> None:
    """As everywhere."""
    async with sidecar(KEEPING) as running:
        reply = await running.api.request(method, where)

    assert (404, "ERR_DIRECT_INVOKE") == (reply.status_code, reply.json()["errorCode"])


async def test_rooms_can_be_erased_while_the_sidecar_stops() -> None:
    """Until it has stopped: somebody may have asked to be forgotten; new turns are refused meanwhile."""
    async with sidecar(KEEPING) as running:
        await ask(running.api, "one", "r")
        running.door.traffic.open = False
        refused = await ask(running.api, "two", "r")
        shown = await texts(running.api, "r")
        erased = await running.api.delete(path("r"))
        gone = await texts(running.api, "r")

    assert (503, "draining") == (refused.status_code, refused.json()["reason"])
    assert (["one", "one"], 204, None, 0) == (shown, erased.status_code, gone, running.door.traffic.active)


async def test_before_the_first_components_nothing_is_known() -> None:
    """503, as a converse request is told."""
    async with sidecar() as running:
        reply = await running.api.get(path("r"))

    assert (503, "not_ready", "1") == (reply.status_code, reply.json()["reason"], reply.headers["retry-after"])


async def test_rooms_belong_to_their_application_and_component() -> None:
    """Another one neither sees nor erases a room by giving its id, on the same store."""
    second = component("second", context={"ttl": "1h"})
    async with (
        surroundings() as shared,
        application(shared, "shop", KEEPING, second) as shop,
        application(shared, "till", KEEPING) as till,
    ):
        await ask(shop, "mine", "r")
        seen = [await texts(till, "r"), await texts(shop, "r", "second")]
        erased = [await till.delete(path("r")), await shop.delete(path("r", "second"))]
        own = await ask(till, "other", "r")
        kept = await texts(shop, "r")

    assert ([None, None], [204, 204]) == (seen, [reply.status_code for reply in erased])
    assert ("other", ["mine", "mine"]) == (own.json()["outputs"][0]["result"], kept)


@pytest.mark.parametrize(("precise", "status"), [(False, 500), (True, 503)])
async def test_a_store_that_cannot_be_reached_is_told(precise: bool, status: int) -> None:  # noqa: FBT001 - a table
    """Reading, erasing and a new turn fail: nothing is forgotten in silence."""
    async with surroundings() as shared:
        nowhere = Stores(shared.metrics.count_store_fault)
        lost = replace(shared, stores=nowhere, rooms=Rooms(nowhere))
        async with application(lost, "shop", KEEPING, precise_statuses=precise) as client:
            replies = [await client.get(path("r")), await client.delete(path("r")), await ask(client, "one", "r")]

    assert [(status, "ERR_CONVERSATION_INVOKE", "store_unavailable")] * 3 == [
        (reply.status_code, reply.json()["errorCode"], reply.json()["reason"]) for reply in replies
    ]


async def test_neither_ids_nor_texts_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A refusal has its reason in the log, and the id of the request."""
    caplog.set_level("INFO", "parley_sidecar")
    async with sidecar(KEEPING) as running:
        await ask(running.api, "hush-text", "hush-id")
        await running.api.delete(path("hush-id"))
        await running.api.get(path("hush-id"), headers={"x-request-id": "id-1"})

    (refusal,) = [record for record in caplog.records if record.message == "upkeep refused"]
    assert ("not_found", "id-1", "echo") == tuple(vars(refusal)[name] for name in ("reason", "request_id", "component"))
    ours = [vars(record) for record in caplog.records if record.name.startswith("parley")]
    assert "hush" not in "".join(map(str, ours))


async def purge(running: Sidecar, name: str) -> Any:
    """Purge a component's cache."""
    return await running.api.post(PURGE.format(name))


async def test_a_purge_forgets_cached_answers() -> None:
    """What was a hit is asked again; other components keep theirs."""
    cached, other = (component(name, cache={"ttl": "10m"}) for name in ("cached", "other"))
    async with sidecar(cached, other) as running:
        for name in ("cached", "other", "cached"):
            hit = await running.alpha1({"inputs": ["hi"]}, name)
        purged = await purge(running, "cached")
        after = [await running.alpha1({"inputs": ["hi"]}, name) for name in ("cached", "other")]

    assert "; hit" in hit.headers["cache-status"]
    assert (204, b"") == (purged.status_code, purged.content)
    assert [False, True] == ["; hit" in reply.headers["cache-status"] for reply in after]


async def test_there_must_be_something_to_purge() -> None:
    """A component without a lifetime whose requests may not ask for one keeps nothing; an unknown one is unknown."""
    never = component("never", overrides={"allow": ["model"]})
    async with sidecar(never) as running:
        refused, unknown = await purge(running, "never"), await purge(running, "nobody")

    assert (400, "ERR_CONVERSATION_INVALID_PARMS") == (refused.status_code, refused.json()["errorCode"])
    assert "this component keeps no answers: set spec.cache.ttl" in refused.json()["message"]
    assert (400, "ERR_CONVERSATION_NOT_FOUND") == (unknown.status_code, unknown.json()["errorCode"])
