"""conversation.openai: OpenAI's chat completions, and every server that speaks the same.

Own wire forms over the shared HTTP client: the official SDK costs six times the CPU of a whole request here.
Source: the chat completions reference of OpenAI; defaults from Dapr's component of the same type.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from parley_sidecar.errors import (
    InvalidParameters,
    ParleyError,
    ProviderGarbled,
    ProviderRefused,
    ProviderUnavailable,
    RateLimited,
)
from parley_sidecar.http_client import HttpClient, HttpReply
from parley_sidecar.model import Answer, Choice, Converse, ConverseRequest, FinishReason, Message, Reply, Usage

DEFAULT_ENDPOINT: Final = "https://api.openai.com/v1"
OWN_FIELDS: Final = frozenset(
    {
        "messages", "model", "n", "stream", "stream_options", "temperature", "max_tokens", "max_completion_tokens",
        "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call", "response_format",
    }
)  # fmt: skip
"""Fields of the body that are Parley's to set; `parameters` may not name them."""


def printable(key: str) -> str:
    """Return a key without the newline that files end with; raises ValueError for what cannot stand in a header."""
    stripped = key.strip()
    if not stripped or not stripped.isascii() or not stripped.isprintable():
        raise ValueError("must be printable ASCII text, and not empty")
    return stripped


def root(endpoint: str) -> str:
    """Return an endpoint without its last slash; raises ValueError for what is no URL of a web server."""
    if not _is_web_url(endpoint):
        raise ValueError("must be an http:// or https:// URL with a host and without credentials")
    return endpoint.rstrip("/")


def _is_web_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.username is None and port != 0


class Settings(BaseModel):
    """What a component of this type may set."""

    model_config = ConfigDict(extra="ignore", json_schema_extra={"additionalProperties": False})

    key: SecretStr = Field(description="The API key.")
    model: str = Field("gpt-5-nano", description="The model that answers.")
    endpoint: str = Field(DEFAULT_ENDPOINT, description="The root of the API, up to and with /v1.")
    max_tokens: int | None = Field(None, alias="maxTokens", description="Tokens that an answer has at most.")

    @field_validator("key")
    @classmethod
    def _key_is_printable(cls, key: SecretStr) -> SecretStr:
        return SecretStr(printable(key.get_secret_value()))

    @field_validator("endpoint")
    @classmethod
    def _endpoint_is_a_url(cls, endpoint: str) -> str:
        return root(endpoint)


class WireMessage(msgspec.Struct, omit_defaults=True):
    """A message on its way out."""

    role: str
    content: str
    name: str | None = None


class WireChoiceMessage(msgspec.Struct):
    """The message of a choice."""

    content: str | None = None


class WireChoice(msgspec.Struct):
    """A choice."""

    message: WireChoiceMessage
    finish_reason: str | None = None


class WirePromptDetails(msgspec.Struct):
    """What the prompt's tokens were."""

    cached_tokens: int | None = None


class WireCompletionDetails(msgspec.Struct):
    """What the completion's tokens were."""

    reasoning_tokens: int | None = None


class WireUsage(msgspec.Struct):
    """Tokens."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: WirePromptDetails | None = None
    completion_tokens_details: WireCompletionDetails | None = None


class WireCompletion(msgspec.Struct):
    """A complete answer; fields that are not named are ignored."""

    choices: list[WireChoice]
    model: str | None = None
    usage: WireUsage | None = None


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(WireCompletion)
_REASONS: Final[Mapping[str, FinishReason]] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
"""Their own words, of OpenAI and of the servers that are like it, and what they mean."""


def connect(settings: Settings, http: HttpClient) -> Converse:
    """Return the provider for one component."""
    target = Target(settings)

    async def converse(request: ConverseRequest, /) -> Reply:
        url, headers = target.of(request)
        reply = await http.post(url, headers, to_wire(request, settings))
        return from_wire(reply)

    return converse


class Target:
    """Where requests go and with which key; an overridden endpoint never gets the component's."""

    def __init__(self, settings: Settings) -> None:
        self._url = _url(settings.endpoint)
        self._headers = _headers(settings.key.get_secret_value())

    def of(self, request: ConverseRequest) -> tuple[str, Mapping[str, str]]:
        """Return URL and headers.

        Raises:
            InvalidParameters: when the request names an endpoint without a key, or either cannot be one.
        """
        overrides = request.overrides
        headers = self._headers if overrides.key is None else _headers(_read("key", printable, overrides.key))
        if overrides.endpoint is None:
            return self._url, headers
        if overrides.key is None:
            raise InvalidParameters("an endpoint in metadata needs its own key there")
        return _url(_read("endpoint", root, overrides.endpoint)), headers


def to_wire(request: ConverseRequest, settings: Settings) -> bytes:
    """Return the body of a request.

    Raises:
        InvalidParameters: when `parameters` name a field that is ours.
    """
    if taken := OWN_FIELDS.intersection(request.parameters):
        raise InvalidParameters(f"parameters may not name {', '.join(sorted(taken))}")
    body: dict[str, Any] = {
        "model": request.overrides.model or settings.model,
        "messages": [_message(message) for message in request.messages],
        **request.parameters,
    }
    if request.temperature is not None:
        body["temperature"] = request.temperature
    most = request.max_tokens if request.max_tokens is not None else settings.max_tokens
    if most is not None and most > 0:
        body["max_completion_tokens"] = most
    return _ENCODER.encode(body)


def from_wire(reply: HttpReply) -> Answer:
    """Return the answer of a reply.

    Raises:
        ParleyError: the one that its status stands for; ProviderGarbled when it is not the documented form.
    """
    if reply.status != 200:  # noqa: PLR2004 - OK
        raise fault(reply)
    try:
        completion = _DECODER.decode(reply.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProviderGarbled("the provider's answer is not a chat completion") from error
    if not completion.choices:
        raise ProviderGarbled("the provider's answer has no choices")
    return Answer(tuple(map(_choice, completion.choices)), _usage(completion.usage), completion.model)


def fault(reply: HttpReply) -> ParleyError:
    """Return what a status other than 200 means; nothing of the body is kept, it may hold a part of the key."""
    status = reply.status
    if status == 429:  # noqa: PLR2004 - Too Many Requests
        return RateLimited("the provider limits the rate of requests", retry_after_s=reply.retry_after_s)
    if status >= 500 or status == 408:  # noqa: PLR2004 - a server's fault, Request Timeout
        return ProviderUnavailable(f"the provider answered with status {status}", retry_after_s=reply.retry_after_s)
    if status in {401, 403}:
        return ProviderRefused(f"the provider refused the key (status {status})")
    if status == 404:  # noqa: PLR2004 - Not Found
        return ProviderRefused("the provider does not know the model or the path (status 404)")
    return ProviderRefused(f"the provider refused the request (status {status})")


def _message(message: Message) -> WireMessage:
    return WireMessage(message.role, message.text, message.name)


def _choice(choice: WireChoice) -> Choice:
    raw = choice.finish_reason or ""
    return Choice(choice.message.content or "", _REASONS.get(raw, "unknown"), raw)


def _usage(usage: WireUsage | None) -> Usage | None:
    if usage is None:
        return None
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    cached = prompt.cached_tokens if prompt else None
    reasoning = completion.reasoning_tokens if completion else None
    return Usage(usage.prompt_tokens or 0, usage.completion_tokens or 0, cached or 0, reasoning or 0)


def _read(name: str, read: Callable[[str], str], text: str) -> str:
    """Return what `read` makes of an override, its ValueError as the caller's fault."""
    try:
        return read(text)
    except ValueError as error:
        raise InvalidParameters(f"{name} in metadata {error}") from error


def _url(endpoint: str) -> str:
    return f"{endpoint}/chat/completions"


def _headers(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "Accept": "application/json"}
