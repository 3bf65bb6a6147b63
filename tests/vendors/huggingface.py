"""Hugging Face's router. Source: "Inference Providers", chat completion, of its docs."""

from tests.vendors.chat_completions import Body, Rules
from tests.vendors.chat_completions import app as serving

TYPE = "conversation.huggingface"


def error(_: int, message: str) -> Body:
    """Return an error in the router's form."""
    return {"error": message}


def usage(prompt: int, completion: int) -> Body:
    """Return usage without details."""
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


RULES = Rules(
    paths=("/v1/chat/completions",),
    key="hf_good",
    fields=Rules().fields | {"logprobs", "top_logprobs", "tool_prompt"},
    has_names=True,
    strict_tools=False,
    error=error,
    usage=usage,
    finish_reasons={"stop": "eos_token"},
)


def settings(url: str) -> dict[str, str]:
    """Return the settings of a component that reaches it."""
    return {"key": RULES.key, "endpoint": f"{url}/v1", "model": "m-1"}


app = serving(RULES)
