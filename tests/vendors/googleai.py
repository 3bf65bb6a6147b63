"""Gemini's endpoint that is compatible with OpenAI's: results need the tool's name, and calls end with `stop`.

Source: "OpenAI compatibility" of the Gemini API's docs, and its public threads on tool calls.
"""

from typing import Any

from tests.vendors.chat_completions import Rules
from tests.vendors.chat_completions import app as serving
from tests.vendors.huggingface import usage

TYPE = "conversation.googleai"


def error(status: int, message: str) -> Any:
    """Return an error in Google's form, which is a list."""
    return [{"error": {"code": status, "message": message, "status": "INVALID_ARGUMENT"}}]


RULES = Rules(
    paths=("/v1beta/openai/chat/completions",),
    key="google-good",
    has_result_names=True,
    needs_result_names=True,
    extra_content=True,
    strict_tools=False,
    error=error,
    usage=usage,
    finish_reasons={"tool_calls": "stop"},
    new_call_id="function-call-1234567890",
    index_calls=False,
    whole_calls=True,
)


def settings(url: str) -> dict[str, str]:
    """Return the settings of a component that reaches it."""
    return {"key": RULES.key, "endpoint": f"{url}/v1beta/openai", "model": "gemini-3-m"}


app = serving(RULES)
