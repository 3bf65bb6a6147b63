"""/v1.0-alpha2/conversation/{name}/converse, the reply: Dapr's current form.

Source: Dapr's ConversationResponseAlpha2 and protobuf's JSON mapping: zero values are left out, 64-bit
integers are text.
"""

from collections.abc import Iterator

import msgspec
from msgspec import UNSET, UnsetType, field

from parley_sidecar.model import Answer, Choice, Usage
from parley_sidecar.wire.json import encode

Text = str | UnsetType
"""Text that is left out where it says nothing."""


class Content(msgspec.Struct):
    """A choice's message."""

    content: Text = UNSET


class ReplyChoice(msgspec.Struct, rename="camel"):
    """A choice and its place among the provider's."""

    finish_reason: str
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
    return encode(Reply(context_id or UNSET, list(_outputs(answer)) or UNSET))


def _outputs(answer: Answer) -> Iterator[Output]:
    usage = _usage(answer.usage) if answer.usage else UNSET
    for place, choice in enumerate(answer.choices):
        yield Output([_choice(place, choice)], answer.model or UNSET, usage)


def _choice(place: int, choice: Choice) -> ReplyChoice:
    return ReplyChoice(choice.finish_reason, Content(choice.text or UNSET), _count(place))


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
