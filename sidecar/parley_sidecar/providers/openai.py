"""conversation.openai: OpenAI's chat completions, Azure's, and every server that speaks the same, by `endpoint`.

Own wire forms over the shared HTTP client: the official SDK costs six times the CPU of a whole request here.
Source: the chat completions reference of OpenAI, and of Azure; defaults from Dapr's component of the same type.
"""

from dataclasses import replace
from typing import Final, Literal, Self
from urllib.parse import quote

from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic.config import JsonDict

from parley_sidecar.completions.dialect import Dialect
from parley_sidecar.completions.provider import CompletionsProvider, UrlOf, bearer, chat_completions
from parley_sidecar.completions.settings import CompletionsSettings
from parley_sidecar.http_client import HttpClient
from parley_sidecar.model import Converse
from parley_sidecar.targets import Headers, Target, headers_in, printable

AZURE_MODEL: Final = "gpt-4.1-nano"
OPENAI: Final = Dialect(max_tokens="max_completion_tokens", developer="developer", has_names=True, keeps_prompts=True)
AZURE: Final = replace(OPENAI, keeps_prompts=False)

RULES: Final[JsonDict] = {
    "additionalProperties": False,
    "allOf": [
        {
            "if": {"properties": {"transport": {"const": "sdk"}}, "required": ["transport"]},
            "else": {"required": ["key"]},
        },
        {
            "if": {
                "properties": {"apiType": {"const": "azure"}, "transport": {"const": "http"}},
                "required": ["apiType"],
            },
            "then": {"required": ["endpoint", "apiVersion"]},
        },
    ],
}
"""Which settings need which others, in JSON Schema's words, for those who judge a component without its provider."""


class Settings(CompletionsSettings):
    """What a component of this type may set."""

    model_config = ConfigDict(json_schema_extra=RULES)

    key: SecretStr = Field(SecretStr(""), description="The API key; the sdk transport has other ways to sign in, too.")
    model: str = Field(
        "gpt-5-nano", description="The model that answers; of Azure the deployment, where the default is gpt-4.1-nano."
    )
    endpoint: str = Field(
        "https://api.openai.com/v1", description="The root of the API, up to and with /v1; of Azure the resource's URL."
    )
    api_type: Literal["open_ai", "azure"] = Field(
        "open_ai", alias="apiType", description="Whose form of the API it is; azure needs endpoint and apiVersion."
    )
    api_version: str | None = Field(None, alias="apiVersion", description="The version of Azure's API.")
    organization: str | None = Field(None, description="The OpenAI organization that pays.")
    project: str | None = Field(None, description="The OpenAI project that pays.")
    headers: SecretStr | None = Field(
        None, description="A JSON object of more headers, such as a gateway before the API wants them."
    )
    transport: Literal["http", "sdk"] = Field(
        "http", description="sdk sends through the openai package, with its ways to sign in."
    )
    azure_tenant_id: str | None = Field(
        None, alias="azureTenantId", description="Of transport sdk: the tenant of Entra ID that gives the token."
    )
    azure_client_id: str | None = Field(
        None, alias="azureClientId", description="Of transport sdk: the identity that asks Entra ID for a token."
    )
    azure_client_secret: SecretStr | None = Field(
        None, alias="azureClientSecret", description="Of transport sdk: the secret of an identity that has one."
    )

    @field_validator("organization", "project")
    @classmethod
    def _can_stand_in_a_header(cls, text: str | None) -> str | None:
        return text and printable(text)

    @field_validator("headers")
    @classmethod
    def _headers_can_be_sent(cls, headers: SecretStr | None) -> SecretStr | None:
        headers_in(headers.get_secret_value() if headers else "")
        return headers

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.transport == "http":
            _must_be_whole(self)
        if self.api_type == "azure" and "model" not in self.model_fields_set:
            self.model = AZURE_MODEL
        return self


def _must_be_whole(settings: Settings) -> None:
    """Raise ValueError for what only the openai package could find elsewhere."""
    given = settings.model_fields_set
    if "key" not in given:
        raise ValueError("the setting key: Field required")
    if settings.api_type == "azure" and ("endpoint" not in given or not settings.api_version):
        raise ValueError("endpoint and apiVersion must be given where apiType is azure")
    if not given.isdisjoint({"azure_tenant_id", "azure_client_id", "azure_client_secret"}):
        raise ValueError("an identity of Azure needs transport: sdk")


def connect(settings: Settings, http: HttpClient) -> Converse:
    """Return the provider for one component."""
    if settings.transport == "sdk":
        from parley_sidecar.sdk_transport import connect_sdk  # noqa: PLC0415 - the SDK costs 30 MiB, only who wants it

        return connect_sdk(settings, http)
    return over_http(settings, http)


def over_http(settings: Settings, http: HttpClient) -> Converse:
    """Return the provider for settings that say all that it needs, over `http` or what stands in its place."""
    key, own = settings.key.get_secret_value(), _own_headers(settings)
    if settings.api_type == "azure":
        target = Target(settings.endpoint, key, api_key, own)
        return CompletionsProvider(settings, http, AZURE, target, deployment_url(settings.api_version or ""))
    return CompletionsProvider(settings, http, OPENAI, Target(settings.endpoint, key, bearer, own), chat_completions)


def api_key(key: str) -> Headers:
    """Return the headers of a request, with the key as Azure wants it."""
    return {"api-key": key, "Content-Type": "application/json", "Accept": "application/json"}


def deployment_url(api_version: str) -> UrlOf:
    """Return what makes the URL where a deployment of Azure answers."""
    query = f"?api-version={quote(api_version, safe='')}"

    def url(endpoint: str, deployment: str) -> str:
        return f"{endpoint}/openai/deployments/{quote(deployment, safe='')}/chat/completions{query}"

    return url


def _own_headers(settings: Settings) -> Headers:
    """Return the headers that belong to the component's key and endpoint, and go nowhere else."""
    own = headers_in(settings.headers.get_secret_value() if settings.headers else "")
    if settings.organization:
        own["OpenAI-Organization"] = settings.organization
    if settings.project:
        own["OpenAI-Project"] = settings.project
    return own
