"""What OpenAI's endpoint does besides translating: paths, headers, the door, the log, callers who leave."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest
from starlette.types import Message as ASGIMessage

from parley_sidecar.app import create_app
from parley_sidecar.door import Door
from parley_sidecar.drafts import Draft, begun
from parley_sidecar.errors import ProviderUnavailable
from parley_sidecar.model import Converse, ConverseRequest, Delta, Reply
from tests.conftest import Standin
from tests.sidecar.running import Sidecar, by_hand, component, sidecar

PATH = "/v1/chat/completions"
HELLO: dict[str, Any] = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}


async def post(running: Sidecar, body: object = HELLO, **headers: str) -> httpx2.Response:
    """Ask for a completion."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await running.api.post(PATH, json=body, headers=named)


def replace(running: Sidecar, converse: Converse) -> None:
    """Let `converse` answer for the component echo."""
    running.registry._pipelines = {"echo": by_hand(converse)}


def error(reply: httpx2.Response) -> dict[str, Any]:
    """Return an error's details."""
    return dict(reply.json()["error"])


async def test_a_component_answers() -> None:
    """The component that `model` names answers with a chat completion, and the caller learns how long it took."""
    async with sidecar(component()) as running:
        reply = await post(running, x_request_id="order-1")
        made = await post(running)

    body = reply.json()
    assert (200, "application/json") == (reply.status_code, reply.headers["content-type"])
    assert ("echo", "hello") == (body["model"], body["choices"][0]["message"]["content"])
    assert ("order-1", 32) == (reply.headers["x-request-id"], len(made.headers["x-request-id"]))
    assert float(reply.headers["x-parley-overhead-ms"]) > 0
    assert reply.headers["openai-processing-ms"].isdecimal()


async def test_doubled_slashes_are_one() -> None:
    """A base URL that ends with a slash leads to the same place."""
    async with sidecar(component()) as running:
        reply = await running.api.post("/v1//chat/completions/", json=HELLO)

    assert 200 == reply.status_code


async def test_a_stream_is_events() -> None:
    """The answer comes word by word, and ends with [DONE]; what is known of the cache stands in the head."""
    async with sidecar(component(cache={"ttl": "10m"})) as running:
        reply = await post(running, {**HELLO, "stream": True, "messages": [{"role": "user", "content": "a b"}]})

    data = [line.removeprefix("data: ") for line in reply.text.split("\n\n") if line]
    pieces = [json.loads(text)["choices"][0]["delta"].get("content") for text in data[:-1]]
    assert (["a", " b", None], "[DONE]") == (pieces, data[-1])
    assert "text/event-stream; charset=utf-8" == reply.headers["content-type"]
    assert ("no", "no-store") == (reply.headers["x-accel-buffering"], reply.headers["cache-control"])
    assert "parley; fwd=miss" in reply.headers["cache-status"]
    assert "x-parley-overhead-ms" not in reply.headers


async def test_an_answer_of_the_cache_streams_too() -> None:
    """An answer that is there at once is one piece of a stream."""
    async with sidecar(component(cache={"ttl": "10m"})) as running:
        await post(running)
        await running.stores.drain()
        reply = await post(running, {**HELLO, "stream": True})

    first = json.loads(reply.text.split("\n\n")[0].removeprefix("data: "))
    assert reply.headers["cache-status"].startswith("parley; hit")
    assert {"role": "assistant", "content": "hello"} == first["choices"][0]["delta"]


async def test_the_apis_share_the_cache() -> None:
    """The same question over Dapr's API is answered by what OpenAI's was, and the other way about; with a fresh id."""
    alpha2 = {"inputs": [{"messages": [{"ofUser": {"content": [{"text": "hello"}]}}]}], "temperature": 0.5}
    other = {"inputs": [{"messages": [{"ofUser": {"content": [{"text": "other"}]}}]}], "maxTokens": 9}
    async with sidecar(component(cache={"ttl": "10m"})) as running:
        first = await post(running, {**HELLO, "temperature": 0.5})
        await running.stores.drain()
        again = await running.alpha2(alpha2)
        twice = await post(running, {**HELLO, "temperature": 0.5})
        await running.alpha2(other)
        await running.stores.drain()
        back = await post(
            running, {**HELLO, "messages": [{"role": "user", "content": "other"}], "max_completion_tokens": 9}
        )

    hits = [reply.headers["cache-status"].startswith("parley; hit") for reply in (first, again, twice, back)]
    assert [False, True, True, True] == hits
    assert first.json()["id"] != twice.json()["id"]
    assert first.json()["usage"] == twice.json()["usage"]


async def test_tools_share_the_cache_too() -> None:
    """A whole conversation with tools is the same request over both APIs."""
    function = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    openai = {
        "model": "echo",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "sun?"}], "name": "ann"},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "yes"},
        ],
        "tools": [{"type": "function", "function": function}],
        "tool_choice": "auto",
        "metadata": {"tag": "t"},
    }
    turns = [
        {"ofSystem": {"content": [{"text": "be brief"}]}},
        {"ofUser": {"content": [{"text": "sun?"}], "name": "ann"}},
        {"ofAssistant": {"toolCalls": [{"id": "c1", "function": {"name": "weather", "arguments": "{}"}}]}},
        {"ofTool": {"toolId": "c1", "name": "weather", "content": [{"text": "yes"}]}},
    ]
    alpha2 = {
        "inputs": [{"messages": turns}],
        "tools": [{"function": function}],
        "toolChoice": "auto",
        "metadata": {"tag": "t"},
    }
    async with sidecar(component(cache={"ttl": "10m", "toolCalls": True})) as running:
        pipeline = running.registry.get("echo")
        seen: list[ConverseRequest] = []

        async def watched(request: ConverseRequest, /) -> Reply:
            seen.append(request)
            return await pipeline.converse(request)

        replace(running, watched)
        await post(running, openai)
        await running.alpha2(alpha2)

    first, second = seen
    assert (first.messages, first.tools, first.tool_choice) == (second.messages, second.tools, second.tool_choice)
    assert first.parameters == second.parameters


@pytest.mark.parametrize("stream", [False, True])
async def test_personal_data_is_hidden(*, stream: bool) -> None:
    """With the flag neither the provider nor the answer has it, whole and streamed."""
    body = {**HELLO, "messages": [{"role": "user", "content": "write to ann@example.com"}], "stream": stream}
    async with sidecar(component()) as running:
        hidden = await post(running, {**body, "scrubPii": True})
        shown = await post(running, body)

    assert ("<EMAIL_ADDRESS>" in hidden.text, "ann@" in hidden.text, "ann@" in shown.text) == (True, False, True)


async def test_the_models_are_the_components() -> None:
    """Components are listed and described as models, in order of their names."""
    async with sidecar(component("b"), component("a")) as running:
        listed = (await running.api.get("/v1/models")).json()
        one = (await running.api.get("/v1/models/a")).json()
        missing = await running.api.get("/v1/models/c%20d")

    assert ["a", "b"] == [model["id"] for model in listed["data"]]
    assert listed["data"][0] == one
    assert (404, "model_not_found") == (missing.status_code, error(missing)["code"])
    assert "`c d`" in error(missing)["message"]


async def test_before_the_first_components_nothing_is_known() -> None:
    """Until its first snapshot the sidecar asks everybody to wait, rather than to say that there is nothing."""
    async with sidecar() as running:
        replies = [await running.api.get("/v1/models"), await running.api.get("/v1/models/echo"), await post(running)]

    assert [(503, "not_ready", "1")] * 3 == [
        (reply.status_code, error(reply)["code"], reply.headers["retry-after"]) for reply in replies
    ]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/chat/completions"),
        ("PUT", "/v1/chat/completions"),
        ("POST", "/v1/models"),
        ("DELETE", "/v1/models/echo"),
        ("GET", "/v1/models/echo/more"),
        ("POST", "/v1/embeddings"),
        ("OPTIONS", "/v1/chat/completions"),
    ],
)
async def test_other_paths_are_unknown_in_openais_form(method: str, path: str) -> None:
    """What is not there is refused in OpenAI's form, with the method and the path."""
    async with sidecar(component()) as running:
        reply = await running.api.request(method, path)

    expected = {
        "message": f"Invalid URL ({method} {path})",
        "type": "invalid_request_error",
        "param": None,
        "code": "unknown_url",
    }
    assert (404, expected) == (reply.status_code, error(reply))
    assert "false" == reply.headers["x-should-retry"]


@pytest.mark.parametrize(
    ("headers", "status", "kind", "code"),
    [
        ({}, 401, "invalid_request_error", "invalid_api_key"),
        ({"authorization": "Bearer wrong"}, 401, "invalid_request_error", "invalid_api_key"),
        ({"authorization": "Bearer right", "origin": "https://evil"}, 403, "invalid_request_error", "foreign_origin"),
    ],
)
async def test_the_door_speaks_openais_form(headers: dict[str, str], status: int, kind: str, code: str) -> None:
    """Who may not come in is told so as OpenAI would; no header invites a web page."""
    async with sidecar(component(), door=Door("shop", api_tokens=("right",))) as running:
        replies = [
            await running.api.post(PATH, json=HELLO, headers=headers),
            await running.api.get("/v1/models", headers=headers),
        ]

    assert [(status, kind, code)] * 2 == [
        (reply.status_code, error(reply)["type"], error(reply)["code"]) for reply in replies
    ]
    assert not [name for reply in replies for name in reply.headers if name.startswith("access-control")]


@pytest.mark.parametrize("headers", [{"authorization": "Bearer right"}, {"dapr-api-token": "right"}])
async def test_the_token_opens_the_door(headers: dict[str, str]) -> None:
    """The API token comes as OpenAI's clients send their key, or as Dapr's do."""
    async with sidecar(component(), door=Door("shop", api_tokens=("right",))) as running:
        reply = await running.api.post(PATH, json=HELLO, headers=headers)

    assert 200 == reply.status_code


async def test_without_a_token_any_key_is_taken() -> None:
    """Clients that insist on a key may send what they like."""
    async with sidecar(component()) as running:
        reply = await post(running, authorization="Bearer anything")

    assert 200 == reply.status_code


async def test_a_closed_door_takes_no_new_requests() -> None:
    """While the process drains, completions are refused for a moment."""
    async with sidecar(component()) as running:
        running.door.traffic.open = False
        reply = await post(running)

    assert (503, "draining", "1", "1000") == (
        reply.status_code,
        error(reply)["code"],
        reply.headers["retry-after"],
        reply.headers["retry-after-ms"],
    )


async def test_a_body_has_a_limit() -> None:
    """A body over the limit is refused with the status that says so."""
    async with sidecar(component()) as running:
        reply = await running.api.post(PATH, content=b" " * (4 * 1024 * 1024 + 1))

    assert (413, "too_large") == (reply.status_code, error(reply)["code"])


async def test_metrics_know_the_api() -> None:
    """Requests are counted under this API; those that no component saw are counted apart."""
    async with sidecar(component()) as running:
        await post(running)
        await post(running, {**HELLO, "stream": True})
        await post(running, {**HELLO, "model": "what-i-typed"})
        await post(running, {"model": 1})
        samples = await running.samples()

    assert 2 == samples['parley_requests_total{component="echo",api="openai",outcome="ok"}']
    assert 1 == samples['parley_rejected_requests_total{api="openai",reason="not_found"}']
    assert 1 == samples['parley_rejected_requests_total{api="openai",reason="malformed"}']
    assert not [series for series in samples if "what-i-typed" in series]


async def test_a_failure_is_logged_without_what_was_said(standin: Standin, caplog: pytest.LogCaptureFixture) -> None:
    """The log has id, component and reason of a failure; neither prompt nor key."""
    caplog.set_level(logging.DEBUG)
    settings = {"key": "component-key", "model": "status-500", "endpoint": f"{standin.url}/v1"}
    async with sidecar(component("gpt", "conversation.openai", settings=settings)) as running:
        body = {"model": "gpt", "messages": [{"role": "user", "content": "my secret plan"}]}
        reply = await post(running, {**body, "metadata": {"key": "own-key"}}, x_request_id="id-1")

    (record,) = [record for record in caplog.records if record.getMessage() == "converse request refused"]
    facts = {name: getattr(record, name) for name in ("request_id", "component", "api", "reason", "status")}
    expected = {"request_id": "id-1", "component": "gpt", "api": "openai", "reason": "unavailable", "status": 503}
    everything = repr([vars(record) for record in caplog.records])
    assert (logging.WARNING, expected) == (record.levelno, facts)
    assert (503, "server_error") == (reply.status_code, error(reply)["type"])
    assert not [word for word in ("my secret plan", "own-key", "component-key") if word in everything]


async def test_a_fault_of_ours_is_answered() -> None:
    """What nobody foresaw is answered with a code, its text stays inside, and nobody needs to try again."""

    async def broken(request: ConverseRequest, /) -> Reply:
        raise KeyError(request.messages[0].text)

    async with sidecar(component()) as running:
        replace(running, broken)
        reply = await post(running)

    assert (500, "internal", "false") == (reply.status_code, error(reply)["code"], reply.headers["x-should-retry"])
    assert "hello" not in reply.text


async def test_a_broken_stream_ends_with_an_error(caplog: pytest.LogCaptureFixture) -> None:
    """After the first piece an error is an event; nothing says that the answer is done, and the log knows."""

    async def breaking(_: ConverseRequest, /) -> Reply:
        draft = Draft()

        async def deltas() -> AsyncGenerator[Delta, None]:
            yield draft.add(Delta("he"))
            raise ProviderUnavailable("the provider hung up")

        return await begun(deltas(), draft)

    async with sidecar(component()) as running:
        replace(running, breaking)
        reply = await post(running, {**HELLO, "stream": True}, x_request_id="id-1")

    first, last = [json.loads(line.removeprefix("data: ")) for line in reply.text.split("\n\n") if line]
    assert (200, "he") == (reply.status_code, first["choices"][0]["delta"]["content"])
    expected = {"message": "the provider hung up", "type": "server_error", "param": None, "code": "unavailable"}
    assert {"error": expected} == last
    (record,) = [record for record in caplog.records if record.getMessage() == "converse stream broke"]
    assert ("id-1", "unavailable") == (record.__dict__["request_id"], record.__dict__["reason"])


async def test_what_fails_before_the_first_piece_has_its_status() -> None:
    """A stream that never begins is an error with its own status."""

    async def failing(_: ConverseRequest, /) -> Reply:
        raise ProviderUnavailable("nobody there")

    async with sidecar(component()) as running:
        replace(running, failing)
        reply = await post(running, {**HELLO, "stream": True})

    assert (503, "unavailable") == (reply.status_code, error(reply)["code"])


@pytest.mark.parametrize("begins", [False, True])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_caller_who_leaves_ends_the_call(*, stream: bool, begins: bool) -> None:
    """When the caller hangs up, the provider's call is ended, before its first piece or after it."""
    ended = asyncio.Event()

    async def endless(_: ConverseRequest, /) -> Reply:
        draft = Draft()

        async def deltas() -> AsyncGenerator[Delta, None]:
            try:
                if begins:
                    yield draft.add(Delta("he"))
                await asyncio.Event().wait()
            finally:
                ended.set()

        return await begun(deltas(), draft)

    async with sidecar(component()) as running:
        replace(running, endless)
        asked = [{"type": "http.request", "body": json.dumps({**HELLO, "stream": stream}).encode()}]
        sent: list[ASGIMessage] = []

        async def receive() -> ASGIMessage:
            return asked.pop() if asked else {"type": "http.disconnect"}

        async def send(message: ASGIMessage) -> None:
            sent.append(message)

        app = create_app(running.registry, running.door, running.metrics, running.metadata, running.stopped.set)
        await app({"type": "http", "method": "POST", "raw_path": PATH.encode(), "headers": []}, receive, send)

    assert ended.is_set()
    assert (stream and begins) == bool(sent)
    assert 0 == running.door.traffic.active
