"""The API as a caller meets it: Dapr's published cases, its health checks, its metadata, its errors."""

from typing import Any

import pytest
from starlette.types import Message

from parley_sidecar.app import create_app
from parley_sidecar.door import Door
from parley_sidecar.metadata import DAPR_VERSION, MAX_NOTE_CHARS, MAX_NOTES
from tests.sidecar.running import ALPHA1, ALPHA2, component, sidecar

ECHO = component("echo", settings={"key": "testkey"})
LIMITED = component("limited", settings={"maxtokens": "2"})
FIVE = "one two three four five"


def one(kind: str, text: str, **fields: Any) -> dict[str, Any]:
    """Return an alpha2 body with one message."""
    message = {kind: {"name": "somebody", "content": [{"text": text}]}}
    return {"inputs": [{"messages": [message]}], **fields}


def said(text: str, reason: str, completion: int, prompt: int) -> dict[str, Any]:
    """Return the alpha2 reply with one choice."""
    usage = {
        "completionTokens": str(completion),
        "promptTokens": str(prompt),
        "totalTokens": str(completion + prompt),
    }
    return {"outputs": [{"choices": [{"finishReason": reason, "message": {"content": text}}], "usage": usage}]}


async def test_the_published_alpha1_cases() -> None:
    """A1, A2 and A7 of Dapr's suite, the last without its flags: echoed, refused, echoed."""
    greeting = {"inputs": [{"content": "well hello there"}]}
    async with sidecar(ECHO) as running:
        good = await running.alpha1(greeting)
        bad = await running.alpha1({"metadata": {"model": "daprGPT"}})
        plain = await running.alpha1(
            {"inputs": [{"content": "well hello there", "scrubPII": False}], "scrubPII": False}
        )

    assert (200, {"outputs": [{"result": "well hello there"}]}) == (good.status_code, good.json())
    assert (400, "ERR_CONVERSATION_MISSING_INPUTS") == (bad.status_code, bad.json()["errorCode"])
    assert good.json() == plain.json()


@pytest.mark.parametrize(
    ("kind", "text"),
    [("ofUser", "user message"), ("ofSystem", "system message"), ("ofDeveloper", "developer message")],
)
async def test_the_published_message_kinds(kind: str, text: str) -> None:
    """C1 to C3 of Dapr's suite: each kind is echoed."""
    async with sidecar(ECHO) as running:
        reply = await running.alpha2(one(kind, text))

    assert (200, said(text, "stop", 2, 2)) == (reply.status_code, reply.json())


async def test_the_published_conversation() -> None:
    """C6 of Dapr's suite: four messages of one input are four lines."""
    texts = {
        "ofUser": "first user message",
        "ofAssistant": "first assistant response",
        "of_user": "second user message",
        "ofSystem": "system instruction",
    }
    messages = [{kind: {"content": [{"text": text}]}} for kind, text in texts.items()]
    async with sidecar(ECHO) as running:
        reply = await running.alpha2({"inputs": [{"messages": messages, "scrubPII": False}]})

    assert (200, said("\n".join(texts.values()), "stop", 11, 11)) == (reply.status_code, reply.json())


@pytest.mark.parametrize(
    ("name", "fields", "expected"),
    [
        ("echo", {"maxTokens": 2}, said("one two", "length", 2, 5)),
        ("limited", {}, said("one two", "length", 2, 5)),
        ("limited", {"maxTokens": 100}, said(FIVE, "stop", 5, 5)),
    ],
)
async def test_the_published_token_limits(name: str, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """M1 to M3 of Dapr's suite: the request's limit beats the component's."""
    async with sidecar(ECHO, LIMITED) as running:
        reply = await running.alpha2(one("ofUser", FIVE, **fields), name)

    assert (200, expected) == (reply.status_code, reply.json())


@pytest.mark.parametrize("limit", [0, 2147483648])
async def test_the_published_bad_token_limits(limit: int) -> None:
    """M4 and M5 of Dapr's suite: a limit out of range is refused."""
    async with sidecar(ECHO) as running:
        reply = await running.alpha2(one("ofUser", FIVE, maxTokens=limit))

    assert (400, "ERR_CONVERSATION_INVALID_PARMS") == (reply.status_code, reply.json()["errorCode"])
    assert reply.json()["message"].startswith(
        "failed conversing with component echo: invalid params: max_tokens must be"
    )


async def test_a_context_id_is_echoed() -> None:
    """A component without a lifetime keeps no history, and echoes the id as Dapr does, each version in its spelling."""
    async with sidecar(ECHO) as running:
        first = await running.alpha1({"inputs": [{"content": "hi"}], "contextID": "c-1"})
        second = await running.alpha2(one("ofUser", "hi", contextId="c-2"))

    assert ("c-1", "c-2") == (first.json()["contextID"], second.json()["contextId"])


@pytest.mark.parametrize(
    ("name", "body", "code", "message"),
    [
        ("echo", b"{", "ERR_MALFORMED_REQUEST", "failed deserializing HTTP body: Input data was truncated"),
        (
            "echo",
            b"",
            "ERR_CONVERSATION_MISSING_INPUTS",
            "failed conversing with component echo: missing inputs in request",
        ),
        ("nobody", b"{}", "ERR_CONVERSATION_NOT_FOUND", "failed finding conversation component nobody"),
        ("no%20body", b"{}", "ERR_CONVERSATION_NOT_FOUND", "failed finding conversation component no body"),
        ("x" * 300, b"{}", "ERR_CONVERSATION_NOT_FOUND", f"failed finding conversation component {'x' * 253}"),
        (
            "echo",
            b'{"inputs":["a",{}]}',
            "ERR_CONVERSATION_INVALID_PARMS",
            "failed conversing with component echo: invalid params: inputs must be all plain strings, or all objects",
        ),
    ],
)
async def test_a_bad_request_is_told_as_dapr_does(name: str, body: bytes, code: str, message: str) -> None:
    """Refusals have Dapr's code and words, our reason, and the request's id."""
    async with sidecar(ECHO) as running:
        reply = await running.api.post(ALPHA1.format(name), content=body, headers={"x-request-id": "id-1"})

    assert (400, code, message) == (reply.status_code, reply.json()["errorCode"], reply.json()["message"])
    assert ("id-1", "application/json") == (reply.headers["x-request-id"], reply.headers["content-type"])


async def test_a_body_over_the_limit_is_refused() -> None:
    """A body over 4 MiB is not read."""
    async with sidecar(ECHO) as running:
        reply = await running.api.post(ALPHA2.format("echo"), content=b" " * (4 * 1024 * 1024 + 1))

    assert (400, "ERR_BODY_READ") == (reply.status_code, reply.json()["errorCode"])


@pytest.mark.parametrize(
    "path", ["//v1.0-alpha1//conversation/echo/converse", "/v1.0-alpha1/conversation/%65cho/converse/"]
)
async def test_paths_are_read_as_dapr_does(path: str) -> None:
    """Doubled slashes, one at the end, escapes and the query do not matter."""
    async with sidecar(ECHO) as running:
        reply = await running.api.post(f"http://localhost:3500{path}?metadata.key=x", json={"inputs": ["hi"]})

    assert 202 == reply.status_code


async def test_a_bad_escape_is_plain_text() -> None:
    """A name that cannot be decoded is answered in plain text, as in Dapr."""
    async with sidecar(ECHO) as running:
        sent = running.api.build_request("POST", "/", json={"inputs": ["hi"]})
        sent.url = sent.url.copy_with(raw_path=b"/v1.0-alpha1/conversation/ec%zzo/converse")
        reply = await running.api.send(sent)

    assert (400, "text/plain; charset=utf-8") == (reply.status_code, reply.headers["content-type"])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ALPHA1.format("echo")),
        ("PUT", ALPHA2.format("echo")),
        ("POST", "/v1.0-beta1/conversation/echo/converse"),
        ("POST", "/v1.0/metadata"),
        ("GET", "/"),
    ],
)
async def test_an_unknown_path_is_taken_for_an_invocation(method: str, path: str) -> None:
    """Whatever is no route is answered as Dapr answers a call to an application without an id."""
    async with sidecar(ECHO) as running:
        reply = await running.api.request(method, path)

    message = "failed getting app id either from the URL path or the header dapr-app-id"
    expected = {"errorCode": "ERR_DIRECT_INVOKE", "message": message, "reason": "not_found"}
    assert (404, expected) == (reply.status_code, reply.json())


async def test_health_is_dapr_s() -> None:
    """The sidecar is healthy at once, and for its own application only."""
    async with sidecar() as running:
        alive = await running.api.get("/v1.0/healthz")
        own = await running.api.get("/v1.0/healthz?appid=shop")
        other = await running.api.get("/v1.0/healthz?appid=other")

    assert [204, 204, 500] == [reply.status_code for reply in (alive, own, other)]
    assert "ERR_HEALTH_APPID_NOT_MATCH" == other.json()["errorCode"]


async def test_outbound_health_waits_for_components() -> None:
    """SDKs that wait for the sidecar wait until components were loaded; until then a request is told to come back."""
    async with sidecar() as running:
        before = await running.api.get("/v1.0/healthz/outbound")
        asked = await running.alpha1({"inputs": ["hi"]})
        await running.registry.replace([ECHO])
        after = await running.api.get("/v1.0/healthz/outbound")

    assert (500, "ERR_OUTBOUND_HEALTH_NOT_READY", 204) == (
        before.status_code,
        before.json()["errorCode"],
        after.status_code,
    )
    assert (503, "not_ready", "1") == (asked.status_code, asked.json()["reason"], asked.headers["retry-after"])


async def test_metadata_is_dapr_s() -> None:
    """The document lists the components in Dapr's shape, without their settings."""
    async with sidecar(ECHO, LIMITED) as running:
        document = (await running.api.get("/v1.0/metadata")).json()

    entry = {"type": "conversation.echo", "version": "v1", "capabilities": []}
    assert "shop" == document["id"]
    assert [{"name": name, **entry} for name in ("echo", "limited")] == document["components"]
    assert "testkey" not in str(document)


async def test_notes_stand_in_the_metadata() -> None:
    """Dapr's PUT of a text is kept and shown; what Parley itself says cannot be overwritten."""
    async with sidecar(ECHO) as running:
        replies = [
            await running.api.put("/v1.0/metadata/commit", content="abc"),
            await running.api.put("/v1.0/metadata/commit", content="def"),
            await running.api.put("/v1.0/metadata/daprRuntimeVersion", content="9"),
        ]
        extended = (await running.api.get("/v1.0/metadata")).json()["extended"]

    assert [204, 204, 204] == [reply.status_code for reply in replies]
    assert ("def", DAPR_VERSION) == (extended["commit"], extended["daprRuntimeVersion"])


async def test_notes_are_bounded() -> None:
    """Too long a text, or too many of them, are refused with a sentence."""
    async with sidecar(ECHO) as running:
        long = await running.api.put("/v1.0/metadata/commit", content="x" * (MAX_NOTE_CHARS + 1))
        statuses = [
            (await running.api.put(f"/v1.0/metadata/k{number}", content="v")).status_code
            for number in range(MAX_NOTES + 1)
        ]
        again = await running.api.put("/v1.0/metadata/k0", content="w")

    assert (400, [*[204] * MAX_NOTES, 400], 204) == (long.status_code, statuses, again.status_code)
    assert f"a metadata key and its value have at most {MAX_NOTE_CHARS} characters" == long.json()["message"]


async def test_it_can_be_asked_to_end() -> None:
    """Dapr's shutdown answers at once; the end is in order, as after SIGTERM."""
    async with sidecar(ECHO) as running:
        before = running.stopped.is_set()
        reply = await running.api.post("/v1.0/shutdown")

        assert (False, 204, True) == (before, reply.status_code, running.stopped.is_set())


async def test_the_server_may_start_and_stop_it() -> None:
    """The app takes part in the server's start and stop."""
    told = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[Message] = []

    async def receive() -> Message:
        return told.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    async with sidecar() as running:
        await create_app(running.registry, running.door, running.metrics, running.metadata, running.stopped.set)(
            {"type": "lifespan"}, receive, send
        )

    assert ["lifespan.startup.complete", "lifespan.shutdown.complete"] == [message["type"] for message in sent]


async def test_a_token_is_needed_where_one_is_set() -> None:
    """Without the token there is no answer, except to health checks."""
    async with sidecar(ECHO, door=Door("shop", api_tokens=("t-1",))) as running:
        refused = await running.alpha1({"inputs": ["hi"]})
        taken = await running.alpha1({"inputs": ["hi"]}, headers={"dapr-api-token": "t-1"})
        health = await running.api.get("/v1.0/healthz")

    assert (401, "invalid api token") == (refused.status_code, refused.json()["message"])
    assert (202, 204) == (taken.status_code, health.status_code)


async def test_two_tokens_are_valid_while_one_replaces_the_other() -> None:
    """Pods of either token work; a third is refused, and so is a shutdown without any."""
    async with sidecar(ECHO, door=Door("shop", api_tokens=("old", "new"))) as running:
        statuses = [
            (await running.alpha1({"inputs": ["hi"]}, headers=headers)).status_code
            for headers in (
                {"dapr-api-token": "old"},
                {"dapr-api-token": "new"},
                {"authorization": "Bearer new"},
                {"dapr-api-token": "third"},
            )
        ]
        shutdown = await running.api.post("/v1.0/shutdown")

        assert ([202, 202, 202, 401], 401, False) == (statuses, shutdown.status_code, running.stopped.is_set())


async def test_a_foreign_page_is_refused() -> None:
    """A browser on somebody else's page gets nothing."""
    async with sidecar(ECHO) as running:
        reply = await running.alpha1({"inputs": ["hi"]}, headers={"origin": "https://evil.test"})

    assert (403, "foreign_origin") == (reply.status_code, reply.json()["reason"])
