"""From an answer of the Messages API, whole or in events, to ours; called by `providers.anthropic`.

Thinking, and blocks of tools that run on the provider's side, are not part of an answer. Source: the Messages API's
reference; "Handling stop reasons".
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from parley_sidecar.faults import understood
from parley_sidecar.model import Answer, Choice, FinishReason, ToolCall, Usage


class WireBlock(msgspec.Struct):
    """A block of content; which fields it has depends on its type."""

    type: str
    text: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw(b"{}")


class WireOutputDetails(msgspec.Struct):
    """What the output's tokens were."""

    thinking_tokens: int | None = None


class WireUsage(msgspec.Struct):
    """Tokens; of the prompt those read from and written to the cache are counted apart."""

    input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens: int | None = None
    output_tokens_details: WireOutputDetails | None = None


class WireMessage(msgspec.Struct):
    """A complete answer, or the beginning of one; fields that are not named are ignored."""

    content: list[WireBlock]
    model: str | None = None
    stop_reason: str | None = None
    usage: WireUsage | None = None


_DECODER: Final = msgspec.json.Decoder(WireMessage)
_REASONS: Final[Mapping[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""The API's words, and what they mean. `pause_turn`, a turn to be continued, is none of OpenAI's set: unknown."""


def to_answer(body: bytes) -> Answer:
    """Return the answer of a body.

    Raises:
        ProviderGarbled: when it is not a message.
    """
    message = understood(_DECODER, body, "a message")
    text = "".join(block.text or "" for block in message.content if block.type == "text")
    calls = tuple(_call(block) for block in message.content if block.type == "tool_use")
    raw = message.stop_reason or ""
    return Answer((Choice(text, to_reason(raw), raw, calls),), to_usage(message.usage), message.model)


def to_reason(raw: str) -> FinishReason:
    """Return what the API's word for the end means."""
    return _REASONS.get(raw, "unknown")


def to_usage(usage: WireUsage | None) -> Usage | None:
    """Return the tokens, those of the cache among the prompt's."""
    if usage is None:
        return None
    cached = usage.cache_read_input_tokens or 0
    prompt = (usage.input_tokens or 0) + cached + (usage.cache_creation_input_tokens or 0)
    details = usage.output_tokens_details
    return Usage(prompt, usage.output_tokens or 0, cached, (details and details.thinking_tokens) or 0)


def _call(block: WireBlock) -> ToolCall:
    return ToolCall(block.id or "", block.name or "", bytes(block.input).decode())
