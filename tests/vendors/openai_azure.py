"""Azure's OpenAI: a deployment in the path, the version in the query, the key in a header of its own.

Source: "Azure OpenAI in Microsoft Foundry Models REST API reference".
"""

from tests.vendors.chat_completions import Rules
from tests.vendors.chat_completions import app as serving
from tests.vendors.openai import RULES as OPENAI

TYPE = "conversation.openai"
MOUNT = "conversation.openai-azure"
RULES = Rules(
    paths=("/openai/deployments/{deployment}/chat/completions",),
    query="api-version=2026-01-01",
    key="azure-good",
    key_header=("api-key", ""),
    fields=OPENAI.fields - {"prompt_cache_retention"},
    roles=OPENAI.roles,
    has_names=True,
    needs_model=False,
)


def settings(url: str) -> dict[str, str]:
    """Return the settings of a component that reaches it."""
    return {
        "apiType": "azure", "endpoint": url, "apiVersion": "2026-01-01", "key": RULES.key, "model": "m-1",
    }  # fmt: skip


app = serving(RULES)
