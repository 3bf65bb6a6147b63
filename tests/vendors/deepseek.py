"""DeepSeek's chat completions: JSON but no schemas, and its own words for the prompt's cache.

Source: the API reference of DeepSeek, "Create Chat Completion".
"""

from tests.vendors.chat_completions import CACHED_TOKENS, REASONING_TOKENS, Body, Rules
from tests.vendors.chat_completions import app as serving

TYPE = "conversation.deepseek"


def usage(prompt: int, completion: int) -> Body:
    """Return usage in DeepSeek's form."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_cache_hit_tokens": CACHED_TOKENS,
        "prompt_cache_miss_tokens": prompt - CACHED_TOKENS,
        "completion_tokens_details": {"reasoning_tokens": REASONING_TOKENS},
    }


RULES = Rules(
    key="deepseek-good",
    fields=(Rules().fields - {"seed"}) | {"thinking", "logprobs", "top_logprobs"},
    has_names=True,
    strict_tools=False,
    schemas=False,
    usage=usage,
)


def settings(url: str) -> dict[str, str]:
    """Return the settings of a component that reaches it."""
    return {"key": RULES.key, "endpoint": url, "model": "m-1"}


app = serving(RULES)
