"""What the converse routes do besides translating: headers, logs, callers who leave, draining."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable

import pytest
from starlette.types import Message as ASGIMessage

from parley_sidecar.app import create_app
from parley_sidecar.drafts import Draft, begun
from parley_sidecar.errors import ProviderUnavailable, RateLimited
from parley_sidecar.model import Answer, Choice, ConverseRequest, Delta, Reply
from parley_sidecar.pipeline import Pipeline
from tests.conftest import Standin
from tests.sidecar.running import by_hand, component, sidecar

EVENTS = {"accept": "text/event-stream"}
HELLO = {"inputs": [{"messages": [{"ofUser": {"content": [{"text": "hello"}]}}]}]}


def pipeline(answer: Callable[[str], object]) -> Pipeline:
    """Return a pipeline that awaits what `answer` makes of a text."""

    async def converse(request: ConverseRequest, /) -> Reply:
        said = answer(request.messages[0].text)
        text = await said if asyncio.isfuture(said) or asyncio.iscoroutine(said) else said
        return Answer((Choice(str(text)),))

    return by_hand(converse)


async def test_the_request_id_comes_back() -> None:
    """The caller's id is used, or one is made."""
    async with sidecar(component()) as running:
        given = await running.alpha2(HELLO, headers={"x-request-id": "order-1"})
        made = await running.alpha2(HELLO)

    assert ("order-1", 32) == (given.headers["x-request-id"], len(made.headers["x-request-id"]))


async def test_the_own_time_is_told() -> None:
    """The sidecar says how many milliseconds were its own; of several inputs it cannot."""
    async with sidecar(component()) as running:
        one = await running.alpha2(HELLO)
        several = await running.alpha1({"inputs": ["a", "b"]})

    assert float(one.headers["x-parley-overhead-ms"]) > 0
    assert "x-parley-overhead-ms" not in several.headers


async def test_the_cache_is_told_and_obeys() -> None:
    """Cache-Status says what the cache did; Cache-Control of the request is obeyed."""
    async with sidecar(component(cache={"ttl": "10m"})) as running:
        first = await running.alpha2(HELLO)
        await running.stores.drain()
        again = await running.alpha2(HELLO)
        asked = [
            await running.alpha2(HELLO, headers={"cache-control": directive})
            for directive in ("no-cache", "no-store", "max-age=0")
        ]

    hit = again.headers["cache-status"]
    assert (True, True) == (hit.startswith("parley; hit; ttl="), hit.endswith("; detail=memory"))
    fates = ["fwd=miss; stored", "fwd=request; stored", "fwd=request", "fwd=request; stored"]
    assert [f"parley; {fate}" for fate in fates] == [reply.headers["cache-status"] for reply in [first, *asked]]


async def test_without_a_cache_nothing_is_told() -> None:
    """A component without a lifetime has no Cache-Status."""
    async with sidecar(component()) as running:
        reply = await running.alpha2(HELLO)

    assert "cache-status" not in reply.headers


async def test_what_never_reached_a_component_is_counted_apart() -> None:
    """Refusals before and failures after the component are counted apart, none with a word of the caller's."""
    async with sidecar(component()) as running:
        await running.alpha1({"inputs": ["a"]}, "what-i-typed")
        await running.alpha2({"inputs": 1})
        samples = await running.samples()

    rejected = {series: value for series, value in samples.items() if series.startswith("parley_rejected")}
    assert {
        'parley_rejected_requests_total{api="alpha1",reason="not_found"}': 1,
        'parley_rejected_requests_total{api="alpha2",reason="malformed"}': 1,
    } == rejected
    assert not [series for series in samples if "what-i-typed" in series]


async def test_a_failure_is_logged_without_what_was_said(standin: Standin, caplog: pytest.LogCaptureFixture) -> None:
    """The log has id, component and reason of a failure; neither prompt nor key."""
    caplog.set_level(logging.DEBUG)
    settings = {"key": "component-key", "model": "status-500", "endpoint": f"{standin.url}/v1"}
    async with sidecar(component("gpt", "conversation.openai", settings=settings)) as running:
        body = {"inputs": ["my secret plan"], "metadata": {"key": "own-key"}}
        await running.alpha1(body, "gpt", headers={"x-request-id": "id-1"})

    (record,) = [record for record in caplog.records if record.getMessage() == "converse request refused"]
    facts = {name: getattr(record, name) for name in ("request_id", "component", "api", "reason", "status")}
    expected = {"request_id": "id-1", "component": "gpt", "api": "alpha1", "reason": "unavailable", "status": 500}
    everything = repr([vars(record) for record in caplog.records])
    assert (logging.WARNING, expected) == (record.levelno, facts)
    assert not [word for word in ("my secret plan", "own-key", "component-key") if word in everything]


async def test_a_fault_of_ours_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    """What nobody foresaw is answered with a code; its text stays inside."""

    def broken(text: str) -> str:
        raise KeyError(text)

    async with sidecar(component()) as running:
        running.registry._pipelines = {"echo": pipeline(broken)}
        reply = await running.alpha2(HELLO)

    expected = {
        "errorCode": "ERR_INTERNAL",
        "message": "a fault of the sidecar; its log says where",
        "reason": "internal",
    }
    assert (500, expected) == (reply.status_code, reply.json())
    assert not [record for record in caplog.records if "hello" in record.getMessage()]


async def test_a_closed_door_takes_no_new_requests() -> None:
    """While the process drains, what runs is finished and what comes is sent away for a moment."""
    going_on = asyncio.Event()
    async with sidecar(component()) as running:
        running.registry._pipelines = {"echo": pipeline(lambda _: going_on.wait())}
        under_way = asyncio.create_task(running.alpha2(HELLO))
        await until(lambda: running.door.traffic.active == 1)
        running.door.traffic.open = False
        refused = await running.alpha2(HELLO)
        going_on.set()
        finished = await under_way

    assert (503, "draining", "1") == (refused.status_code, refused.json()["reason"], refused.headers["retry-after"])
    assert (200, 0, 2) == (finished.status_code, running.door.traffic.active, running.door.traffic.started)


@pytest.mark.parametrize(("api", "body"), [("alpha1", {"inputs": ["hello"]}), ("alpha2", HELLO)])
async def test_a_caller_who_leaves_ends_the_call(api: str, body: object) -> None:
    """When the caller hangs up, the provider's call is cancelled, and nothing is sent."""
    ended = asyncio.Event()
    sent: list[ASGIMessage] = []

    async def endless(_: str) -> str:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return "never"

    async def send(message: ASGIMessage) -> None:
        sent.append(message)

    async with sidecar(component()) as running:
        running.registry._pipelines = {"echo": pipeline(endless)}
        asked = [{"type": "http.request", "body": json.dumps(body).encode()}]

        async def receive() -> ASGIMessage:
            return asked.pop() if asked else {"type": "http.disconnect"}

        app = create_app(running.registry, running.door, running.metrics, running.metadata, running.stopped.set)
        path = f"/v1.0-{api}/conversation/echo/converse".encode()
        await app({"type": "http", "method": "POST", "raw_path": path, "headers": []}, receive, send)

    assert (True, [], 0) == (ended.is_set(), sent, running.door.traffic.active)


async def test_a_provider_is_left_with_its_caller(standin: Standin) -> None:
    """A call to a real provider that never answers ends when its caller leaves, and counts as cancelled."""
    settings = {"key": "k", "model": "hang", "endpoint": f"{standin.url}/v1"}
    asked = standin.count()
    async with sidecar(component("gpt", "conversation.openai", settings=settings)) as running:
        told = [{"type": "http.request", "body": json.dumps(HELLO).encode()}]

        async def receive() -> ASGIMessage:
            if told:
                return told.pop()
            while await asyncio.to_thread(standin.count) == asked:
                await asyncio.sleep(0.01)
            return {"type": "http.disconnect"}

        async def send(_: ASGIMessage) -> None:
            """Nothing is sent."""

        app = create_app(running.registry, running.door, running.metrics, running.metadata, running.stopped.set)
        path = b"/v1.0-alpha2/conversation/gpt/converse"
        await app({"type": "http", "method": "POST", "raw_path": path, "headers": []}, receive, send)
        samples = await running.samples()

    assert asked + 1 == standin.count()
    assert 1 == samples['parley_requests_total{component="gpt",api="alpha2",outcome="cancelled"}']
    assert 0 == samples['parley_in_flight_requests{component="gpt"}']


async def test_a_head_tells_what_is_known_by_then() -> None:
    """Events come with the request's id and what the cache did, unbuffered; a hit is one piece."""
    async with sidecar(component(cache={"ttl": "10m"})) as running:
        first = await running.alpha2(HELLO, headers={**EVENTS, "x-request-id": "id-1"})
        await running.stores.drain()
        again = await running.alpha2(HELLO, headers=EVENTS)

    assert ("id-1", "text/event-stream; charset=utf-8") == (
        first.headers["x-request-id"],
        first.headers["content-type"],
    )
    assert ("no", "no-store") == (first.headers["x-accel-buffering"], first.headers["cache-control"])
    assert "parley; fwd=miss" == first.headers["cache-status"]
    assert again.headers["cache-status"].startswith("parley; hit; ttl=")
    assert "x-parley-overhead-ms" not in first.headers
    assert ["delta", "complete"] == kinds(again.text)


async def test_what_fails_before_the_first_piece_is_no_stream() -> None:
    """Without a first piece there is an ordinary error, with its status."""

    async def converse(request: ConverseRequest, /) -> Reply:
        raise RateLimited("slow down", retry_after_s=7)

    async with sidecar(component()) as running:
        running.registry._pipelines = {"echo": by_hand(converse)}
        reply = await running.alpha2(HELLO, headers=EVENTS)

    assert (500, "application/json", "7") == (
        reply.status_code,
        reply.headers["content-type"],
        reply.headers["retry-after"],
    )
    assert "rate_limited" == reply.json()["reason"]


async def test_what_fails_later_is_an_event(caplog: pytest.LogCaptureFixture) -> None:
    """A stream that breaks ends in an error event, and the log is told; what came before it stays said."""

    async def deltas(draft: Draft) -> AsyncGenerator[Delta, None]:
        yield draft.add(Delta("hel"))
        raise ProviderUnavailable("the provider went away")

    async def converse(request: ConverseRequest, /) -> Reply:
        draft = Draft()
        return await begun(deltas(draft), draft)

    async with sidecar(component()) as running:
        running.registry._pipelines = {"echo": by_hand(converse)}
        reply = await running.alpha2(HELLO, headers={**EVENTS, "x-request-id": "id-1"})

    assert (200, ["delta", "error"]) == (reply.status_code, kinds(reply.text))
    assert '"reason":"unavailable"' in reply.text
    (record,) = [record for record in caplog.records if record.getMessage() == "converse stream broke"]
    assert ("id-1", "unavailable") == (vars(record)["request_id"], vars(record)["reason"])


@pytest.mark.parametrize("stream", [True, False])
async def test_a_required_call_must_come(stream: bool) -> None:  # noqa: FBT001 - a table's column
    """An answer without the tool call that was required is an error: before the first piece, or as the last event."""

    async def deltas(draft: Draft) -> AsyncGenerator[Delta, None]:
        yield draft.add(Delta("I would rather not"))
        draft.finish("stop", "stop")

    async def converse(request: ConverseRequest, /) -> Reply:
        draft = Draft()
        return await begun(deltas(draft), draft) if stream else Answer((Choice("I would rather not"),))

    body = {**HELLO, "tools": [{"function": {"name": "f"}}], "toolChoice": "required"}
    async with sidecar(component()) as running:
        running.registry._pipelines = {"echo": by_hand(converse)}
        whole = await running.alpha2(body)
        told = await running.alpha2(body, headers=EVENTS)

    assert (500, "no_tool_call") == (whole.status_code, whole.json()["reason"])
    assert (200 if stream else 500) == told.status_code
    assert '"reason":"no_tool_call"' in told.text
    assert "complete" not in kinds(told.text)


async def test_a_caller_who_leaves_a_stream_ends_it() -> None:
    """When the caller hangs up in the middle, the provider's call is closed."""
    ended = asyncio.Event()
    began = asyncio.Event()
    sent: list[ASGIMessage] = []

    async def deltas(draft: Draft) -> AsyncGenerator[Delta, None]:
        try:
            yield draft.add(Delta("hel"))
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def converse(request: ConverseRequest, /) -> Reply:
        draft = Draft()
        return await begun(deltas(draft), draft)

    async def send(message: ASGIMessage) -> None:
        sent.append(message)
        if b"delta" in message.get("body", b""):
            began.set()

    asked = [{"type": "http.request", "body": json.dumps(HELLO).encode()}]

    async def receive() -> ASGIMessage:
        if asked:
            return asked.pop()
        await began.wait()
        return {"type": "http.disconnect"}

    async with sidecar(component()) as running:
        running.registry._pipelines = {"echo": by_hand(converse)}
        app = create_app(running.registry, running.door, running.metrics, running.metadata, running.stopped.set)
        path = b"/v1.0-alpha2/conversation/echo/converse"
        headers = [(b"accept", b"text/event-stream")]
        await app({"type": "http", "method": "POST", "raw_path": path, "headers": headers}, receive, send)

    assert (True, 0) == (ended.is_set(), running.door.traffic.active)
    assert "http.response.start" == sent[0]["type"]


def kinds(text: str) -> list[str]:
    """Return the kinds of a stream's events."""
    return [line.removeprefix("event: ") for line in text.splitlines() if line.startswith("event: ")]


async def until(reached: Callable[[], bool]) -> None:
    """Give others turns until something holds; fail after a generous time."""
    async with asyncio.timeout(60):
        while not reached():
            await asyncio.sleep(0)
