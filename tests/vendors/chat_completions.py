"""A server of OpenAI's chat completions, as strict as its vendor documents it; each of the family has its `Rules`.

What it takes is in `Rules` and checked before anything is answered: an unknown or misplaced field, a wrong role or
order, a tool's result without its call or a call without its result, each is an error in the vendor's own form.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.vendors import faults
from tests.vendors.faults import ErrorForm
from tests.vendors.schemas import plausible

Body = Mapping[str, Any]
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
PARTICIPANT = re.compile(r"[^\s<|\\/>]{1,64}")
CACHED_TOKENS = 1
"""The part of every prompt that the vendor says it had in its cache."""
REASONING_TOKENS = 1


def openai_error(status: int, message: str) -> Body:
    """Return an error in OpenAI's form."""
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": str(status)}}


def openai_usage(prompt: int, completion: int) -> Body:
    """Return usage in OpenAI's form."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": CACHED_TOKENS, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": REASONING_TOKENS, "audio_tokens": 0},
    }


@dataclass(frozen=True, slots=True)
class Rules:
    """What one vendor takes and says."""

    paths: Sequence[str] = ("/chat/completions",)
    key: str = "sk-good"
    key_header: tuple[str, str] = ("authorization", "Bearer ")
    """The header of the key, and what stands before it there."""
    fields: frozenset[str] = frozenset(
        {
            "model", "messages", "stream", "stream_options", "temperature", "top_p", "stop", "seed", "max_tokens",
            "frequency_penalty", "presence_penalty", "tools", "tool_choice", "response_format",
        }
    )  # fmt: skip
    roles: frozenset[str] = frozenset({"system", "user", "assistant", "tool"})
    has_names: bool = False
    has_result_names: bool = False
    needs_result_names: bool = False
    extra_content: bool = False
    """Whether tool calls of earlier turns may carry it."""
    query: str = ""
    may_be_null: bool = True
    """Whether an assistant's content may be null."""
    call_id: re.Pattern[str] = re.compile(r".+")
    user_after_result: bool = True
    choices: frozenset[str] = frozenset({"auto", "none", "required"})
    chooses: bool = True
    """Whether the tool choice is looked at."""
    strict_tools: bool = True
    bare_tools: bool = True
    """Whether a tool may be without parameters."""
    schemas: bool = True
    retention: bool = False
    needs_model: bool = True
    error: ErrorForm = openai_error
    usage: Callable[[int, int], Body] = openai_usage
    finish_reasons: Mapping[str, str] = field(default_factory=dict)
    """The vendor's own words, by OpenAI's."""
    new_call_id: str = "call_0123456789abcdef01234567"
    index_calls: bool = True
    """Whether a stream's tool calls have an index."""
    whole_calls: bool = False
    """Whether a stream gives each tool call in one piece."""
    usage_unasked: bool = False
    """Whether a stream's last chunk has usage without being asked."""
    content: Callable[[str], Any] = str
    """Makes the content of an answer of its text."""


class RefusedError(Exception):
    """The vendor does not take a request."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


def app(rules: Rules) -> Starlette:
    """Return the vendor's server."""

    async def chat(request: Request) -> Response:
        try:
            name, before = rules.key_header
            if request.headers.get(name) != before + rules.key:
                raise RefusedError("no such key", 401)
            if request.url.query != rules.query:
                raise RefusedError("Resource not found", 404)
            if not request.headers.get("content-type", "").startswith("application/json"):
                raise RefusedError("not JSON", 415)
            body = msgspec.json.decode(await request.body())
            if not rules.needs_model:
                body = {"model": request.path_params["deployment"], **body}
            check(body, rules)
        except RefusedError as refused:
            return faults.json(rules.error(refused.status, refused.message), refused.status)
        return await answered(body, rules)

    return Starlette(routes=[Route(path, chat, methods=["POST"]) for path in rules.paths])


async def answered(body: Body, rules: Rules) -> Response:
    """Answer what was asked, or do wrong what the model's name says."""
    model = str(body["model"])
    message, reason = reply(body, rules)
    prompt = sum(len(text_of(one).split()) for one in body["messages"])
    usage = rules.usage(max(prompt, CACHED_TOKENS), max(len(text_of(message).split()), REASONING_TOKENS))
    if body.get("stream"):
        return await faults.streamed(model, chunks(body, message, reason, usage, rules), rules.error)
    choice = {"index": 0, "message": message, "finish_reason": reason}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model}
    return await faults.whole(model, {**head, "choices": [choice], "usage": usage}, rules.error)


def reply(body: Body, rules: Rules) -> tuple[dict[str, Any], str]:
    """Return the message of the answer, and why it ended."""
    model = str(body["model"])
    if name := wanted_tool(body, rules):
        tool = next(tool["function"] for tool in body["tools"] if tool["function"]["name"] == name)
        arguments = msgspec.json.encode(plausible(tool.get("parameters", {"type": "object"}))).decode()
        call = {"id": rules.new_call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
        return {"role": "assistant", "content": None, "tool_calls": [call]}, rules.finish_reasons.get(
            "tool_calls", "tool_calls"
        )
    text = "" if model == "empty" else said(body)
    reason = {"length": "length", "filtered": "content_filter"}.get(model, "stop")
    message = {"role": "assistant", "content": rules.content(text)}
    return message, rules.finish_reasons.get(reason, reason)


def said(body: Body) -> str:
    """Return the text of an answer: JSON where that is asked for, else the user's last text."""
    wanted = body.get("response_format", {"type": "text"})
    if wanted["type"] == "json_schema":
        return msgspec.json.encode(plausible(wanted["json_schema"]["schema"])).decode()
    if wanted["type"] == "json_object":
        told = re.search(r"JSON schema: (\{.*\})", text_of(body["messages"][0]), re.DOTALL)
        schema = msgspec.json.decode(told.group(1)) if told else {"type": "object", "properties": {"answer": {}}}
        return msgspec.json.encode(plausible(schema)).decode()
    return next((text_of(one) for one in reversed(body["messages"]) if one["role"] == "user"), "nothing was said")


def wanted_tool(body: Body, rules: Rules) -> str | None:
    """Return which tool the model asks for: the named one, or the first until there is a result."""
    tools, choice = body.get("tools"), body.get("tool_choice", "auto") if rules.chooses else "auto"
    if not tools or choice == "none":
        return None
    if isinstance(choice, dict):
        return str(choice["function"]["name"])
    has_result = any(one["role"] == "tool" for one in body["messages"])
    return None if has_result and choice == "auto" else str(tools[0]["function"]["name"])


def chunks(body: Body, message: Body, reason: str, usage: Body, rules: Rules) -> Iterator[bytes]:
    """Return the events of a stream: a role with the first word, a word each, the tool calls in pieces, the reason."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
    asked = (body.get("stream_options") or {}).get("include_usage")

    def event(choices: list[Any], **more: Any) -> bytes:
        return b"data: %s\n\n" % msgspec.json.encode({**head, "choices": choices, **more})

    def piece(delta: Body, why: str | None = None) -> list[Any]:
        return [{"index": 0, "delta": delta, "finish_reason": why}]

    for delta in deltas(message, rules):
        yield event(piece(delta), **({"usage": None} if asked else {}))
    yield event(piece({}, reason), **({"usage": usage} if rules.usage_unasked else {}))
    if asked:
        yield event([], usage=usage)
    yield b"data: [DONE]\n\n"


def deltas(message: Body, rules: Rules) -> Iterator[Body]:
    """Return a message in pieces."""
    role = {"role": "assistant"}
    for text in re.findall(r"\s*\S+|\s+", text_of(message)):
        yield {**role, "content": rules.content(text)}
        role = {}
    for place, call in enumerate(message.get("tool_calls", ())):
        index = {"index": place} if rules.index_calls else {}
        function = call["function"]
        if rules.whole_calls:
            yield {**role, "tool_calls": [{**call, **index}]}
            continue
        first = {"name": function["name"], "arguments": ""}
        yield {**role, "content": None, "tool_calls": [{**call, **index, "function": first}]}
        for part in re.findall(r".{1,7}", function["arguments"], re.DOTALL):
            yield {"tool_calls": [{**index, "function": {"arguments": part}}]}


def text_of(message: Body) -> str:
    """Return a message's text, be it a list of parts."""
    content = message.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content)
    return content or ""


def check(body: Body, rules: Rules) -> None:
    """Raise RefusedError for what the vendor does not take."""
    only(body, rules.fields | {"model"}, "body")
    expect(isinstance(body.get("model"), str), "model is required")
    expect(bool(body.get("messages")), "messages must not be empty")
    expect("stream_options" not in body or body.get("stream") is True, "stream_options is only for streams")
    for limit in ("max_tokens", "max_completion_tokens"):
        expect(isinstance(body.get(limit, 1), int) and body.get(limit, 1) > 0, f"{limit} must be positive")
    check_messages(body["messages"], rules)
    check_tools(body, rules)
    check_format(body, rules)
    if rules.retention:
        expect(body.get("prompt_cache_retention", "24h") in {"24h", "in_memory"}, "unknown prompt_cache_retention")


def check_messages(messages: Sequence[Body], rules: Rules) -> None:
    """Raise RefusedError for a message, or an order of messages, that the vendor does not take."""
    pending: set[str] = set()
    before = ""
    for message in messages:
        role = message["role"]
        expect(role in rules.roles, f"{role} is not one of the roles")
        if role == "tool":
            check_result(message, rules)
            expect(message["tool_call_id"] in pending, "a tool message must follow the call that it answers")
            pending.discard(message["tool_call_id"])
        else:
            expect(not pending, "tool calls must be followed by their results")
            expect(role == "assistant" or before != "tool" or rules.user_after_result, f"unexpected {role} after tool")
            pending = check_message(message, rules)
        before = role
    expect(not pending, "tool calls must be followed by their results")


def check_result(message: Body, rules: Rules) -> None:
    """Raise RefusedError for a tool's result that the vendor does not take."""
    only(message, {"role", "content", "tool_call_id", *(["name"] if rules.has_result_names else [])}, "tool message")
    expect(isinstance(message.get("content"), str), "a tool message needs content")
    expect(bool(message.get("name")) or not rules.needs_result_names, "function_response.name: Name cannot be empty.")
    expect(bool(rules.call_id.fullmatch(message.get("tool_call_id", ""))), "tool_call_id is malformed")


def check_message(message: Body, rules: Rules) -> set[str]:
    """Return the ids of the tool calls of a message that is no result."""
    known = {"role", "content", *(["name"] if rules.has_names else [])}
    only(message, known | ({"tool_calls"} if message["role"] == "assistant" else set()), f"{message['role']} message")
    expect("name" not in message or bool(PARTICIPANT.fullmatch(message["name"])), "name is malformed")
    calls = message.get("tool_calls", [])
    expect("tool_calls" not in message or bool(calls), "tool_calls must not be empty")
    expect(isinstance(message.get("content"), str) or (bool(calls) and rules.may_be_null), "content must be text")
    for call in calls:
        only(call, {"id", "type", "function", *(["extra_content"] if rules.extra_content else [])}, "tool call")
        only(call["function"], {"name", "arguments"}, "function of a tool call")
        expect(call["type"] == "function", "a tool call is of type function")
        expect(bool(rules.call_id.fullmatch(call["id"])), "the id of a tool call is malformed")
        expect(isinstance(call["function"]["arguments"], str), "arguments must be text")
    return {str(call["id"]) for call in calls}


def check_tools(body: Body, rules: Rules) -> None:
    """Raise RefusedError for tools, or a choice among them, that the vendor does not take."""
    tools = body.get("tools")
    expect(tools is None or 0 < len(tools) <= 128, "tools must be one to 128")
    for tool in tools or ():
        only(tool, {"type", "function"}, "tool")
        expect(tool["type"] == "function", "a tool is of type function")
        function = tool["function"]
        only(function, {"name", "description", "parameters", *(["strict"] if rules.strict_tools else [])}, "function")
        expect(bool(NAME.fullmatch(function["name"])), "the name of a function is malformed")
        expect("parameters" in function or rules.bare_tools, "a function needs parameters")
        expect(isinstance(function.get("parameters", {}), dict), "parameters must be a schema")
    if "tool_choice" in body:
        check_choice(body["tool_choice"], tools or [], rules)


def check_choice(choice: Any, tools: Sequence[Body], rules: Rules) -> None:
    """Raise RefusedError for a tool choice that the vendor does not take."""
    expect(bool(tools), "tool_choice is only allowed when tools are specified")
    if isinstance(choice, str):
        expect(choice in rules.choices, f"{choice} is no tool_choice")
        return
    only(choice, {"type", "function"}, "tool_choice")
    only(choice["function"], {"name"}, "function of tool_choice")
    expect(
        choice["function"]["name"] in {tool["function"]["name"] for tool in tools}, "tool_choice is none of the tools"
    )


def check_format(body: Body, rules: Rules) -> None:
    """Raise RefusedError for a response format that the vendor does not take."""
    wanted = body.get("response_format", {"type": "text"})
    expect(wanted["type"] in {"text", "json_object", "json_schema"}, "unknown response_format")
    if wanted["type"] == "json_object":
        words = " ".join(text_of(message) for message in body["messages"]).lower()
        expect("json" in words, "messages must contain the word json")
    if wanted["type"] == "json_schema":
        expect(rules.schemas, "This response_format type is unavailable now")
        only(wanted, {"type", "json_schema"}, "response_format")
        described = wanted["json_schema"]
        only(described, {"name", "description", "schema", "strict"}, "json_schema")
        expect(bool(NAME.fullmatch(described["name"])), "the name of a schema is malformed")
        expect(isinstance(described["schema"], dict), "schema must be an object")
        expect(not {"name", "strict"} & described["schema"].keys(), "name and strict are no words of a schema")


def only(found: Body, known: Iterable[str], where: str) -> None:
    """Raise RefusedError for a field that the vendor does not know there."""
    if strange := found.keys() - set(known):
        raise RefusedError(f"unknown in {where}: {', '.join(sorted(strange))}")


def expect(condition: bool, message: str) -> None:  # noqa: FBT001 - reads as an assertion
    """Raise RefusedError unless the vendor's condition holds."""
    if not condition:
        raise RefusedError(message)
