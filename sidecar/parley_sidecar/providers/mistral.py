"""conversation.mistral: Mistral's own chat completions, which are OpenAI's but for what its dialect says.

Source: the chat reference of Mistral's API, and mistral-common, whose rules for the order of messages its server has;
the default from Dapr's component of the same type.
"""

import hashlib
import re
import string
from typing import Final

from pydantic import Field

from parley_sidecar.completions.dialect import Dialect
from parley_sidecar.completions.provider import CompletionsProvider
from parley_sidecar.completions.settings import CompletionsSettings
from parley_sidecar.http_client import HttpClient
from parley_sidecar.model import Converse

_CALL_ID: Final = re.compile(r"[A-Za-z0-9]{9}", re.ASCII)
_LETTERS_AND_DIGITS: Final = string.ascii_letters + string.digits


class Settings(CompletionsSettings):
    """What a component of this type may set."""

    model: str = Field("open-mistral-7b", description="The model that answers.")
    endpoint: str = Field("https://api.mistral.ai/v1", description="The root of the API, up to and with /v1.")


def nine(call_id: str) -> str:
    """Return a tool call's id that Mistral takes: nine letters and digits. One that it gave itself is kept."""
    if _CALL_ID.fullmatch(call_id):
        return call_id
    digest = hashlib.sha256(call_id.encode()).digest()
    return "".join(_LETTERS_AND_DIGITS[byte % len(_LETTERS_AND_DIGITS)] for byte in digest[:9])


MISTRAL: Final = Dialect(
    has_result_names=True,
    no_content="",
    call_id=nine,
    bridge="OK",
    required="any",
    bare_tools_need_parameters=True,
    asks_for_usage=False,
)


def connect(settings: Settings, http: HttpClient) -> Converse:
    """Return the provider for one component."""
    return CompletionsProvider(settings, http, MISTRAL)
