"""POST /v1/chat/completions, the reply: an `Answer` as a chat completion.

Source: OpenAI's chat completions reference, the chat completion object. Fields that are always there in OpenAI's
answers are always here, because its typed clients rely on them.
"""

import secrets
import time
from collections.abc import Mapping
from typing import Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from parley_sidecar.model import Answer, Choice, FinishReason, ToolCall, Usage
from parley_sidecar.wire.json import encode

OpenAIFinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


class CalledFunction(msgspec.Struct):
    """What is to be called; `arguments` is JSON text as the model wrote it."""

    name: str
    arguments: str


class ReplyCall(msgspec.Struct):
    """A tool call."""

    id: str
    function: CalledFunction
    type: Literal["function"] = "function"


class ReplyMessage(msgspec.Struct):
    """A choice's message; it has no content where there are tool calls alone."""

    content: str | None
    role: Literal["assistant"] = "assistant"
    refusal: None = None
    tool_calls: list[ReplyCall] | UnsetType = UNSET


class ReplyChoice(msgspec.Struct):
    """A choice."""

    index: int
    message: ReplyMessage
    finish_reason: OpenAIFinishReason
    logprobs: None = None


class PromptDetails(msgspec.Struct):
    """What the prompt's tokens were."""

    cached_tokens: int


class CompletionDetails(msgspec.Struct):
    """What the completion's tokens were."""

    reasoning_tokens: int


class ReplyUsage(msgspec.Struct):
    """Tokens."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails
    completion_tokens_details: CompletionDetails


class Completion(msgspec.Struct):
    """A reply's body. `usage` is left out where the provider reports none: zeros would look like a gift."""

    id: str
    created: int
    model: str
    choices: list[ReplyChoice]
    object: Literal["chat.completion"] = "chat.completion"
    usage: ReplyUsage | UnsetType = UNSET


_REASONS: Final[Mapping[FinishReason, OpenAIFinishReason]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
}


def reply(answer: Answer, component_name: str) -> bytes:
    """Return the body of a 200; its model is the one that answered, if that is known, else the component."""
    choices = [_choice(index, choice) for index, choice in enumerate(answer.choices)]
    model = answer.model or component_name
    return encode(Completion(fresh_id(), now_s(), model, choices, usage=usage(answer.usage) or UNSET))


def fresh_id() -> str:
    """Return an id for one reply; an answer from the cache gets its own too."""
    return f"chatcmpl-{secrets.token_hex(16)}"


def now_s() -> int:
    """Return the time of a reply, in Unix seconds."""
    return int(time.time())


def finish_reason(choice: Choice) -> OpenAIFinishReason:
    """Return why a choice ended. OpenAI has no word for unknown: then the answer just stopped, or asks for tools."""
    return _REASONS.get(choice.finish_reason, "tool_calls" if choice.tool_calls else "stop")


def usage(counted: Usage | None) -> ReplyUsage | None:
    """Return the tokens, if the provider counted them."""
    if counted is None:
        return None
    return ReplyUsage(
        counted.prompt_tokens,
        counted.completion_tokens,
        counted.total_tokens,
        PromptDetails(counted.cached_tokens),
        CompletionDetails(counted.reasoning_tokens),
    )


def _choice(index: int, choice: Choice) -> ReplyChoice:
    calls = [_call(call) for call in choice.tool_calls]
    content = None if calls and not choice.text else choice.text
    return ReplyChoice(index, ReplyMessage(content, tool_calls=calls or UNSET), finish_reason(choice))


def _call(call: ToolCall) -> ReplyCall:
    return ReplyCall(call.id, CalledFunction(call.name, call.arguments))
