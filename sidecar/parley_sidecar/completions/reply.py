"""From a chat completion's body to an `Answer`. Pure; fields that are not named are ignored.

It reads what every server of the family says, so it needs no dialect: what one of them lacks is absent or null.
"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

import msgspec

from parley_sidecar.errors import ParleyError, ProviderGarbled, ProviderUnavailable, ToolNotCalled
from parley_sidecar.faults import fault, understood
from parley_sidecar.model import Answer, Choice, FinishReason, ToolCall, Usage


class WirePart(msgspec.Struct):
    """A part of a content that is a list; a part without text, such as a model's thoughts, is not the answer's."""

    type: str = "text"
    text: str | None = None


Content = str | list[WirePart] | None


class WireFunction(msgspec.Struct):
    """The function that a model asks for; Mistral may send the arguments as an object. Source: its API reference."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class WireCall(msgspec.Struct):
    """A tool call, or a piece of one: `index` says of which, where it is a piece."""

    id: str | None = None
    index: int | None = None
    function: WireFunction | None = None


class WireMessage(msgspec.Struct):
    """The message of a choice, or a piece of it."""

    content: Content = None
    refusal: str | None = None
    tool_calls: list[WireCall] | None = None


class WireChoice(msgspec.Struct):
    """A choice."""

    message: WireMessage
    finish_reason: str | None = None


class WirePromptDetails(msgspec.Struct):
    """What the prompt's tokens were."""

    cached_tokens: int | None = None


class WireCompletionDetails(msgspec.Struct):
    """What the completion's tokens were."""

    reasoning_tokens: int | None = None


class WireUsage(msgspec.Struct):
    """Tokens; DeepSeek and Mistral have names of their own for those that their caches held."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: WirePromptDetails | None = None
    completion_tokens_details: WireCompletionDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    num_cached_tokens: int | None = None


class WireError(msgspec.Struct):
    """An error that came with a good status; some servers put the status it should have had in `code`."""

    code: int | str | None = None


class WireCompletion(msgspec.Struct):
    """A complete answer."""

    choices: list[WireChoice] | None = None
    model: str | None = None
    usage: WireUsage | None = None
    error: WireError | str | None = None


_DECODER: Final = msgspec.json.Decoder(WireCompletion)
_ENCODER: Final = msgspec.json.Encoder()
_STATUSES: Final = range(400, 600)
REASONS: Final[Mapping[str, FinishReason]] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
"""Their own words, of OpenAI and of the servers that are like it, and what they mean."""
BROKEN_OFF: Final = frozenset({"error", "insufficient_system_resource"})
"""Words for an answer that the server could not finish. Source: the API references of Mistral and DeepSeek."""


def answer(body: bytes) -> Answer:
    """Return the answer of a body that came with status 200.

    Raises:
        ProviderGarbled: when it is not the documented form.
        ParleyError: the fault that it reports in the place of an answer.
    """
    completion = understood(_DECODER, body, "a chat completion")
    if completion.error is not None:
        raise reported(completion.error)
    if not completion.choices:
        raise ProviderGarbled("the provider's answer has no choices")
    return Answer(tuple(map(_choice, completion.choices)), usage(completion.usage), completion.model)


def expect_call(whole: Answer) -> None:
    """Raise ToolNotCalled if no choice asks for a tool."""
    if not any(choice.tool_calls for choice in whole.choices):
        raise ToolNotCalled("the model did not ask for a tool, and had to")


def reported(error: WireError | str) -> ParleyError:
    """Return what an error means that stands in the place of an answer."""
    code = error.code if isinstance(error, WireError) else None
    if isinstance(code, int) and code in _STATUSES:
        return fault(code)
    return ProviderUnavailable("the provider reported an error in its answer")


def text(message: WireMessage) -> str:
    """Return a message's text; a refusal is what the model says."""
    content = message.content
    if isinstance(content, list):
        content = "".join(part.text or "" for part in content if part.type == "text")
    return content or message.refusal or ""


def arguments(call: WireCall) -> str:
    """Return the JSON text of a call's arguments, or of a piece of them."""
    given = call.function.arguments if call.function else None
    return _ENCODER.encode(given).decode() if isinstance(given, dict) else given or ""


def name(call: WireCall) -> str:
    """Return the tool's name, or nothing where a piece has none."""
    return (call.function.name if call.function else None) or ""


def fresh_call_id() -> str:
    """Make an id for a tool call whose server gave it none, so that its result can say what it answers."""
    return f"call_{uuid4().hex[:24]}"


def finish_reason(raw: str, *, has_calls: bool) -> FinishReason:
    """Return what a finish reason means; several servers say `stop` where the model asks for a tool.

    Raises:
        ProviderUnavailable: when the answer is not whole, and the server is why.
    """
    reason = REASONS.get(raw, "unknown")
    if raw in BROKEN_OFF:
        raise ProviderUnavailable("the provider broke its answer off")
    return "tool_calls" if reason == "stop" and has_calls else reason


def usage(wire: WireUsage | None) -> Usage | None:
    """Return the tokens, those that are not told as none."""
    if wire is None:
        return None
    prompt, completion = wire.prompt_tokens_details, wire.completion_tokens_details
    cached = (prompt.cached_tokens if prompt else None) or wire.prompt_cache_hit_tokens or wire.num_cached_tokens
    reasoning = completion.reasoning_tokens if completion else None
    return Usage(wire.prompt_tokens or 0, wire.completion_tokens or 0, cached or 0, reasoning or 0)


def _choice(choice: WireChoice) -> Choice:
    raw = choice.finish_reason or ""
    calls = choice.message.tool_calls
    if not calls:
        return Choice(text(choice.message), finish_reason(raw, has_calls=False), raw)
    asked = tuple(ToolCall(call.id or fresh_call_id(), name(call), arguments(call)) for call in calls)
    return Choice(text(choice.message), finish_reason(raw, has_calls=True), raw, asked)
