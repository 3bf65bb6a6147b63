"""Ollama's chat completions endpoint, which has no tool choice. Source: "OpenAI compatibility" of its docs."""

from tests.vendors.chat_completions import Rules
from tests.vendors.chat_completions import app as serving
from tests.vendors.huggingface import usage

TYPE = "conversation.ollama"
RULES = Rules(
    paths=("/v1/chat/completions",),
    key="ollama",
    fields=Rules().fields - {"tool_choice"},
    strict_tools=False,
    chooses=False,
    usage=usage,
    whole_calls=True,
)


def settings(url: str) -> dict[str, str]:
    """Return the settings of a component that reaches it; the key is its default."""
    return {"endpoint": f"{url}/v1", "model": "m-1"}


app = serving(RULES)
