"""OpenAI's chat completions. Source: its API reference, "Create chat completion"."""

from tests.vendors.chat_completions import Rules
from tests.vendors.chat_completions import app as serving

TYPE = "conversation.openai"
RULES = Rules(
    paths=("/v1/chat/completions",),
    fields=(Rules().fields - {"max_tokens"})
    | {"max_completion_tokens", "prompt_cache_retention", "parallel_tool_calls", "user", "metadata", "logprobs", "n"},
    roles=frozenset({"developer", "system", "user", "assistant", "tool"}),
    has_names=True,
    retention=True,
)


def settings(url: str) -> dict[str, str]:
    """Return the settings of a component that reaches it."""
    return {"key": RULES.key, "endpoint": f"{url}/v1", "model": "m-1"}


app = serving(RULES)
