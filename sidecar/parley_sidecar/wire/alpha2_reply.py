"""/v1.0-alpha2/conversation/{name}/converse, the complete reply: Dapr's current form.

Source: Dapr's ConversationResponseAlpha2 and protobuf's JSON mapping: zero values are left out, 64-bit
integers are text.
"""

from collections.abc import Callable

import msgspec
from msgspec import UNSET, UnsetType, field

from parley_sidecar.model import Answer, Choice, FinishReason, ToolCall, Usage
from parley_sidecar.wire.json import Text, encode


class ReplyFunction(msgspec.Struct):
    """The function that the model asks for; `arguments` is JSON text, as the model wrote it."""

    name: Text = UNSET
    arguments: Text = UNSET


class ReplyCall(msgspec.Struct):
    """One tool call."""

    function: ReplyFunction
    id: Text = UNSET


class Content(msgspec.Struct, rename="camel"):
    """A choice's message."""

    content: Text = UNSET
    tool_calls: list[ReplyCall] | UnsetType = UNSET


class ReplyChoice(msgspec.Struct, rename="camel"):
    """A choice and its place among the provider's."""

    finish_reason: FinishReason
    message: Content
    index: Text = UNSET


class CompletionDetails(msgspec.Struct, rename="camel"):
    """What the completion's tokens were."""

    reasoning_tokens: str


class PromptDetails(msgspec.Struct, rename="camel"):
    """What the prompt's tokens were."""

    cached_tokens: str


class ReplyUsage(msgspec.Struct, rename="camel"):
    """Tokens."""

    completion_tokens: Text = UNSET
    prompt_tokens: Text = UNSET
    total_tokens: Text = UNSET
    completion_tokens_details: CompletionDetails | UnsetType = UNSET
    prompt_tokens_details: PromptDetails | UnsetType = UNSET


class Output(msgspec.Struct):
    """One of the provider's choices; usage and model stand beside each, as in Dapr: do not add them up."""

    choices: list[ReplyChoice]
    model: Text = UNSET
    usage: ReplyUsage | UnsetType = UNSET


class Reply(msgspec.Struct):
    """A reply's body."""

    context_id: Text = field(default=UNSET, name="contextId")
    outputs: list[Output] | UnsetType = UNSET


def reply(context_id: str | None, answer: Answer) -> bytes:
    """Return the body of a 200."""
    return encode(Reply(context_id or UNSET, _outputs(answer, _content) or UNSET))


def ending(context_id: str | None, answer: Answer) -> Reply:
    """Return what ends a stream: the reply with empty messages, for they were sent in pieces."""
    return Reply(context_id or UNSET, _outputs(answer, _nothing) or UNSET)


def _outputs(answer: Answer, content: Callable[[Choice], Content]) -> list[Output]:
    usage, model = _usage(answer.usage) if answer.usage else UNSET, answer.model or UNSET
    return [
        Output([ReplyChoice(choice.finish_reason, content(choice), _count(place))], model, usage)
        for place, choice in enumerate(answer.choices)
    ]


def _content(choice: Choice) -> Content:
    if not choice.tool_calls:
        return Content(choice.text or UNSET)
    return Content(choice.text or UNSET, [_call(call) for call in choice.tool_calls])


def _nothing(_: Choice) -> Content:
    return Content()


def _call(call: ToolCall) -> ReplyCall:
    return ReplyCall(ReplyFunction(call.name or UNSET, call.arguments or UNSET), call.id or UNSET)


def _usage(usage: Usage) -> ReplyUsage:
    return ReplyUsage(
        completion_tokens=_count(usage.completion_tokens),
        prompt_tokens=_count(usage.prompt_tokens),
        total_tokens=_count(usage.total_tokens),
        completion_tokens_details=CompletionDetails(str(usage.reasoning_tokens)) if usage.reasoning_tokens else UNSET,
        prompt_tokens_details=PromptDetails(str(usage.cached_tokens)) if usage.cached_tokens else UNSET,
    )


def _count(number: int) -> Text:
    return str(number) if number else UNSET
