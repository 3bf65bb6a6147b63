"""Azure's OpenAI as the openai package asks it: the same server, and a component that says so."""

from tests.vendors import openai_azure
from tests.vendors.chat_completions import app as serving

TYPE = "conversation.openai"
MOUNT = "conversation.openai-azure-sdk"


def settings(url: str) -> dict[str, str]:
    """Return the settings of a component that reaches it."""
    return {**openai_azure.settings(url), "transport": "sdk"}


app = serving(openai_azure.RULES)
