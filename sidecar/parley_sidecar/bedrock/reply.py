"""From what Converse answers to an `Answer`, or to the error that it stands for. Pure.

Source: the API reference of Amazon Bedrock Runtime, 2023-09-30.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from parley_sidecar.errors import ParleyError
from parley_sidecar.faults import fault, understood
from parley_sidecar.model import Answer, Choice, FinishReason, ToolCall, Usage

REASONS: Final[Mapping[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
"""What `stopReason` means; words that are not here, such as `malformed_tool_use`, mean `unknown`."""
STATUSES: Final[Mapping[str, int]] = {
    "throttlingexception": 429,
    "servicequotaexceededexception": 429,
    "modeltimeoutexception": 408,
    "modelnotreadyexception": 503,
    "serviceunavailableexception": 503,
    "internalserverexception": 500,
    "modelerrorexception": 502,
    "modelstreamerrorexception": 502,
    "accessdeniedexception": 403,
    "resourcenotfoundexception": 404,
    "validationexception": 400,
}
"""What an error's type means as a status, whatever status it comes with: a model that is not ready comes with 429, and
one that failed with 424."""


class ToolUse(msgspec.Struct, rename="camel"):
    """The model's wish to have a tool called."""

    name: str
    tool_use_id: str
    input: msgspec.Raw


class Block(msgspec.Struct, rename="camel"):
    """A content block; what is neither text nor a tool's call, such as the model's reasoning, is left aside."""

    text: str | None = None
    tool_use: ToolUse | None = None


class Reply(msgspec.Struct):
    """The message of an answer."""

    content: list[Block]


class Output(msgspec.Struct):
    """What the model said."""

    message: Reply


class Tokens(msgspec.Struct, rename="camel"):
    """Tokens. Those of the prompt that its cache was read or written for are not in `input_tokens`."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None


class Converse(msgspec.Struct, rename="camel"):
    """A complete answer; fields that are not named are ignored."""

    output: Output
    stop_reason: str
    usage: Tokens | None = None


class Fault(msgspec.Struct):
    """An error's body, where its type may stand if no header says it. Source: AWS JSON protocols."""

    type: str = msgspec.field(default="", name="__type")


_DECODER: Final = msgspec.json.Decoder(Converse)
_FAULTS: Final = msgspec.json.Decoder(Fault)


def from_wire(body: bytes, model: str) -> Answer:
    """Return the answer; `model` is the one that was asked, for Converse does not say.

    Raises:
        ProviderGarbled: when it is not the documented form.
    """
    converse = understood(_DECODER, body, "an answer of Converse")
    blocks = converse.output.message.content
    text = "".join(block.text for block in blocks if block.text)
    calls = tuple(_call(block.tool_use) for block in blocks if block.tool_use)
    choice = Choice(text, REASONS.get(converse.stop_reason, "unknown"), converse.stop_reason, calls)
    return Answer((choice,), usage(converse.usage), model)


def usage(tokens: Tokens | None) -> Usage | None:
    """Return the tokens as they are counted everywhere else: the prompt's are all of its tokens, cached ones too."""
    if tokens is None:
        return None
    read, written = tokens.cache_read_input_tokens or 0, tokens.cache_write_input_tokens or 0
    return Usage(tokens.input_tokens + read + written, tokens.output_tokens, read)


def refusal(status: int, headers: Mapping[str, str], body: bytes, retry_after_s: float | None) -> ParleyError:
    """Return what an answer that is not 200 means, by the type that it names, else by its status."""
    return named_fault(headers.get("x-amzn-errortype") or _type_in(body), status, retry_after_s)


def named_fault(error_type: str, status: int, retry_after_s: float | None = None) -> ParleyError:
    """Return what an error's type means, or else `status`; a type may carry a namespace or an address.

    Source: Smithy's AWS JSON protocols, "Operation error serialization".
    """
    name = error_type.partition(":")[0].rpartition("#")[2].strip().lower()
    return fault(STATUSES.get(name, status), retry_after_s)


def _type_in(body: bytes) -> str:
    try:
        return _FAULTS.decode(body).type
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""  # a proxy's page: its status says enough


def _call(use: ToolUse) -> ToolCall:
    return ToolCall(use.tool_use_id, use.name, bytes(use.input).decode())
