"""The nouns of a converse request: what every layer and every provider takes and returns.

`Converse` is the one interface: the pipeline, each layer and each provider have it, so any of them can stand where
another stands. Nothing here knows HTTP, Redis or a vendor.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol

Role = Literal["system", "developer", "user", "assistant", "tool"]

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "unknown"]
"""OpenAI's set, plus `unknown`: the provider's own word is kept in `Choice.raw_finish_reason`."""


NO_PARAMETERS: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation, text only. `name` is the participant's name, if the caller gave one."""

    role: Role
    text: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a request replaces in its component's settings. Source: the API reference's `metadata`."""

    model: str | None = None
    key: str | None = field(default=None, repr=False)
    endpoint: str | None = None


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """What a request asks of the cache. Source: `cacheTTL` in `metadata`, Cache-Control (RFC 9111 5.2.1)."""

    ttl_s: float | None = None
    """Replaces the component's lifetime, in seconds; 0 means no-store; None leaves the component's."""
    may_read: bool = True
    may_store: bool = True
    max_age_s: float | None = None
    """The oldest answer the caller accepts, in seconds."""


CacheTier = Literal["memory", "redis"]


@dataclass(frozen=True, slots=True)
class CacheStatus:
    """What the cache did with a request; rendered as the Cache-Status header. Source: RFC 9211."""

    hit: bool
    tier: CacheTier | None = None
    ttl_s: int | None = None
    """Seconds of freshness left, on a hit."""
    stored: bool = False


Api = Literal["alpha1", "alpha2"]
"""The door a request came through: a label of the metrics."""


@dataclass(slots=True)
class Trace:
    """Facts that layers write down about one request on its way; only `observe` and `wire` read them.

    The single mutable thing in a request: one per request, never shared, never stored.
    """

    request_id: str
    api: Api = "alpha2"
    provider_s: float = 0.0
    """Seconds spent waiting for the provider, all attempts together."""
    cache: CacheStatus | None = None


@dataclass(frozen=True, slots=True)
class ConverseRequest:
    """One request, whatever door it came through.

    `parameters` are custom fields for the provider's body; `wants_stream` asks for a `Stream`, which a provider that
    cannot stream may answer with an `Answer`.
    """

    messages: tuple[Message, ...]
    trace: Trace
    temperature: float | None = None
    max_tokens: int | None = None
    parameters: Mapping[str, object] = field(default_factory=lambda: NO_PARAMETERS)
    overrides: Overrides = Overrides()
    cache: CachePolicy = CachePolicy()
    wants_stream: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
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


@dataclass(frozen=True, slots=True)
class Choice:
    """One alternative of an answer."""

    text: str
    finish_reason: FinishReason = "stop"
    raw_finish_reason: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete reply. `usage` is None where the provider reports none; `model` is the one that answered."""

    choices: tuple[Choice, ...]
    usage: Usage | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of a choice's text, in order of arrival."""

    text: str
    index: int = 0


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

    async def __call__(self, request: ConverseRequest, /) -> Reply:
        """Answer `request`."""
        ...


Layer = Callable[[Converse], Converse]
