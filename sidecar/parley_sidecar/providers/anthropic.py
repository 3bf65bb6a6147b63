"""conversation.anthropic: Anthropic's Messages API, its own or in Microsoft Foundry.

The wire forms are in `messages_api`, and what they make of what the API has no place for. Source: the Messages API's
reference; "Claude in Microsoft Foundry"; defaults from Dapr's component of the same type.
"""

from collections.abc import AsyncGenerator, Mapping
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from parley_sidecar.drafts import Draft, begun
from parley_sidecar.faults import OK, fault
from parley_sidecar.http_client import HttpClient
from parley_sidecar.messages_api.reply import to_answer
from parley_sidecar.messages_api.request import to_body
from parley_sidecar.messages_api.stream import Reading
from parley_sidecar.model import Converse, ConverseRequest, Delta, Reply
from parley_sidecar.sse import events
from parley_sidecar.targets import Headers, Target, printable, root

DEFAULT_ENDPOINT: Final = "https://api.anthropic.com"
DEFAULT_MODEL: Final = "claude-sonnet-4-6"
DEFAULT_MAX_TOKENS: Final = 2048
"""The API has no default of its own. Source: Dapr's component."""
API_VERSION: Final = "2023-06-01"
"""The version that has a temperature; the next one, of October 2026, refuses it. Source: the API's "Versions"."""


class Settings(BaseModel):
    """What a component of this type may set."""

    model_config = ConfigDict(extra="ignore", json_schema_extra={"additionalProperties": False})

    key: SecretStr = Field(description="The API key.")
    model: str = Field(DEFAULT_MODEL, description="The model that answers; in Foundry, the deployment's name.")
    endpoint: str = Field(
        DEFAULT_ENDPOINT,
        description="The root of the API, up to and without /v1; in Foundry, it ends with /anthropic.",
    )
    api_type: Literal["anthropic", "foundry"] = Field(
        "anthropic", alias="apiType", description="Whose API it is; foundry needs an endpoint."
    )
    max_tokens: int = Field(DEFAULT_MAX_TOKENS, alias="maxTokens", description="Tokens that an answer has at most.")

    @field_validator("key")
    @classmethod
    def _key_is_printable(cls, key: SecretStr) -> SecretStr:
        return SecretStr(printable(key.get_secret_value()))

    @field_validator("endpoint")
    @classmethod
    def _endpoint_is_a_url(cls, endpoint: str) -> str:
        return root(endpoint)

    @field_validator("model")
    @classmethod
    def _model_is_named(cls, model: str) -> str:
        return model or DEFAULT_MODEL

    @field_validator("max_tokens")
    @classmethod
    def _limit_is_one(cls, most: int) -> int:
        return most if most > 0 else DEFAULT_MAX_TOKENS

    @model_validator(mode="after")
    def _foundry_has_an_endpoint(self) -> Self:
        if self.api_type == "foundry" and "endpoint" not in self.model_fields_set:
            raise ValueError("endpoint must be given where apiType is foundry")
        return self


def connect(settings: Settings, http: HttpClient) -> Converse:
    """Return the provider for one component."""
    headers_of = _foundry_headers if settings.api_type == "foundry" else _headers
    target = Target(settings.endpoint, settings.key.get_secret_value(), headers_of)

    async def converse(request: ConverseRequest, /) -> Reply:
        endpoint, headers = target.of(request.overrides)
        url, body = f"{endpoint}/v1/messages", _body(request, settings)
        if request.wants_stream:
            draft = Draft()
            return await begun(_deltas(http, url, headers, body, draft), draft)
        reply = await http.post(url, headers, body)
        if reply.status != OK:
            raise fault(reply.status, reply.retry_after_s)
        return to_answer(reply.body)

    return converse


def _body(request: ConverseRequest, settings: Settings) -> bytes:
    most = settings.max_tokens if request.max_tokens is None else request.max_tokens
    return to_body(request, settings.model, most)


async def _deltas(
    http: HttpClient, url: str, headers: Headers, body: bytes, draft: Draft
) -> AsyncGenerator[Delta, None]:
    async with http.exchange(url, headers, body) as exchange:
        if exchange.status != OK:
            raise fault(exchange.status, exchange.retry_after_s)
        reading = Reading(draft)
        async for event in events(exchange.chunks()):
            if (delta := reading.take(event.data)) is not None:
                yield delta
        reading.end()


def _headers(key: str) -> Mapping[str, str]:
    return {"x-api-key": key, "anthropic-version": API_VERSION, "Content-Type": "application/json"}


def _foundry_headers(key: str) -> Mapping[str, str]:
    """Give the key under Azure's name too, as the vendor's own client does for older resources."""
    return {**_headers(key), "api-key": key}
