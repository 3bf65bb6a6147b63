"""Anthropic's Messages API, at its own path and at the one it has in Microsoft Foundry; strict as its reference is.

Beside what every vendor does by the model's name, `breaks-<kind>` sends an error event of that kind after the first
piece of text, and `paused`, `overflown` and `stopped` end for those reasons. Prompts with a breakpoint are kept: the
second of the same is read from the cache. Source: the Messages API's reference, "Streaming messages", "Prompt caching".
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.vendors import faults
from tests.vendors.anthropic_rules import AnyTool, Body, Named, Never, Refused, Text, Tool, ToolResult, read
from tests.vendors.schemas import plausible

TYPE = "conversation.anthropic"
KEYS: Final = frozenset({"sk-ant-good", "sk-ant-own"})
KINDS: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
ENDS: Final = {
    "length": "max_tokens",
    "filtered": "refusal",
    "paused": "pause_turn",
    "overflown": "model_context_window_exceeded",
    "stopped": "stop_sequence",
}
KEPT: Final[set[bytes]] = set()
"""The prompts that the cache holds."""


def settings(url: str) -> dict[str, str]:
    """Return a component's settings that reach it."""
    return {"key": "sk-ant-good", "endpoint": url, "model": "claude-sonnet-4-6"}


def error(status: int, message: str) -> Mapping[str, Any]:
    """Return the vendor's error body."""
    kind = KINDS.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


async def messages(request: Request) -> Response:
    """Answer a request to the API, or refuse it."""
    if refusal := _refused(request):
        return refusal
    try:
        body = read(await request.body())
    except Refused as problem:
        return faults.json(error(400, f"{problem} ({faults.LEAK})"), 400)
    answer = answered(body)
    if body.stream:
        return await faults.streamed(body.model, _pieces(body.model, answer), error)
    return await faults.whole(body.model, answer, error)


def _refused(request: Request) -> Response | None:
    """Judge the headers; Foundry takes the key under both names, and a test wants to see Azure's."""
    name = "api-key" if "/anthropic/" in request.url.path else "x-api-key"
    if request.headers.get(name) not in KEYS:
        return faults.json(error(401, f"invalid {name}, unlike {faults.LEAK}"), 401)
    if request.headers.get("anthropic-version") != "2023-06-01":
        return faults.json(error(400, "anthropic-version: header is required"), 400)
    if request.headers.get("content-type") != "application/json":
        return faults.json(error(400, "the content type must be application/json"), 400)
    return None


def answered(body: Body) -> Mapping[str, Any]:
    """Return the whole message."""
    content, stop = _content(body)
    thinking = [{"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}] if body.thinking else []
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": body.model,
        "content": [*thinking, *content],
        "stop_reason": ENDS.get(body.model, stop),
        "stop_sequence": "END" if body.model == "stopped" else None,
        "usage": _usage(body, thinking, content),
    }


def _content(body: Body) -> tuple[Sequence[Mapping[str, Any]], str]:
    if body.model == "empty":
        return [], "end_turn"
    if tool := _wanted(body):
        call = {
            "type": "tool_use",
            "id": f"toolu_{tool.name}",
            "name": tool.name,
            "input": plausible(tool.input_schema),
        }
        is_forced = isinstance(body.tool_choice, AnyTool | Named)
        return [call] if is_forced else [{"type": "text", "text": "I will look that up."}, call], "tool_use"
    if body.output_config and body.output_config.format:
        return [{"type": "text", "text": json.dumps(plausible(body.output_config.format.schema))}], "end_turn"
    text = _last_text(body)
    return [{"type": "text", "text": text[: len(text) // 2] if body.model == "length" else text}], "end_turn"


def _wanted(body: Body) -> Tool | None:
    """Return the tool to ask for: the named one or the first, unless a result is there already."""
    has_result = any(isinstance(block, ToolResult) for turn in body.messages for block in turn.blocks)
    if not body.tools or isinstance(body.tool_choice, Never) or has_result:
        return None
    if isinstance(body.tool_choice, Named):
        named = body.tool_choice.name
        return next(tool for tool in body.tools if tool.name == named)
    return body.tools[0]


def _last_text(body: Body) -> str:
    blocks = [block for turn in body.messages if turn.role == "user" for block in turn.blocks]
    texts = [block.text for block in blocks if isinstance(block, Text)]
    last = blocks[-1]
    return f"The tool says: {last.content}" if isinstance(last, ToolResult) else texts[-1]


def _usage(
    body: Body, thinking: Sequence[Mapping[str, Any]], content: Sequence[Mapping[str, Any]]
) -> Mapping[str, Any]:
    prompt = [*body.tools, body.system, *body.messages]
    kept = _kept_tokens(body)
    usage = {
        "input_tokens": len(msgspec.json.encode(prompt).split()) + 1,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": len(json.dumps([*thinking, *content]).split()),
        "service_tier": "standard",
    }
    return {**usage, **kept, "output_tokens_details": {"thinking_tokens": len(thinking)}}


def _kept_tokens(body: Body) -> Mapping[str, int]:
    """Count what the first breakpoint holds: written the first time, read from then on."""
    system = [] if isinstance(body.system, str) else body.system
    parts = [*body.tools, *system]
    marked = [place for place, part in enumerate(parts) if part.cache_control]
    if not marked:
        return {}
    prefix = msgspec.json.encode(parts[: marked[0] + 1])
    name = "cache_read_input_tokens" if prefix in KEPT else "cache_creation_input_tokens"
    KEPT.add(prefix)
    return {name: len(prefix.split())}


def _pieces(model: str, answer: Mapping[str, Any]) -> Iterator[bytes]:
    """Give the events; the first piece has all up to the first delta, for a stream that stops after it."""
    opening = b"".join(_opening(answer))
    deltas = [event for place, block in enumerate(answer["content"]) for event in _block_events(place, block)]
    yield opening + b"".join(deltas[:2])
    if model.startswith("breaks-"):
        yield _event("error", error={"type": model.removeprefix("breaks-"), "message": f"no, {faults.LEAK}"})
        return
    yield from deltas[2:]
    stop = {"stop_reason": answer["stop_reason"], "stop_sequence": answer["stop_sequence"]}
    usage = answer["usage"]
    counted = {name: usage[name] for name in ("output_tokens", "output_tokens_details")}
    yield _event("message_delta", delta=stop, usage=counted)
    yield _event("message_stop")


def _opening(answer: Mapping[str, Any]) -> Iterator[bytes]:
    usage = {**answer["usage"], "output_tokens": 1}
    yield _event("message_start", message={**answer, "content": [], "stop_reason": None, "usage": usage})
    yield _event("ping")
    yield _event("announced_later", anything={"new": True})


def _block_events(place: int, block: Mapping[str, Any]) -> Iterator[bytes]:
    match block["type"]:
        case "text":
            empty, kind, name, whole = {**block, "text": ""}, "text_delta", "text", block["text"]
        case "thinking":
            empty, kind, name, whole = {**block, "thinking": ""}, "thinking_delta", "thinking", block["thinking"]
        case _:
            text = msgspec.json.encode(block["input"]).decode() if block["input"] else ""
            empty, kind, name, whole = {**block, "input": {}}, "input_json_delta", "partial_json", text
    yield _event("content_block_start", index=place, content_block=empty)
    for start in range(0, len(whole), 7):
        yield _event("content_block_delta", index=place, delta={"type": kind, name: whole[start : start + 7]})
    if block["type"] == "thinking":
        signature = {"type": "signature_delta", "signature": block["signature"]}
        yield _event("content_block_delta", index=place, delta=signature)
    yield _event("content_block_stop", index=place)


def _event(name: str, **fields: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **fields})}\n\n".encode()


async def nothing(request: Request) -> Response:
    """Say that there is nothing at this path."""
    return faults.json(error(404, f"{request.url.path} is not known"), 404)


app = Starlette(
    routes=[
        Route("/v1/messages", messages, methods=["POST"]),
        Route("/anthropic/v1/messages", messages, methods=["POST"]),
        Route("/{rest:path}", nothing, methods=["GET", "POST"]),
    ]
)
