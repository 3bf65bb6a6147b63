"""Mistral's chat completions: unknown fields are refused, the order of turns is checked, contents come as lists.

Source: the chat reference of Mistral's API; `UsageInfo`, the id of tool calls and the order of mistral-common.
"""

import re
from typing import Any

from tests.vendors.chat_completions import CACHED_TOKENS, Body, Rules
from tests.vendors.chat_completions import app as serving

TYPE = "conversation.mistral"


def error(status: int, message: str) -> Body:
    """Return an error in Mistral's form."""
    if status == 401:
        return {"detail": "Unauthorized"}
    return {"object": "error", "message": message, "type": "invalid_request_error", "param": None, "code": "3001"}


def usage(prompt: int, completion: int) -> Body:
    """Return usage in Mistral's form."""
    tokens = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return {**tokens, "num_cached_tokens": CACHED_TOKENS}


def content(text: str) -> list[Any]:
    """Return a content as a reasoning model gives it."""
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    return [thought, {"type": "text", "text": text}]


RULES = Rules(
    paths=("/v1/chat/completions",),
    key="mistral-good",
    fields=frozenset(
        {
            "messages", "temperature", "top_p", "max_tokens", "stream", "stop", "random_seed", "response_format",
            "tools", "tool_choice", "presence_penalty", "frequency_penalty", "n", "prediction", "parallel_tool_calls",
            "prompt_mode", "safe_prompt", "metadata",
        }
    ),
    has_result_names=True,
    may_be_null=False,
    call_id=re.compile(r"[a-zA-Z0-9]{9}"),
    user_after_result=False,
    choices=frozenset({"auto", "none", "any"}),
    bare_tools=False,
    error=error,
    usage=usage,
    finish_reasons={"length": "model_length", "content_filter": "error"},
    new_call_id="D681PevKs",
    whole_calls=True,
    usage_unasked=True,
    content=content,
)  # fmt: skip


def settings(url: str) -> dict[str, str]:
    """Return the settings of a component that reaches it."""
    return {"key": RULES.key, "endpoint": f"{url}/v1", "model": "m-1"}


app = serving(RULES)
