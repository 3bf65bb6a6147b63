"""The cases of Dapr's own integration suite (tests/integration/suite/daprd/conversation), as plain data.

Driven over HTTP by test_published_cases.py, and over gRPC by the tests of that door. Ids: A is alpha1; B to D and M are
alpha2; U are the cases of Dapr's universal handler; Q are the bodies of Dapr's quickstarts; E are more of Dapr's echo.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

COMPONENTS: Mapping[str, Mapping[str, str]] = {
    "echo": {"key": "testkey"},
    "test-alpha2-echo": {"key": "testkey"},
    "test-alpha2-echo-maxtokens": {"key": "testkey", "maxtokens": "2"},
}
"""The components that the cases ask, each a conversation.echo, and their settings."""

INVALID = "ERR_CONVERSATION_INVALID_PARMS"
CHOICES = "must be 'auto', 'none', 'required', or a specific tool name matching the tools available to be used"


@dataclass(frozen=True, slots=True)
class Case:
    """A request and what has to come of it: `answer` where the status is 200, else `code` and words of the message."""

    id: str
    version: Literal["alpha1", "alpha2"]
    component: str
    body: Mapping[str, Any]
    answer: Mapping[str, Any] | None = None
    status: int = 200
    code: str = ""
    says: str = ""
    doors: frozenset[str] = frozenset({"http", "grpc"})
    """Where the case is published, or makes sense."""


HTTP = frozenset({"http"})
GRPC = frozenset({"grpc"})

PHONE = "well hello there, my phone number is +2222222222"
EMAIL = "well hello there, my email is test@test.com"
IP = "well hello there from 10.8.9.1"
HELLO = "well hello there"
HIDDEN_PHONE = "well hello there, my phone number is <PHONE_NUMBER>"
HIDDEN_EMAIL = "well hello there, my email is <EMAIL_ADDRESS>"
HIDDEN_IP = "well hello there from <IP>"


def content(text: str) -> list[dict[str, str]]:
    """Return a message's content of one part."""
    return [{"text": text}]


def message(kind: str, text: str, **fields: Any) -> dict[str, Any]:
    """Return a message of a kind, with further fields beside its content."""
    return {kind: {**fields, "content": content(text)}}


def user(text: str, **fields: Any) -> dict[str, Any]:
    """Return what a user says."""
    return message("ofUser", text, **fields)


def body(*messages: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """Return an alpha2 body with one input."""
    return {"inputs": [{"messages": list(messages)}], **fields}


def usage(completion: int, prompt: int) -> dict[str, str]:
    """Return tokens as protobuf writes them."""
    return {
        "completionTokens": str(completion),
        "promptTokens": str(prompt),
        "totalTokens": str(completion + prompt),
    }


def said(
    text: str, words: tuple[int, int], reason: str = "stop", calls: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """Return an alpha2 reply with one choice; `words` are completion and prompt."""
    written: dict[str, Any] = {"content": text, "toolCalls": list(calls)}
    choice = {"finishReason": reason, "message": {name: value for name, value in written.items() if value}}
    return {"outputs": [{"choices": [choice], "usage": usage(*words)}]}


def call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    """Return a tool call."""
    return {"id": call_id, "function": {"name": name, "arguments": arguments}}


def tool(name: str, *properties: str, **fields: Any) -> dict[str, Any]:
    """Return a tool whose parameters are texts, all of them required."""
    schema = {"type": "object", "properties": {p: {"type": "string"} for p in properties}, "required": [*properties]}
    return {"function": {"name": name, "description": f"does {name}", "parameters": schema, **fields}}


def boxed(kind: str, value: Any) -> dict[str, Any]:
    """Return a protobuf Any with a well-known type."""
    return {"@type": f"type.googleapis.com/google.protobuf.{kind}", "value": value}


def alpha1(case_id: str, inputs: Sequence[Mapping[str, Any]], result: str, **fields: Any) -> Case:
    """Return an alpha1 case with one result."""
    given = {"inputs": list(inputs), **fields}
    return Case(case_id, "alpha1", "echo", given, {"outputs": [{"result": result}]})


_ALPHA1 = (
    alpha1("A1", [{"content": HELLO}], HELLO),
    Case(
        "A2", "alpha1", "echo", {"metadata": {"model": "daprGPT"}}, status=400,
        code="ERR_CONVERSATION_MISSING_INPUTS", doors=HTTP,
    ),
    alpha1("A3", [{"content": PHONE, "scrubPII": True}], HIDDEN_PHONE),
    alpha1("A3 with 44", [{"content": PHONE.replace("+22", "+44"), "scrubPII": True}], HIDDEN_PHONE),
    alpha1("A4", [{"content": EMAIL, "scrubPII": True}], HIDDEN_EMAIL),
    alpha1("A5", [{"content": IP, "scrubPII": True}], HIDDEN_IP),
    alpha1("A6", [{"content": IP}, {"content": EMAIL}], f"{HIDDEN_IP}\n{HIDDEN_EMAIL}", scrubPII=True),
    alpha1("A7", [{"content": HELLO, "scrubPII": True}], HELLO, scrubPII=True),
)  # fmt: skip

ALL_FIELDS: Mapping[str, Any] = {
    "name": "test-alpha2-echo",
    "contextId": "test-conversation-123",
    "inputs": [
        {"messages": [user(HELLO, name="test-user")], "scrubPII": False},
        {"messages": [message("ofSystem", "You are a helpful assistant", name="test-system")], "scrubPII": True},
    ],
    "parameters": {"max_tokens": boxed("Int64Value", "100"), "model": boxed("StringValue", "test-model")},
    "metadata": {"api_key": "test-key", "version": "1.0"},
    "scrubPii": True,
    "temperature": 0.7,
    "responseFormat": {"type": "object", "properties": {"result": {"type": "string"}}, "required": ["result"]},
    "promptCacheRetention": "86400s",
    "tools": [tool("test_function", "param1")],
    "toolChoice": "auto",
}
"""The body of B1."""

_ALL_SAID = {
    "contextId": "test-conversation-123",
    **said(f"{HELLO}\nYou are a helpful assistant", (8, 8), "tool_calls", [call("0", "test_function", "param1")]),
}
_JSON_CALL = call("id 123", "test_function", '{"test":"value"}')
_TEXT_CALL = call("call_123", "test_function", "test-string")
_RESULT = "Tool Response for tool ID 'tool-123' with name 'tool name': tool message"
_TURNS = {
    "first user message": "ofUser",
    "first assistant response": "ofAssistant",
    "second user message": "ofUser",
    "system instruction": "ofSystem",
}


def alpha2(case_id: str, given: Mapping[str, Any], answer: Mapping[str, Any], component: str = "") -> Case:
    """Return a case that is answered."""
    return Case(case_id, "alpha2", component or "test-alpha2-echo", given, answer)


def refused(case_id: str, given: Mapping[str, Any], says: str, doors: frozenset[str] = HTTP | GRPC) -> Case:
    """Return a case that means nothing, in Dapr's words."""
    return Case(case_id, "alpha2", "test-alpha2-echo", given, status=400, code=INVALID, says=says, doors=doors)


_WITHOUT_LIMIT = {name: value for name, value in ALL_FIELDS["parameters"].items() if name != "max_tokens"}
_KINDS = (
    alpha2("B1", ALL_FIELDS, _ALL_SAID),
    alpha2("B1'", {**ALL_FIELDS, "parameters": _WITHOUT_LIMIT, "maxTokens": 100}, _ALL_SAID),
    refused("B2", body({"invalidField": {"content": "invalid"}}), "message type cannot be nil"),
    alpha2(
        "B3",
        body(message("ofAssistant", "assistant message", name="assistant name", toolCalls=[_JSON_CALL])),
        said("assistant message", (2, 2), "tool_calls", [_JSON_CALL]),
    ),
    refused(
        "B4",
        body(message("ofAssistant", "assistant message", name="assistant name", toolCalls=[{"id": "call_123"}])),
        "tool types cannot be nil",
    ),
    alpha2("C1", body(user("user message", name="user name")), said("user message", (2, 2))),
    alpha2("C2", body(message("ofSystem", "system message", name="system name")), said("system message", (2, 2))),
    alpha2("C3", body(message("ofDeveloper", "developer message", name="dev name")), said("developer message", (2, 2))),
    alpha2(
        "C4",
        body(message("ofAssistant", "assistant message", name="assistant name", toolCalls=[_TEXT_CALL])),
        said("assistant message", (2, 2), "tool_calls", [_TEXT_CALL]),
    ),
    alpha2("C5", body(message("ofTool", "tool message", toolId="tool-123", name="tool name")), said(_RESULT, (12, 12))),
    alpha2(
        "C6",
        {"inputs": [{"messages": [message(kind, text) for text, kind in _TURNS.items()], "scrubPII": False}]},
        said("\n".join(_TURNS), (11, 11)),
    ),
)  # fmt: skip


def scrubbed(case_id: str, text: str, hidden: str, words: int) -> Case:
    """Return a case with the flag on its one input."""
    given = {"inputs": [{"messages": [user(text)], "scrubPii": True}]}
    return alpha2(case_id, given, said(hidden, (words, words)), "echo")


_SCRUBBED = (
    scrubbed("D1", PHONE, HIDDEN_PHONE, 8),
    scrubbed("D2", EMAIL, HIDDEN_EMAIL, 7),
    scrubbed("D3", IP, HIDDEN_IP, 5),
    alpha2(
        "D4",
        {"inputs": [{"messages": [user(IP)]}, {"messages": [user(EMAIL)]}], "scrubPii": True},
        said(f"{HIDDEN_IP}\n{HIDDEN_EMAIL}", (12, 12)),
        "echo",
    ),
    alpha2(
        "D5",
        {"inputs": [{"messages": [user(HELLO)], "scrubPii": True}], "scrubPii": True},
        said(HELLO, (3, 3)),
        "echo",
    ),
)

_FIVE = "one two three four five"
_LIMITED = "test-alpha2-echo-maxtokens"
_LIMIT = "max_tokens must be greater than 0 and at most 2147483647"
_LIMITS = (
    alpha2("M1", body(user(_FIVE), maxTokens=2), said("one two", (2, 5), "length")),
    alpha2("M2", body(user(_FIVE)), said("one two", (2, 5), "length"), _LIMITED),
    alpha2("M3", body(user(_FIVE), maxTokens=100), said(_FIVE, (5, 5)), _LIMITED),
    refused("M4", body(user(_FIVE), maxTokens=0), _LIMIT),
    refused("M5", body(user(_FIVE), maxTokens=2147483648), _LIMIT),
)

_UNIT_LEVEL = (
    refused("U1 message without type", body({}), "message type cannot be nil"),
    refused(
        "U2 assistant's call without type",
        body({"ofAssistant": {"toolCalls": [{"id": "call_1"}]}}),
        "tool types cannot be nil",
    ),
    refused("U3 required without tools", body(user("hi"), toolChoice="required"), f"tool choice {CHOICES}"),
    refused(
        "U4 choice of no tool",
        body(user("hi"), tools=[tool("other_tool")], toolChoice="missing_tool"),
        f"tool choice selected was not found. M{CHOICES[1:]}",
    ),
    Case(
        "U5 no inputs", "alpha2", "test-alpha2-echo", {}, status=400, code="ERR_CONVERSATION_MISSING_INPUTS",
        says="failed conversing with component test-alpha2-echo: missing inputs in request",
    ),
    Case(
        "U6 no such component", "alpha2", "nobody", body(user("hi")), status=400, code="ERR_CONVERSATION_NOT_FOUND",
        says="failed finding conversation component nobody",
    ),
    alpha1(
        "U7 roles",
        [
            {"content": role, "role": role}
            for role in ("user", "human", "system", "assistant", "ai", "tool", "function", "generic", "stranger", "")
        ],
        "user\nhuman\nsystem\nassistant\nai\ntool\nfunction\ngeneric\nstranger\n",
    ),
)  # fmt: skip

_PLACES = [tool("weather", "unit", "location", "name"), {"function": {"name": "now"}}]
_ECHO = (
    alpha2(
        "E1 parts",
        body({"ofUser": {"content": [{"text": "one"}, {"text": "two"}]}}),
        said("one\ntwo", (2, 2)),
    ),
    alpha2(
        "E2 tools",
        body(user("hi"), tools=_PLACES, toolChoice="none"),
        said(
            "hi", (1, 1), "tool_calls",
            [call("0", "weather", "location,name,unit"), {"id": "1", "function": {"name": "now"}}],
        ),
    ),
    alpha2(
        "E3 a tool's call, then an assistant's",
        body(message("ofAssistant", "hm", toolCalls=[_TEXT_CALL]), tools=[tool("now")]),
        said("hm", (1, 1), "tool_calls", [{"id": "0", "function": {"name": "now"}}, _TEXT_CALL]),
    ),
    alpha2(
        "E7 cut, and yet a call",
        body(user(_FIVE), tools=[tool("now")], maxTokens=2),
        said("one two", (2, 5), "length", [{"id": "0", "function": {"name": "now"}}]),
    ),
    alpha2(
        "E4 a whole turn",
        body(
            user("hi"),
            {"ofAssistant": {"toolCalls": [_TEXT_CALL]}},
            message("ofTool", "tool message", toolId="tool-123", name="tool name"),
        ),
        said(f"hi\n{_RESULT}", (13, 13), "tool_calls", [_TEXT_CALL]),
    ),
    alpha2(
        "E5 nothing to say",
        {"inputs": [{}]},
        {"outputs": [{"choices": [{"finishReason": "stop", "message": {}}], "usage": {}}]},
    ),
    Case(
        "E6 properties that are none", "alpha2", "test-alpha2-echo",
        body(user("hi"), tools=[{"function": {"name": "f", "parameters": {"properties": [1]}}}]),
        status=500, code="ERR_CONVERSATION_INVOKE",
    ),
)  # fmt: skip

_WEATHER = {
    "function": {
        "name": "get_weather",
        "description": "Get the current weather for a location",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["location"],
        },
    }
}
_PLAIN: Mapping[str, Any] = {"parameters": {}, "metadata": {}, "scrubPii": False, "temperature": 0.7}
_QUICKSTARTS = (
    alpha2("Q1 plain", body(user("What is dapr?"), **_PLAIN), said("What is dapr?", (3, 3)), "echo"),
    alpha2(
        "Q2 tools",
        body(
            user("What is the weather like in San Francisco?"),
            **_PLAIN, tools=[{"type": "function", **_WEATHER}], toolChoice="auto",
        ),
        said(
            "What is the weather like in San Francisco?", (8, 8), "tool_calls",
            [call("0", "get_weather", "location,unit")],
        ),
        "echo",
    ),
    alpha2(
        "Q3 a required tool",
        body(user("Weather?"), tools=[_WEATHER], toolChoice="required", **_PLAIN),
        said("Weather?", (1, 1), "tool_calls", [call("0", "get_weather", "location,unit")]),
        "echo",
    ),
    alpha2(
        "Q4 structured output, mixed casings",
        {
            "inputs": [{"messages": [{"of_user": {"content": content("I want two names")}}], "scrub_pii": False}],
            "response_format": {
                "type": "object",
                "properties": {"names": {"type": "array", "items": {"type": "string"}}},
                "required": ["names"],
                "additionalProperties": False,
            },
            "prompt_cache_retention": "86400s",
            "toolChoice": "auto",
            "context_id": "c-1",
            **_PLAIN,
        },
        {"contextId": "c-1", **said("I want two names", (4, 4))},
        "echo",
    ),
)  # fmt: skip

CASES: Sequence[Case] = (
    *_ALPHA1, *_KINDS, *_SCRUBBED, *_LIMITS, *_UNIT_LEVEL, *_ECHO, *_QUICKSTARTS,
)  # fmt: skip
