"""Any JSON at any converse door gets a well-formed answer or a well-formed error, and never a fault of our own.

The bodies are made of arbitrary JSON, and of good requests in which one value was exchanged for arbitrary JSON: the
latter get past the outer shape. Echo answers, so nothing here depends on a provider.
"""

import asyncio
import copy
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sidecar.running import Sidecar, component, sidecar

NUMBERS = st.integers() | st.floats() | st.sampled_from([2**63, -(2**64), 10**400, 1e308])
WORDS = st.text(max_size=8) | st.sampled_from(["auto", "required", "86400s", "1", "NaN", "\x00", "type", "@type"])
SCALARS = st.none() | st.booleans() | NUMBERS | WORDS
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4), max_leaves=12
)

ALPHA1 = {
    "inputs": [{"content": "hello", "role": "user", "scrubPII": False}],
    "contextID": "c-1",
    "temperature": 0.5,
    "scrubPII": True,
    "parameters": {"max": {"@type": "type.googleapis.com/google.protobuf.Int64Value", "value": "100"}},
    "metadata": {"model": "m", "key": "k", "cacheTTL": "10m"},
}
EARLY = {"inputs": ["what is Dapr", "Why use Dapr"], "parameters": {"a": 1}, "metadata": {"cacheTTL": "10m"}}
FUNCTION = {"name": "weather", "description": "now", "parameters": {"type": "object", "properties": {"city": {}}}}
CALL = {"id": "1", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}
ALPHA2 = {
    "contextId": "c-1",
    "inputs": [
        {
            "messages": [
                {"ofSystem": {"content": [{"text": "be kind"}]}},
                {"ofUser": {"name": "ann", "content": [{"text": "hello"}]}},
                {"ofAssistant": {"content": [{"text": "let me see"}], "toolCalls": [CALL]}},
                {"ofTool": {"toolId": "1", "name": "weather", "content": [{"text": "rain"}]}},
            ],
            "scrubPii": True,
        }
    ],
    "parameters": {"model": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": "m"}},
    "metadata": {"api_key": "k"},
    "temperature": 0.7,
    "tools": [{"function": FUNCTION}],
    "toolChoice": "auto",
    "responseFormat": {"type": "object", "properties": {"result": {"type": "string"}}},
    "promptCacheRetention": "86400s",
    "maxTokens": 100,
}
CHAT = {
    "model": "echo",
    "messages": [
        {"role": "system", "content": "be kind"},
        {"role": "user", "name": "ann", "content": [{"type": "text", "text": "hello"}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", **CALL}]},
        {"role": "tool", "tool_call_id": "1", "content": "rain"},
    ],
    "tools": [{"type": "function", "function": FUNCTION}],
    "tool_choice": "auto",
    "response_format": {"type": "json_schema", "json_schema": {"name": "r", "schema": {"type": "object"}}},
    "temperature": 0.7,
    "max_completion_tokens": 100,
    "stream_options": None,
    "scrubPii": True,
    "cacheTTL": "10m",
}
DOORS: dict[str, tuple[str, list[Any]]] = {
    "alpha1": ("/v1.0-alpha1/conversation/echo/converse", [ALPHA1, EARLY]),
    "alpha2": ("/v1.0-alpha2/conversation/echo/converse", [ALPHA2]),
    "openai": ("/v1/chat/completions", [CHAT]),
}


def paths(document: object, before: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the place of every value in a document."""
    yield before
    if isinstance(document, dict):
        for key, value in document.items():
            yield from paths(value, (*before, key))
    elif isinstance(document, list):
        for place, value in enumerate(document):
            yield from paths(value, (*before, place))


def exchanged(document: Any, path: Sequence[str | int], value: object) -> Any:
    """Return a copy with one value exchanged."""
    if not path:
        return value
    changed = copy.deepcopy(document)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return changed


@st.composite
def bodies(draw: Callable[[st.SearchStrategy[Any]], Any], good: list[Any]) -> Any:
    """Draw a body: a good one with a value exchanged, now and then nothing but arbitrary JSON."""
    if draw(st.integers(0, 4)) == 0:
        return draw(JSON)
    document = draw(st.sampled_from(good))
    return exchanged(document, draw(st.sampled_from(list(paths(document)))), draw(JSON))


def judged(status: int, document: Any) -> str | None:
    """Say what is wrong with a reply, or None."""
    if status in {200, 202}:
        kind = "choices" if "choices" in document else "outputs"
        return None if isinstance(document.get(kind, []), list) else "no list of outputs"
    if status not in {400, 404, 500}:
        return f"status {status}"
    error = document.get("error")
    code, message = (error["code"], error["message"]) if error else (document["errorCode"], document["message"])
    if not isinstance(message, str) or not message:
        return "no sentence"
    return "a fault of our own" if code in {"internal", "ERR_INTERNAL"} else None


@pytest.mark.parametrize("door", DOORS)
def test_any_body_gets_an_answer_or_an_error(door: str) -> None:
    """Whatever JSON comes, the reply is of the documented form, and says no more than 400 or the provider's fault."""
    path, good = DOORS[door]
    with asyncio.Runner() as runner:
        opened = sidecar(component("echo"))
        running: Sidecar = runner.run(opened.__aenter__())

        async def ask(content: bytes) -> tuple[int, Any]:
            reply = await running.api.post(path, content=content)
            return reply.status_code, reply.json()

        @settings(max_examples=250, deadline=None)
        @given(bodies(good))
        def any_body(body: object) -> None:
            status, document = runner.run(ask(json.dumps(body).encode()))

            assert judged(status, document) is None, (status, document)

        try:
            any_body()
        finally:
            runner.run(opened.__aexit__(None, None, None))


@pytest.mark.parametrize("door", DOORS)
async def test_the_good_bodies_are_answered(door: str) -> None:
    """What the bodies above are made of is good, so that each exchanged value is what is judged."""
    path, good = DOORS[door]
    async with sidecar(component("echo")) as running:
        replies = [await running.api.post(path, json=body) for body in good]

    assert [True] * len(good) == [reply.status_code in {200, 202} for reply in replies], [r.text for r in replies]
