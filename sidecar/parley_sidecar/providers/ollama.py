"""conversation.ollama: a local Ollama, by its chat completions endpoint.

It takes any key, and has no tool choice: tools that may not be asked for are left out, and an answer without the tool
call that had to come is an error. Source: "OpenAI compatibility" of Ollama's docs; defaults from Dapr's component.
"""

from typing import Final

from pydantic import Field, SecretStr

from parley_sidecar.completions.dialect import Dialect
from parley_sidecar.completions.provider import CompletionsProvider
from parley_sidecar.completions.settings import CompletionsSettings
from parley_sidecar.http_client import HttpClient
from parley_sidecar.model import Converse

OLLAMA: Final = Dialect(chooses_tools=False, has_strict_tools=False)


class Settings(CompletionsSettings):
    """What a component of this type may set."""

    key: SecretStr = Field(
        SecretStr("ollama"),
        description="The API key, where something before Ollama wants one.",
        json_schema_extra={"default": "ollama"},
    )
    model: str = Field("llama3.2:latest", description="The model that answers.")
    endpoint: str = Field("http://localhost:11434/v1", description="The root of the API, up to and with /v1.")


def connect(settings: Settings, http: HttpClient) -> Converse:
    """Return the provider for one component."""
    return CompletionsProvider(settings, http, OLLAMA)
