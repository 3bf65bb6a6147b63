"""conversation.huggingface: Hugging Face's router of inference providers, or an endpoint of one's own.

A model may name its provider after a colon. Source: "Inference Providers", chat completion, of Hugging Face's docs; the
default model from Dapr's component of the same type, whose endpoint for each model has given way to one for all.
"""

from typing import Final

from pydantic import Field

from parley_sidecar.completions.dialect import Dialect
from parley_sidecar.completions.provider import CompletionsProvider
from parley_sidecar.completions.settings import CompletionsSettings
from parley_sidecar.http_client import HttpClient
from parley_sidecar.model import Converse

HUGGINGFACE: Final = Dialect(has_names=True, has_strict_tools=False)


class Settings(CompletionsSettings):
    """What a component of this type may set."""

    model: str = Field("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", description="The model that answers.")
    endpoint: str = Field("https://router.huggingface.co/v1", description="The root of the API, up to and with /v1.")


def connect(settings: Settings, http: HttpClient) -> Converse:
    """Return the provider for one component."""
    return CompletionsProvider(settings, http, HUGGINGFACE)
