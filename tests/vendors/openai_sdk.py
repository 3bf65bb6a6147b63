"""OpenAI's chat completions as the openai package asks for them: the same server, and a component that says so."""

from tests.vendors import openai
from tests.vendors.chat_completions import app as serving

TYPE = "conversation.openai"
MOUNT = "conversation.openai-sdk"


def settings(url: str) -> dict[str, str]:
    """Return the settings of a component that reaches it."""
    return {**openai.settings(url), "transport": "sdk"}


app = serving(openai.RULES)
