"""conversation.googleai: Google's Gemini, by its endpoint that is compatible with OpenAI's.

Source: "OpenAI compatibility" and "Thought signatures" of the Gemini API's docs; the default model from Dapr's
component of the same type.
"""

import re
from collections.abc import Mapping
from typing import Final

from pydantic import Field

from parley_sidecar.completions.dialect import Dialect
from parley_sidecar.completions.provider import CompletionsProvider
from parley_sidecar.completions.settings import CompletionsSettings
from parley_sidecar.http_client import HttpClient
from parley_sidecar.model import Converse

UNSIGNED: Final[Mapping[str, object]] = {"google": {"thought_signature": "skip_thought_signature_validator"}}
"""Says that a tool call of an earlier turn comes without its signature. Source: "Thought signatures", FAQ."""
_BEFORE_SIGNATURES: Final = re.compile(r"(?:models/)?gemini-[12]\b", re.ASCII)


class Settings(CompletionsSettings):
    """What a component of this type may set."""

    model: str = Field("gemini-2.5-flash-lite", description="The model that answers.")
    endpoint: str = Field(
        "https://generativelanguage.googleapis.com/v1beta/openai",
        description="The root of the API that is like OpenAI's.",
    )


def unsigned(model: str) -> Mapping[str, object] | None:
    """Return what a model from Gemini 3 on wants of a tool call that it did not sign; no caller keeps signatures."""
    return None if _BEFORE_SIGNATURES.match(model) else UNSIGNED


GOOGLEAI: Final = Dialect(has_result_names=True, has_strict_tools=False, call_extra=unsigned)


def connect(settings: Settings, http: HttpClient) -> Converse:
    """Return the provider for one component."""
    return CompletionsProvider(settings, http, GOOGLEAI)
