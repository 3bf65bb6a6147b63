"""conversation.deepseek: DeepSeek's chat completions.

It can promise JSON, but not that it fits a schema, so the schema is told to the model in words; and it has strict tools
on a beta endpoint alone. Source: the API reference of DeepSeek; the default from Dapr's component of the same type.
"""

from typing import Final

from pydantic import Field

from parley_sidecar.completions.dialect import Dialect
from parley_sidecar.completions.provider import CompletionsProvider
from parley_sidecar.completions.settings import CompletionsSettings
from parley_sidecar.http_client import HttpClient
from parley_sidecar.model import Converse

DEEPSEEK: Final = Dialect(has_names=True, has_schemas=False, has_strict_tools=False)


class Settings(CompletionsSettings):
    """What a component of this type may set."""

    model: str = Field("deepseek-chat", description="The model that answers.")
    endpoint: str = Field("https://api.deepseek.com", description="The root of the API.")


def connect(settings: Settings, http: HttpClient) -> Converse:
    """Return the provider for one component."""
    return CompletionsProvider(settings, http, DEEPSEEK)
