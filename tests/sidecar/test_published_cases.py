"""Every published case over the real app and the echo component, whole and in pieces."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.sidecar.published_cases import CASES, COMPONENTS, EMAIL, HELLO, PHONE, Case, body, call, tool, user
from tests.sidecar.running import Sidecar, component, sidecar

ECHOES = tuple(component(name, settings=settings) for name, settings in COMPONENTS.items())
EVENTS = {"accept": "text/event-stream"}


def table(*versions: str) -> list[Any]:
    """Return the cases of these versions for pytest, by their ids."""
    cases = [case for case in CASES if "http" in case.doors and case.version in versions]
    return [pytest.param(case, id=case.id) for case in cases]


async def asked(running: Sidecar, case: Case) -> Any:
    """Send a case over its version of the API."""
    ask = running.alpha1 if case.version == "alpha1" else running.alpha2
    return await ask(case.body, case.component)


def events(text: str) -> list[tuple[str, Any]]:
    """Return the events of a stream, their data as JSON."""
    frames = [frame.split("\n") for frame in text.split("\n\n") if frame and not frame.startswith(":")]
    return [(kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for kind, data in frames]


def joined(told: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the complete reply that a stream's events add up to."""
    *deltas, (kind, reply) = told
    assert (["delta"] * len(deltas), "complete") == ([name for name, _ in deltas], kind)
    choice = reply["outputs"][0]["choices"][0]
    assert {} == choice["message"]
    text, calls = "", dict[str, dict[str, Any]]()
    for _, data in deltas:
        piece = data["outputs"][0]["choices"][0]["delta"]
        text += piece.get("content", "")
        for made in piece.get("toolCalls", ()):
            _add(calls.setdefault(made["index"], {"function": {}}), made)
    message = {"content": text, "toolCalls": list(calls.values())}
    choice["message"] = {name: value for name, value in message.items() if value}
    return dict(reply)


def _add(call: dict[str, Any], piece: Mapping[str, Any]) -> None:
    if "id" in piece:
        call["id"] = piece["id"]
    for name, value in piece["function"].items():
        call["function"][name] = call["function"].get(name, "") + value


@pytest.mark.parametrize("case", table("alpha1", "alpha2"))
async def test_a_published_case_is_answered_as_by_dapr(case: Case) -> None:
    """The reply is Dapr's as JSON, or has Dapr's status, code and words."""
    async with sidecar(*ECHOES) as running:
        reply = await asked(running, case)

    given = reply.json()
    expected = (case.status, case.answer) if case.answer else (case.status, case.code)
    assert expected == (reply.status_code, given if case.answer else given["errorCode"])
    assert case.answer or case.says in given["message"]


@pytest.mark.parametrize("case", table("alpha2"))
async def test_a_published_case_in_pieces_adds_up_to_the_same(case: Case) -> None:
    """As events it says the same; what fails before the first byte fails as without events."""
    async with sidecar(*ECHOES) as running:
        reply = await running.alpha2(case.body, case.component, headers=EVENTS)

    kind = reply.headers["content-type"].partition(";")[0]
    if case.answer:
        assert (200, "text/event-stream") == (reply.status_code, kind)
        assert case.answer == joined(events(reply.text))
    else:
        assert (case.status, "application/json", case.code) == (reply.status_code, kind, reply.json()["errorCode"])


async def test_words_come_one_by_one() -> None:
    """The streaming draft's first case: more than one piece, the end last, with the context id and the usage."""
    async with sidecar(*ECHOES) as running:
        given = body(user("Hello streaming world"), contextId="c-1", temperature=0.5)
        told = events((await running.alpha2(given, headers=EVENTS)).text)

    pieces = [data["outputs"][0]["choices"][0]["delta"]["content"] for kind, data in told if kind == "delta"]
    assert ["Hello", " streaming", " world"] == pieces
    assert ("complete", "c-1") == (told[-1][0], told[-1][1]["contextId"])
    assert {"completionTokens": "3", "promptTokens": "3", "totalTokens": "6"} == told[-1][1]["outputs"][0]["usage"]


async def test_a_number_is_hidden_in_every_piece() -> None:
    """The streaming draft's second case: with the answer's flag the digits are in no event."""
    number = "+1234567890"
    given = body(user(f"My phone number is {number}"), scrubPii=True)
    async with sidecar(*ECHOES) as running:
        reply = await running.alpha2(given, headers=EVENTS)

    choice = joined(events(reply.text))["outputs"][0]["choices"][0]
    assert "My phone number is <PHONE_NUMBER>" == choice["message"]["content"]
    assert number[1:] not in reply.text


async def test_two_inputs_are_one_stream() -> None:
    """The streaming draft's third case: the messages of two inputs are joined."""
    given = {"inputs": [{"messages": [user("one two")]}, {"messages": [user("three")]}]}
    async with sidecar(*ECHOES) as running:
        told = events((await running.alpha2(given, headers=EVENTS)).text)

    assert "one two\nthree" == joined(told)["outputs"][0]["choices"][0]["message"]["content"]


@pytest.mark.parametrize("spelling", ["scrubPII", "scrubPii", "scrub_pii"])
@pytest.mark.parametrize("version", ["alpha1", "alpha2"])
async def test_every_spelling_of_the_flag_hides(version: str, spelling: str) -> None:
    """Dapr drops some spellings in some versions; a dropped privacy flag is a leak."""
    async with sidecar(*ECHOES) as running:
        if version == "alpha1":
            first = await running.alpha1({"inputs": [{"content": PHONE, spelling: True}]})
            second = await running.alpha1({"inputs": [{"content": EMAIL}], spelling: True})
        else:
            first = await running.alpha2({"inputs": [{"messages": [user(PHONE)], spelling: True}]})
            second = await running.alpha2(body(user(EMAIL), **{spelling: True}))

    assert ("<PHONE_NUMBER>" in first.text, "<EMAIL_ADDRESS>" in second.text) == (True, True)
    assert not [reply for reply in (first, second) if "+2222222222" in reply.text or "test@test.com" in reply.text]


async def test_all_casings_in_one_body() -> None:
    """JSON names and proto names go together, in one body."""
    given = {
        "context_id": "c-1",
        "inputs": [
            {
                "messages": [
                    {"of_assistant": {"content": [{"text": HELLO}], "tool_calls": [call("1", "now", "{}")]}},
                    {"ofTool": {"tool_id": "1", "name": "now", "content": [{"text": "noon"}]}},
                ]
            }
        ],
        "tools": [tool("now")],
        "tool_choice": "now",
        "max_tokens": "100",
        "responseFormat": {"type": "object"},
        "prompt_cache_retention": "1.5s",
    }
    async with sidecar(*ECHOES) as running:
        reply = (await running.alpha2(given)).json()

    choice = reply["outputs"][0]["choices"][0]
    assert ("c-1", "tool_calls") == (reply["contextId"], choice["finishReason"])
    assert [{"id": "0", "function": {"name": "now"}}, call("1", "now", "{}")] == choice["message"]["toolCalls"]
    assert f"{HELLO}\nTool Response for tool ID '1' with name 'now': noon" == choice["message"]["content"]
