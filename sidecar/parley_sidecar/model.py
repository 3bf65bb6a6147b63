"""The nouns of a converse request: what every layer and every provider takes and returns.

`Converse` is the one interface: the pipeline, each layer and each provider have it, so any of them can stand where
another stands. Nothing here knows HTTP, Redis or a vendor.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, Protocol

from msgspec import Struct, field

Role = Literal["system", "developer", "user", "assistant", "tool"]

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "unknown"]
"""OpenAI's set, plus `unknown`: the provider's own word is kept in `Choice.raw_finish_reason`."""


NO_PARAMETERS: Mapping[str, object] = MappingProxyType({})


class ToolCall(Struct, frozen=True):
    """A model's wish to have a function called. `arguments` is JSON text as the model wrote it, which may be broken."""

    id: str
    name: str
    arguments: str = ""


class Message(Struct, frozen=True):
    """One turn of a conversation; several text parts are one text, with a newline between them.

    `name` is the participant's name, if the caller gave one; of a tool's result it is the tool's.
    """

    role: Role
    text: str
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    """What an assistant asked for."""
    tool_call_id: str | None = None
    """Which call a tool's result answers."""
    scrub: bool = False
    """Whether the caller wants personal data in it hidden from the provider."""


class Tool(Struct, frozen=True):
    """A function that the model may ask for. `parameters` is a JSON schema, passed on whole; None where it takes none.

    `strict` asks for arguments that fit the schema exactly, where a provider can promise that.
    """

    name: str
    description: str | None = None
    parameters: Mapping[str, object] | None = None
    strict: bool | None = None


class NamedTool(Struct, frozen=True):
    """The one tool that the model must ask for."""

    name: str


ToolChoice = Literal["auto", "none", "required"] | NamedTool
"""Whether the model may, may not or must ask for a tool."""


class ResponseFormat(Struct, frozen=True):
    """The answer is JSON: of a schema, passed on whole, or any object where `schema` is None."""

    schema: Mapping[str, object] | None = None
    name: str = "response"
    description: str | None = None
    strict: bool | None = None


class Overrides(Struct, frozen=True):
    """What a request replaces in its component's settings. Source: the API reference's `metadata`."""

    model: str | None = None
    key: str | None = None
    endpoint: str | None = None

    def __repr__(self) -> str:
        return f"Overrides(model={self.model!r}, endpoint={self.endpoint!r})"  # the key is nobody's to see


class CachePolicy(Struct, frozen=True):
    """What a request asks of the cache. Source: `cacheTTL` in `metadata`, Cache-Control (RFC 9111 5.2.1)."""

    ttl_s: float | None = None
    """Replaces the component's lifetime, in seconds; 0 means no-store; None leaves the component's."""
    may_read: bool = True
    may_store: bool = True
    max_age_s: float | None = None
    """The oldest answer the caller accepts, in seconds."""


CacheTier = Literal["memory", "redis"]

Forwarded = Literal["miss", "request", "stale", "bypass"]
"""Why the provider was asked. Source: RFC 9211 2.2: nothing fitted, the request's own directives, too old, no cache."""


class CacheStatus(Struct, frozen=True):
    """What the cache did with a request; rendered as the Cache-Status header. Source: RFC 9211."""

    hit: bool
    tier: CacheTier | None = None
    ttl_s: int | None = None
    """Seconds of freshness left, on a hit."""
    stored: bool = False
    forward: Forwarded = "miss"
    """Why it was no hit, where it was none."""
    collapsed: bool = False
    """Whether another request's call to the provider answered this one too: its tokens were not spent again."""


Api = Literal["alpha1", "alpha2", "openai"]
"""The door a request came through: a label of the metrics."""


class Trace(Struct):
    """Facts that layers write down about one request on its way, for `observe` and `wire`; and its deadline.

    The single mutable thing in a request: one per request, never shared, never stored.
    """

    request_id: str
    api: Api = "alpha2"
    provider_s: float = 0.0
    """Seconds spent waiting for the provider, all attempts together."""
    cache: CacheStatus | None = None
    deadline_s: float | None = None
    """When the whole request must be over, on the event loop's clock: set by a caller that says so (gRPC), drawn in by
    the deadline layer, kept by the layers within it."""
    deadline_is_own: bool = False
    """Whether the component that is asked set it itself: then a provider that misses it is at fault."""
    answered_by: str | None = None
    """The component that answered in place of the one that was asked; its answer is not cached."""


@dataclass(frozen=True, slots=True)
class Partition:
    """The part of the store that belongs to one chat room: what is cached there is erased with it."""

    tag: bytes
    """What all keys of the room share."""
    epoch: bytes
    """Random, made anew with the room: an answer from before it was erased is never met."""
    seal: Callable[[bytes], bytes]
    unseal: Callable[[bytes], bytes | None]
    """Returns None for what this room did not seal."""


class RoomVault(Protocol):
    """The values of a chat room as a request met them; those of turns before it, that came later, are added."""

    epoch: bytes | None
    """Which life of the room they belong to; None outside of rooms."""

    @property
    def size(self) -> int:
        """How many there are."""
        ...

    def add(self, names: Iterable[tuple[str, str, int]]) -> None:
        """Take names in: kind, value and number."""
        ...


class ConverseRequest(Struct, frozen=True):
    """One request, whatever door it came through.

    `parameters` are custom fields for the provider's body; `wants_stream` asks for a `Stream`, which a provider that
    cannot stream may answer with an `Answer`.
    """

    messages: tuple[Message, ...]
    trace: Trace
    temperature: float | None = None
    max_tokens: int | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    """None leaves it to the provider, whose default is auto where there are tools."""
    response_format: ResponseFormat | None = None
    prompt_cache_retention_s: float | None = None
    """How long the provider is to keep its own cache of the prompt, in seconds."""
    scrub_answer: bool = False
    """Whether the caller wants personal data in the answer hidden from itself."""
    parameters: Mapping[str, object] = field(default_factory=lambda: NO_PARAMETERS)
    overrides: Overrides = Overrides()
    cache: CachePolicy = CachePolicy()
    wants_stream: bool = False
    context_id: str | None = None
    """The chat room that the caller names; without effect where the component keeps none."""
    partition: Partition | None = None
    """Where answers of this request are cached, if it belongs to a room."""
    vault: RoomVault | None = None
    """What its tokens stand for; set by the scrub layer where it gave numbers."""


class Usage(Struct, frozen=True):
    """Tokens as the provider counted them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    """The part of `prompt_tokens` that the provider read from its own prompt cache."""
    reasoning_tokens: int = 0
    """The part of `completion_tokens` that is not in the text."""

    @property
    def total_tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens


class Choice(Struct, frozen=True):
    """One alternative of an answer."""

    text: str
    finish_reason: FinishReason = "stop"
    raw_finish_reason: str = ""
    tool_calls: tuple[ToolCall, ...] = ()


class Answer(Struct, frozen=True):
    """A complete reply. `usage` is None where the provider reports none; `model` is the one that answered."""

    choices: tuple[Choice, ...]
    usage: Usage | None = None
    model: str | None = None


class ToolCallDelta(Struct, frozen=True):
    """A piece of one tool call: `place` says of which one within its choice; id and name come with its first piece."""

    place: int
    id: str = ""
    name: str = ""
    arguments: str = ""


class Delta(Struct, frozen=True):
    """A piece of a choice, in order of arrival: of its text, or of its tool calls."""

    text: str = ""
    index: int = 0
    tool_calls: tuple[ToolCallDelta, ...] = ()


class Stream(Protocol):
    """A reply in pieces: iterate the deltas once, then `answer` holds the same `Answer` a complete reply would be.

    Whoever wraps a stream closes what it wraps; `aclose` may be called at any time, more than once.
    """

    @property
    def answer(self) -> Answer:
        """The whole answer; raises RuntimeError before the last delta was read."""
        ...

    def __aiter__(self) -> AsyncIterator[Delta]:
        """Iterate the deltas; raises one of `errors.ParleyError` if the provider fails on the way."""
        ...

    async def aclose(self) -> None:
        """End the call to the provider and free what it holds."""
        ...


Reply = Answer | Stream


class Converse(Protocol):
    """The one call of Parley: ask, and get a reply or one of `errors.ParleyError`."""

    def __call__(self, request: ConverseRequest, /) -> Coroutine[Any, Any, Reply]:
        """Answer `request`, when awaited; a layer that has nothing to do hands out what the inner one gives."""
        ...


Layer = Callable[[Converse], Converse]
