"""Streams of the chat completions family: what servers do that is like OpenAI's and not quite."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from parley_sidecar import providers
from parley_sidecar.errors import ParleyError, ProviderGarbled, ProviderUnavailable, RateLimited, ToolNotCalled
from parley_sidecar.http_client import HttpClient
from parley_sidecar.model import Answer, Choice, Converse, NamedTool, Tool, ToolCall, Usage
from tests.sidecar.completions.canned import Canned, canned
from tests.sidecar.providers.asking import asking, streamed


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    """A client that is closed after the test."""
    client = HttpClient()
    yield client
    await client.aclose()


def event(*choices: Any, **fields: Any) -> str:
    """Return one event with these choices."""
    return f"data: {json.dumps({'choices': list(choices), **fields})}\n\n"


def text(content: str, reason: str | None = None, index: int | None = 0) -> dict[str, Any]:
    """Return a choice with a piece of text."""
    return {"index": index, "delta": {"content": content}, "finish_reason": reason}


def calls(*pieces: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    """Return a choice with pieces of tool calls."""
    return {"delta": {"tool_calls": list(pieces)}, "finish_reason": reason}


def piece(arguments: str, name: str | None = None, **fields: Any) -> dict[str, Any]:
    """Return a piece of a tool call."""
    return {"function": {"arguments": arguments, **({"name": name} if name else {})}, **fields}


DONE = "data: [DONE]\n\n"


async def told(http: HttpClient, body: str, kind: str = "text/event-stream") -> Answer:
    """Return what is understood of a stream that a server sends, once its deltas were checked against it."""
    async with canned([body], kind) as server:
        return await streamed(provider(http, server), asking())


def provider(http: HttpClient, server: Canned, name: str = "openai") -> Converse:
    """Return a provider that asks a server."""
    return providers.connect(f"conversation.{name}", {"key": "k", "endpoint": server.url}, http)


@pytest.mark.parametrize(
    "body",
    [
        event(text("a")) + event(text("b", "stop")) + DONE,
        event(text("a")) + event(text("b")) + event(text("", "stop")),
        ": keep-alive\n\n" + event(text("a", None, None)) + event(text("b", "stop", None)) + DONE,
        event() + event(text("a")) + event({"delta": None}) + event(text("b", "stop")) + DONE + "data: never read\n\n",
        event({"delta": {"refusal": "a"}}) + event({"delta": {"refusal": "b"}, "finish_reason": "stop"}) + DONE,
        event(text("a")) + event({"delta": {"content": [{"type": "text", "text": "b"}]}, "finish_reason": "stop"}),
    ],
    ids=["usual", "no-done", "comments", "after-done", "refusal", "parts"],
)
async def test_text_comes_in_many_ways(http: HttpClient, body: str) -> None:
    """With or without the last event, an index, comments; a refusal is text."""
    assert Answer((Choice("ab", "stop", "stop"),)) == await told(http, body)


async def test_choices_are_kept_apart(http: HttpClient) -> None:
    """Pieces of two choices, mixed; usage comes last, the model in any."""
    body = (
        event(text("a", None, 1), model="m")
        + event(text("b"), text("c", "length", 1))
        + event(text("", "stop"))
        + event(usage={"prompt_tokens": 1, "completion_tokens": 2})
        + DONE
    )

    choices = (Choice("b", "stop", "stop"), Choice("ac", "length", "length"))
    assert Answer(choices, Usage(1, 2), "m") == await told(http, body)


ONE, TWO = ToolCall("1", "f", "{}"), ToolCall("2", "g", "[]")


@pytest.mark.parametrize(
    "events",
    [
        [
            calls(piece("", "f", id="1", index=0)),
            calls(piece("{", index=0)),
            calls(piece("", "g", id="2", index=1)),
            calls(piece("}", index=0), piece("[]", index=1)),
        ],
        [calls(piece("{}", "f", id="1")), calls(piece("[]", "g", id="2"))],
        [calls(piece("{}", "f", id="1", index=0), piece("[]", "g", id="2", index=0))],
        [
            calls(piece("{", "f", id="1", index=0)),
            calls(piece("}", id="1", index=0), piece("[]", "g", id="2", index=7)),
        ],
        [calls(piece("{", "f", id="1", index=0)), calls(piece("}", id="", index=0), piece("[]", "g", id="2", index=1))],
    ],
    ids=["pieces", "no-index", "one-index", "id-again", "empty-id"],
)
@pytest.mark.parametrize("reason", ["tool_calls", "stop"])
async def test_pieces_of_tool_calls_find_each_other(http: HttpClient, events: list[Any], reason: str) -> None:
    """By their index, or by their id where a server gives none or the same for all."""
    body = "".join(map(event, events)) + event(calls(reason=reason)) + DONE

    assert Answer((Choice("", "tool_calls", reason, (ONE, TWO)),)) == await told(http, body)


async def test_a_call_without_an_id_gets_one(http: HttpClient) -> None:
    """The first piece has it, so that its result can say what it answers."""
    answer = await told(http, event(calls(piece("{}", "f", index=0), reason="stop")) + DONE)

    assert answer.choices[0].tool_calls[0].id.startswith("call_")


@pytest.mark.parametrize(
    ("body", "expected", "words"),
    [
        ("", ProviderUnavailable, "cut off"),
        (event(text("a")), ProviderUnavailable, "cut off"),
        (event(text("a", "stop"), text("b", None, 1)), ProviderUnavailable, "cut off"),
        (DONE, ProviderGarbled, "no choices"),
        (event(usage={}) + DONE, ProviderGarbled, "no choices"),
        ("data: sk-secret\n\n", ProviderGarbled, "not a chat completion"),
        (event(text("a")) + "data: [1]\n\n", ProviderGarbled, "not a chat completion"),
        ('data: {"error": {"code": 429, "message": "sk-secret"}}\n\n', RateLimited, "limits the rate"),
        (event(text("a")) + 'data: {"error": "sk-secret"}\n\n', ProviderUnavailable, "reported an error"),
        ('event: error\ndata: {"message": "sk-secret"}\n\n', ProviderUnavailable, "reported an error"),
    ],
)
async def test_each_fault_is_its_own_error(
    http: HttpClient, body: str, expected: type[ParleyError], words: str
) -> None:
    """Before the first delta or after it; the server's text is not repeated."""
    with pytest.raises(expected, match=words) as caught:
        await told(http, body)

    assert type(caught.value) is expected
    assert "sk-secret" not in caught.value.message


async def test_a_server_that_does_not_stream_answers_whole(http: HttpClient) -> None:
    """It is replayed; an error in its place is a fault."""
    message = {"content": "hi", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]}
    body = {"model": "m", "choices": [{"message": message, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1}}

    expected = Answer((Choice("hi", "tool_calls", "stop", (ONE,)),), Usage(1), "m")
    assert expected == await told(http, json.dumps(body), "application/json; charset=utf-8")
    with pytest.raises(RateLimited):
        await told(http, '{"error": {"code": 429}}', "application/json")


@pytest.mark.parametrize("choice", ["required", NamedTool("f")])
@pytest.mark.parametrize("wants_stream", [False, True])
async def test_a_call_that_had_to_come_and_did_not(http: HttpClient, choice: Any, *, wants_stream: bool) -> None:
    """Where the vendor has no tool choice, its answer is looked at."""
    whole = json.dumps({"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]})
    stream = event(text("hi", "stop")) + DONE
    asked = asking(tools=(Tool("f"),), tool_choice=choice)
    async with canned([stream if wants_stream else whole]) as server:
        ollama = provider(http, server, "ollama")
        with pytest.raises(ToolNotCalled):
            await (streamed(ollama, asked) if wants_stream else ollama(asked))


async def test_a_connection_is_used_again_after_a_stream(http: HttpClient) -> None:
    """Its end is waited for, though nothing more is said, so that the next request need not open another."""
    async with canned([event(text("a", "stop")), DONE]) as server:
        for _ in range(3):
            await streamed(provider(http, server), asking())

        assert 1 == server.connections
