"""A chat room by every name and through every HTTP door: what its callers meet."""

import asyncio
import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.sidecar.held import held
from tests.sidecar.running import Sidecar, component, sidecar

KEEPING = component("echo", context={"ttl": "1h"})
FORGETFUL = component("echo")
EVENTS = {"accept": "text/event-stream"}


def hello(text: str = "hi", **fields: Any) -> dict[str, Any]:
    """Return an alpha2 body with one message."""
    return {"inputs": [{"messages": [{"ofUser": {"content": [{"text": text}]}}]}], **fields}


async def chat(running: Sidecar, text: str = "hi", model: str = "echo", **fields: Any) -> Any:
    """Ask over OpenAI's API."""
    body = {"model": model, "messages": [{"role": "user", "content": text}], **fields}
    return await running.api.post("/v1/chat/completions", json=body)


async def room(running: Sidecar, context_id: str, name: str = "echo") -> list[tuple[str, str]]:
    """Return what a room holds: who said what."""
    path = f"/v1.0-alpha1/conversation/{name}/contexts/{quote(context_id, safe='')}"
    reply = await running.api.get(path)
    assert 200 == reply.status_code, reply.text
    return [(message["role"], message["content"]) for message in reply.json()["messages"]]


async def test_every_name_on_every_door_is_the_same_room() -> None:
    """A conversation goes on whichever API and spelling its next turn comes by."""
    spellings = ("conversationContext", "contextID", "contextId", "context_id")
    async with sidecar(KEEPING) as running:
        for name in spellings:
            assert 202 == (await running.alpha1({"inputs": ["hi"], name: "r"})).status_code
            assert 200 == (await running.alpha1({"inputs": [{"content": "hi"}], name: "r"})).status_code
            assert 200 == (await running.alpha2(hello(**{name: "r"}))).status_code
            assert 200 == (await chat(running, **{name: "r"})).status_code
        said = await room(running, "r")

    assert ["hi"] * 16 == [text for role, text in said if role == "user"]


async def test_a_turn_brings_what_was_said_before() -> None:
    """The provider gets history, then the new messages; a request's own instructions go first and are not stored."""
    async with held(may_answer=True) as provider, sidecar(provider.component(context={"ttl": "1h"})) as running:
        await running.alpha1({"inputs": ["one"], "conversationContext": "r"}, "gpt")
        instructed = hello("two", contextId="r")
        instructed["inputs"][0]["messages"].insert(0, {"ofSystem": {"content": [{"text": "be brief"}]}})
        await running.alpha2(instructed, "gpt")
        reply = await chat(running, "three", "gpt", contextId="r")

    before = [("user", "one"), ("assistant", "answer 1")]
    assert [*before, ("user", "two"), ("assistant", "answer 2"), ("user", "three")] == provider.said(2)
    assert [("system", "be brief"), *before, ("user", "two")] == provider.said(1)
    assert "answer 3" == reply.json()["choices"][0]["message"]["content"]


async def test_replies_echo_dapr_s_names() -> None:
    """Each version in its own spelling; the reference's own form has no id in its answer, and OpenAI's has none."""
    async with sidecar(KEEPING) as running:
        early = await running.alpha1({"inputs": ["a"], "conversationContext": "r"})
        dapr = await running.alpha1({"inputs": ["b"], "contextId": "s"})
        objects = await running.alpha1({"inputs": [{"content": "c"}], "context_id": "t"})
        current = await running.alpha2(hello("d", contextID="u"))
        openai = await chat(running, "e", contextId="v")

    assert {"outputs": [{"result": "a", "parameters": {}}]} == early.json()
    assert {"contextID": "s", "outputs": [{"result": "b", "parameters": {}}]} == dapr.json()
    assert {"contextID": "t", "outputs": [{"result": "c"}]} == objects.json()
    assert ("u", set()) == (current.json()["contextId"], {name for name in openai.json() if "ontext" in name})


async def test_a_component_without_a_lifetime_keeps_what_was_promised() -> None:
    """The reference's name asks for a room, and so does any on the endpoint that echoes none; Dapr's are an echo."""
    async with sidecar(FORGETFUL) as running:
        await running.alpha1({"inputs": ["a"], "conversationContext": "r"})
        await running.alpha2(hello(conversationContext="r"))
        await chat(running, contextId="r")
        echoed = await running.alpha2(hello(contextId="r"))
        told = await running.api.get("/v1.0-alpha1/conversation/echo/contexts/r")

    assert (200, "r") == (echoed.status_code, echoed.json()["contextId"])
    assert 3 == told.json()["turns"]


async def test_the_inputs_of_the_early_form_are_turns_in_their_order() -> None:
    """Each is asked after the one before was answered, and knows of it."""
    async with held(may_answer=True) as provider, sidecar(provider.component(context={"ttl": "1h"})) as running:
        reply = await running.alpha1({"inputs": ["one", "two", "three"], "conversationContext": "r"}, "gpt")
        said = await room(running, "r", "gpt")

    assert ["answer 1", "answer 2", "answer 3"] == [output["result"] for output in reply.json()["outputs"]]
    assert [*said[:4], ("user", "three")] == provider.said(2)
    assert ["one", "answer 1", "two", "answer 2", "three", "answer 3"] == [text for _, text in said]


async def test_the_first_failure_of_the_early_form_ends_it() -> None:
    """What came before stays in the room, and nothing after it is asked."""
    async with held(may_answer=True) as provider, sidecar(provider.component(context={"ttl": "1h"})) as running:
        provider.faults[2] = 400
        reply = await running.alpha1({"inputs": ["one", "two", "three"], "contextID": "r"}, "gpt")
        said = await room(running, "r", "gpt")

    assert (500, "refused") == (reply.status_code, reply.json()["reason"])
    assert ([("user", "one"), ("assistant", "answer 1")], 2) == (said, len(provider.asked))


async def test_without_a_room_inputs_do_not_wait_for_each_other() -> None:
    """As ever: several are asked at a time."""
    async with held() as provider, sidecar(provider.component(context={"ttl": "1h"})) as running:
        asking = asyncio.create_task(running.alpha1({"inputs": ["one", "two", "three"]}, "gpt"))
        await provider.until_asked(3)
        provider.may_answer.set()
        reply = await asking

    assert (202, 3) == (reply.status_code, len(reply.json()["outputs"]))


async def test_a_fallback_s_answer_belongs_to_the_room_that_was_asked() -> None:
    """The other component gets the history, and keeps nothing of it."""
    async with held(may_answer=True) as failing, held(may_answer=True) as other:
        failing.faults[2] = 500
        first = failing.component(context={"ttl": "1h"})
        falling = first.model_copy(update={"resilience": first.resilience.model_copy(update={"fallback": ["other"]})})
        async with sidecar(falling, other.component("other", context={"ttl": "1h"})) as running:
            for text in ("one", "two"):
                await running.alpha1({"inputs": [text], "contextID": "r"}, "gpt")
            said = await room(running, "r", "gpt")
            elsewhere = await running.api.get("/v1.0-alpha1/conversation/other/contexts/r")

    assert [("user", "one"), ("assistant", "answer 1"), ("user", "two")] == other.said(0)
    assert (["one", "answer 1", "two", "answer 1"], 404) == ([text for _, text in said], elsewhere.status_code)


async def test_streams_are_turns() -> None:
    """Over alpha2's events and OpenAI's: the next turn finds them, and `complete` echoes the id."""
    async with sidecar(KEEPING) as running:
        first = await running.alpha2(hello("one", contextId="r"), headers=EVENTS)
        second = await chat(running, "two", contextId="r", stream=True)
        said = await room(running, "r")

    complete = json.loads(first.text.rpartition("event: complete\ndata: ")[2])
    assert ("r", "[DONE]") == (complete["contextId"], second.text.split("data: ")[-1].strip())
    assert [("user", "one"), ("assistant", "one"), ("user", "two"), ("assistant", "one\none\ntwo")] == said


async def test_a_stream_that_cannot_be_stored_ends_in_an_error() -> None:
    """Before anything says that it is complete."""
    async with sidecar(KEEPING) as running:
        too_long = "x" * (1024 * 1024)
        events = await running.alpha2(hello(too_long, contextId="r"), headers=EVENTS)
        chunks = await chat(running, too_long, contextId="r", stream=True)

    assert "event: complete" not in events.text
    assert "invalid_parameters" == json.loads(events.text.rpartition("event: error\ndata: ")[2])["reason"]
    assert ("[DONE]" in chunks.text, "invalid_parameters") == (
        False,
        json.loads(chunks.text.rpartition("data: ")[2])["error"]["code"],
    )


@pytest.mark.parametrize("door", ["alpha1", "alpha2", "openai"])
async def test_who_waits_too_long_for_a_turn_is_told(door: str) -> None:
    """Turns of a room are one after the other: 500 or 409, and the reason `room_busy`."""
    async with held() as provider:
        waiting = {"retries": 0, "attempt_timeout": "200ms"}
        patient = provider.component(context={"ttl": "1h"})
        hasty = patient.model_copy(update={"resilience": patient.resilience.model_copy(update=waiting)})
        async with sidecar(patient) as running:
            asking = asyncio.create_task(running.alpha2(hello(contextId="r"), "gpt"))
            await provider.until_asked(1)
            assert {} == await running.registry.replace([hasty.model_copy(update={"version": "2"})])
            if door == "openai":
                refused = await chat(running, "me too", "gpt", contextId="r")
            elif door == "alpha2":
                refused = await running.alpha2(hello("me too", contextId="r"), "gpt")
            else:
                refused = await running.alpha1({"inputs": ["me too"], "conversationContext": "r"}, "gpt")
            provider.may_answer.set()
            answered = await asking

    told = refused.json()
    expected = (409, "room_busy") if door == "openai" else (500, "room_busy")
    assert expected == (refused.status_code, told["error"]["code"] if door == "openai" else told["reason"])
    assert (200, 1) == (answered.status_code, len(provider.asked))


@pytest.mark.parametrize("context_id", ["a b/ü?#%2F", "...", "\U0001f600" * 64, "x" * 256, "\n", '"quoted"', "a\x00b"])
async def test_any_text_is_an_id(context_id: str) -> None:
    """Whatever is in it, it names one room, and the path can name that too."""
    async with sidecar(KEEPING) as running:
        await running.alpha1({"inputs": ["one"], "conversationContext": context_id})
        await chat(running, "two", contextId=context_id)
        said = await room(running, context_id)

    assert ["one", "one", "two", "one\none\ntwo"] == [text for _, text in said]


async def test_an_id_has_a_limit() -> None:
    """Longer ones are refused where rooms are kept, and echoed as ever where they are not."""
    other = component("other")
    async with sidecar(KEEPING, other) as running:
        refused = await running.alpha2(hello(contextId="x" * 257))
        echoed = await running.alpha2(hello(contextId="x" * 257), "other")

    assert (400, "invalid_parameters") == (refused.status_code, refused.json()["reason"])
    assert (200, "x" * 257) == (echoed.status_code, echoed.json()["contextId"])


async def test_the_cache_tells_of_rooms_too() -> None:
    """In a room a hit is one of the same history: the first turn of an erased and of another room is a miss."""
    cached = component("echo", context={"ttl": "1h"}, cache={"ttl": "10m"})
    path = "/v1.0-alpha1/conversation/echo/contexts/r"
    async with sidecar(cached) as running:
        outside = [await running.alpha1({"inputs": ["hi"]}) for _ in range(2)]
        first = await running.alpha2(hello(contextId="r"))
        second = await running.alpha2(hello(contextId="r"))
        await running.api.delete(path)
        third = await running.alpha2(hello(contextId="r"))
        early = await running.alpha1({"inputs": ["hi", "hi"], "conversationContext": "s"})

    assert ["miss", "hit"] == [fate(reply) for reply in outside]
    assert ["miss", "miss", "miss", "miss"] == [fate(reply) for reply in (first, second, third, early)]


def fate(reply: Any) -> str:
    """Return what the cache did with a request."""
    status = reply.headers["cache-status"]
    assert status.startswith("parley; ")
    return "hit" if "; hit" in status else "miss"
