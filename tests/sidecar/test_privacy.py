"""Privacy through real doors: no value reaches a strict vendor, and the caller has each of them again."""

import json
from typing import Any

import pytest

from tests.conftest import Vendors
from tests.sidecar.running import ALPHA2, Sidecar, component, sidecar

VENDORS = ("conversation.openai", "conversation.anthropic", "conversation.mistral", "conversation.aws.bedrock")
ANN, PHONE, IBAN = "ann@example.com", "+14155552671", "DE89370400440532013000"
OPENAI = "/v1/chat/completions"
CONVERSE = ALPHA2.format("gpt")


def private(vendors: Vendors, mount: str = "conversation.openai", **fields: Any) -> Any:
    """Return a component of a vendor that hides personal data reversibly."""
    settings = {name.lower(): value for name, value in vendors.settings(mount).items()}
    return component("gpt", mount, settings=settings, **{"privacy": {"mode": "reversible"}} | fields)


def full(text: str) -> dict[str, Any]:
    """Return an alpha2 body with a text wherever a caller may write one, in a form that all vendors take."""
    schema = {"type": "object", "description": text, "properties": {"to": {"type": "string", "enum": [text]}}}
    return {
        "inputs": [
            {
                "messages": [
                    {"ofSystem": {"content": [{"text": f"You serve {text}"}]}},
                    {"ofUser": {"name": text, "content": [{"text": f"hi, I am {text}"}]}},
                    {
                        "ofAssistant": {
                            "content": [{"text": f"hello {text}"}],
                            "toolCalls": [
                                {"id": "abcdefgh1", "function": {"name": "mail", "arguments": json.dumps({"to": text})}}
                            ],
                        }
                    },
                    {"ofTool": {"toolId": "abcdefgh1", "name": "mail", "content": [{"text": f"sent to {text}"}]}},
                    {"ofUser": {"content": [{"text": f"again to {text}"}]}},
                ]
            }
        ],
        "tools": [{"function": {"name": "mail", "description": f"Mails {text}", "parameters": schema}}],
        "toolChoice": "mail",
    }


async def events(running: Sidecar, path: str, body: Any) -> list[Any]:
    """Return the data of a stream's events."""
    reply = await running.api.post(path, json=body, headers={"accept": "text/event-stream"})
    assert 200 == reply.status_code, reply.text
    lines = (line.removeprefix("data: ") for line in reply.text.splitlines() if line.startswith("data: {"))
    return [json.loads(line) for line in lines]


def delta_of(event: Any) -> Any:
    """Return the delta of an event, or nothing of the last one."""
    return event["outputs"][0]["choices"][0].get("delta", {})


@pytest.mark.parametrize("mount", VENDORS)
async def test_no_value_reaches_a_vendor(vendors: Vendors, mount: str) -> None:
    """Each takes the request with its tokens, wherever the caller wrote a value."""
    async with sidecar(private(vendors, mount)) as running:
        reply = await running.alpha2(full(ANN), "gpt")

    assert 200 == reply.status_code, reply.text
    sent = json.dumps(vendors.last(mount)["body"], ensure_ascii=False)
    assert ANN not in sent
    assert sent.count("<EMAIL_ADDRESS_1>") >= 9


async def test_an_answers_text_comes_back(vendors: Vendors) -> None:
    """What the vendor repeats is what the caller wrote."""
    body = {"inputs": [{"messages": [{"ofUser": {"content": [{"text": f"I am {ANN}, {PHONE}"}]}}]}]}
    async with sidecar(private(vendors)) as running:
        reply = await running.alpha2(body, "gpt")

    assert f"I am {ANN}, {PHONE}" == reply.json()["outputs"][0]["choices"][0]["message"]["content"]
    assert (
        "I am <EMAIL_ADDRESS_1>, <PHONE_NUMBER_1>"
        == vendors.last("conversation.openai")["body"]["messages"][0]["content"]
    )


@pytest.mark.parametrize("mount", VENDORS)
async def test_a_tool_call_comes_back(vendors: Vendors, mount: str) -> None:
    """Complete, and in the pieces of a stream."""
    body = {**full(ANN), "inputs": [{"messages": [{"ofUser": {"content": [{"text": f"mail {ANN}"}]}}]}]}
    async with sidecar(private(vendors, mount)) as running:
        whole = await running.alpha2(body, "gpt")
        streamed = await events(running, CONVERSE, body)

    (call,) = whole.json()["outputs"][0]["choices"][0]["message"]["toolCalls"]
    pieces = [piece for event in streamed for piece in delta_of(event).get("toolCalls", [])]
    assert {"to": ANN} == json.loads(call["function"]["arguments"])
    assert {"to": ANN} == json.loads("".join(piece["function"].get("arguments", "") for piece in pieces))


@pytest.mark.parametrize("mount", VENDORS)
async def test_a_stream_comes_back(vendors: Vendors, mount: str) -> None:
    """However the vendor cuts it."""
    text = f"I am {ANN} and {IBAN}."
    body = {"inputs": [{"messages": [{"ofUser": {"content": [{"text": text}]}}]}]}
    async with sidecar(private(vendors, mount)) as running:
        said = await events(running, CONVERSE, body)

    assert text == "".join(delta_of(event).get("content", "") for event in said)


async def test_openais_door_hides_too(vendors: Vendors) -> None:
    """Unknown fields reach the vendor as parameters, and are hidden as well."""
    body = {"model": "gpt", "messages": [{"role": "user", "content": f"I am {ANN}"}], "user": ANN}
    async with sidecar(private(vendors)) as running:
        whole = await running.api.post(OPENAI, json={**body, "stop": [PHONE]})
        streamed = await events(running, OPENAI, {**body, "stream": True})

    assert f"I am {ANN}" == whole.json()["choices"][0]["message"]["content"]
    pieces = [choice["delta"].get("content") or "" for event in streamed for choice in event["choices"]]
    assert f"I am {ANN}" == "".join(pieces)
    assert "<EMAIL_ADDRESS_1>" == vendors.last("conversation.openai")["body"]["user"]


async def test_each_input_of_the_early_form_is_a_request_of_its_own() -> None:
    """Numbers do not run on, and each answer has its own value."""
    body = {"inputs": [f"I am {ANN}", "I am bob@example.org"]}
    async with sidecar(component(privacy={"mode": "reversible"})) as running:
        shown = await running.alpha1(body)
        hidden = await running.alpha1({**body, "scrubPII": True})
        samples = await running.samples()

    assert [f"I am {ANN}", "I am bob@example.org"] == [one["result"] for one in shown.json()["outputs"]]
    assert ["I am <EMAIL_ADDRESS>"] * 2 == [one["result"] for one in hidden.json()["outputs"]]
    assert 4 == samples['parley_pii_total{component="echo",type="EMAIL_ADDRESS",direction="prompt"}']
    assert 2 == samples['parley_pii_restored_total{component="echo",type="EMAIL_ADDRESS"}']


async def test_a_blocked_request_is_answered_400(vendors: Vendors) -> None:
    """On every door, with the kinds and without the values; the vendor is not asked."""
    alpha2 = {"inputs": [{"messages": [{"ofUser": {"content": [{"text": f"I am {ANN}"}]}}]}]}
    before = vendors.count("conversation.openai")
    async with sidecar(private(vendors, privacy={"mode": "block"})) as running:
        replies = [
            await running.alpha1({"inputs": [f"I am {ANN}"]}, "gpt"),
            await running.alpha2(alpha2, "gpt"),
            await running.api.post(OPENAI, json={"model": "gpt", "messages": [{"role": "user", "content": ANN}]}),
        ]
        samples = await running.samples()

    assert [400] * 3 == [reply.status_code for reply in replies]
    assert all("EMAIL_ADDRESS" in reply.text and ANN not in reply.text for reply in replies)
    assert ("ERR_CONVERSATION_INVALID_PARMS", "personal_data") == (
        replies[1].json()["errorCode"],
        replies[1].json()["reason"],
    )
    assert before == vendors.count("conversation.openai")
    assert 3 == samples['parley_pii_total{component="gpt",type="EMAIL_ADDRESS",direction="blocked"}']


async def test_a_room_keeps_its_tokens(vendors: Vendors) -> None:
    """A person has one token over all turns; what is stored and sent along again is hidden, what is shown is not."""

    def turn(text: str) -> dict[str, Any]:
        return {"contextId": "r", "inputs": [{"messages": [{"ofUser": {"content": [{"text": text}]}}]}]}

    async with sidecar(private(vendors, context={"ttl": "1h"})) as running:
        await running.alpha2(turn(f"I am {ANN}, my password is hunter22x"), "gpt")
        reply = await running.alpha2(turn(f"not bob@example.org but {ANN}; is hunter22x still right?"), "gpt")

    assert (
        f"not bob@example.org but {ANN}; is <SECRET_1> still right?"
        == (reply.json()["outputs"][0]["choices"][0]["message"]["content"])
    )
    first = "I am <EMAIL_ADDRESS_1>, my password is <SECRET_1>"
    second = "not <EMAIL_ADDRESS_2> but <EMAIL_ADDRESS_1>; is <SECRET_1> still right?"
    sent = vendors.last("conversation.openai")["body"]["messages"]
    assert [first, first, second] == [message["content"] for message in sent]


async def test_two_users_share_an_answer_with_their_own_values(vendors: Vendors) -> None:
    """The cache keeps tokens only: a question that differs in hidden values alone is a hit, restored for each."""
    async with sidecar(private(vendors, cache={"ttl": "10m"})) as running:
        replies = [await running.alpha1({"inputs": [f"I am {name}@example.com"]}, "gpt") for name in ("ann", "bob")]

    assert ["I am ann@example.com", "I am bob@example.com"] == [one.json()["outputs"][0]["result"] for one in replies]
    assert "hit" in replies[1].headers["cache-status"]
