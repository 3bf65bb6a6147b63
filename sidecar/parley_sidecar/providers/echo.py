"""conversation.echo: says what it was told, as Dapr's echo does; costs nothing and needs no key.

For laptops, for tests, and as the oracle of the published cases. One whitespace-separated word counts as one token.
Source: Dapr's conversation.echo; its limit on tokens is dapr/dapr#10322.
"""

import re
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping

from pydantic import BaseModel, ConfigDict, Field

from parley_sidecar.drafts import Draft, begun
from parley_sidecar.errors import ProviderRefused
from parley_sidecar.http_client import HttpClient
from parley_sidecar.model import (
    Answer,
    Choice,
    Converse,
    ConverseRequest,
    Delta,
    Message,
    Reply,
    Tool,
    ToolCall,
    ToolCallDelta,
    Usage,
)


class Settings(BaseModel):
    """What a component of this type may set; Dapr's manifests carry others, which mean nothing here."""

    model_config = ConfigDict(extra="ignore")

    max_tokens: int | None = Field(None, alias="maxTokens", description="Words that an answer has at most.")


def connect(settings: Settings, _: HttpClient) -> Converse:
    """Return the provider for one component; it needs no HTTP client."""
    usual = settings.max_tokens if settings.max_tokens and settings.max_tokens > 0 else None

    async def converse(request: ConverseRequest, /) -> Reply:
        most = usual if request.max_tokens is None else request.max_tokens
        answer = echoed("\n".join(_lines(request.messages)), most, _calls(request))
        if not request.wants_stream:
            return answer
        draft = Draft()
        return await begun(_streamed(answer, draft), draft)

    return converse


def echoed(text: str, most_words: int | None, calls: tuple[ToolCall, ...] = ()) -> Answer:
    """Return the answer; a text that is cut is joined anew by single spaces, and its end is its length's doing."""
    words = text.split()
    if most_words is not None and len(words) > most_words:
        kept = " ".join(words[:most_words])
        return Answer((Choice(kept, "length", "length", calls),), Usage(len(words), most_words))
    usage = Usage(len(words), len(words))
    if calls:
        return Answer((Choice(text, "tool_calls", "tool_calls", calls),), usage)
    return Answer((Choice(text, "stop", "stop"),), usage)


def _lines(messages: Iterable[Message]) -> Iterator[str]:
    for message in messages:
        if message.role == "tool":
            call_id, name = message.tool_call_id or "", message.name or ""
            yield f"Tool Response for tool ID '{call_id}' with name '{name}': {message.text}"
        elif message.text or not message.tool_calls:  # who only asks for tools says nothing
            yield message.text


def _calls(request: ConverseRequest) -> tuple[ToolCall, ...]:
    """Return a call of each tool, then those that assistants made; toolChoice does not matter."""
    made = tuple(call for message in request.messages for call in message.tool_calls)
    return tuple(_of_each(request.tools)) + made if request.tools else made


def _of_each(tools: Iterable[Tool]) -> Iterator[ToolCall]:
    for place, tool in enumerate(tools):
        yield ToolCall(str(place), tool.name, ",".join(sorted(_properties(tool))))


def _properties(tool: Tool) -> Mapping[str, object]:
    properties = (tool.parameters or {}).get("properties", {})
    if not isinstance(properties, Mapping):
        raise ProviderRefused(f"the properties of the tool {tool.name} are no object")
    return properties


async def _streamed(answer: Answer, draft: Draft) -> AsyncGenerator[Delta, None]:
    """Yield the answer word by word, with the space in front of each, then its tool calls."""
    (choice,) = answer.choices
    draft.usage = answer.usage
    for piece in re.findall(r"\s*\S+|\s+$", choice.text):
        yield draft.add(Delta(piece))
    for place, call in enumerate(choice.tool_calls):
        yield draft.add(Delta(tool_calls=(ToolCallDelta(place, call.id, call.name, call.arguments),)))
    draft.finish(choice.finish_reason, choice.raw_finish_reason)
