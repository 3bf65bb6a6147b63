"""OpenAI's chat completions on their way out."""

import json
import time
from typing import Any

import pytest
from openai.types.chat import ChatCompletion

from parley_sidecar.model import Answer, Choice, FinishReason, ToolCall, Usage
from parley_sidecar.wire.openai_reply import reply


def replied(answer: Answer) -> dict[str, Any]:
    """Return a reply's body, which must be OpenAI's to the letter."""
    body = reply(answer, "gpt")
    ChatCompletion.model_validate_json(body, strict=True)
    return dict(json.loads(body))


def test_an_answer_is_a_chat_completion() -> None:
    """Everything that OpenAI's answers always have is there."""
    body = replied(Answer((Choice("hi", "stop", "stop"),), Usage(3, 2, 1, 1), "gpt-5"))

    assert abs(time.time() - body.pop("created")) < 60
    assert body.pop("id").startswith("chatcmpl-")
    message = {"role": "assistant", "content": "hi", "refusal": None}
    assert {
        "object": "chat.completion",
        "model": "gpt-5",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": {
            "prompt_tokens": 3,
            "completion_tokens": 2,
            "total_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 1},
            "completion_tokens_details": {"reasoning_tokens": 1},
        },
    } == body


def test_every_reply_has_its_own_id() -> None:
    """The same answer from the cache is another reply."""
    answer = Answer((Choice("hi"),))

    assert replied(answer)["id"] != replied(answer)["id"]


def test_what_is_not_known_is_left_out() -> None:
    """Without a model the component's name stands there; without usage none does, for zeros would be wrong."""
    body = replied(Answer((Choice("hi"),)))

    assert ("gpt", False) == (body["model"], "usage" in body)


def test_tool_calls_have_no_content() -> None:
    """Content is null where there are tool calls alone, and text where there is some."""
    call = ToolCall("c1", "weather", "{}")
    body = replied(Answer((Choice("", "tool_calls", "", (call,)), Choice("look", "tool_calls", "", (call,)))))

    first, second = (choice["message"] for choice in body["choices"])
    called = [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]
    assert (None, called, "look") == (first["content"], first["tool_calls"], second["content"])


@pytest.mark.parametrize(
    ("reason", "calls", "expected"),
    [
        ("stop", (), "stop"),
        ("length", (), "length"),
        ("content_filter", (), "content_filter"),
        ("tool_calls", (ToolCall("c", "f"),), "tool_calls"),
        ("unknown", (), "stop"),
        ("unknown", (ToolCall("c", "f"),), "tool_calls"),
    ],
)
def test_every_reason_is_one_of_openais(reason: FinishReason, calls: tuple[ToolCall, ...], expected: str) -> None:
    """A reason that nobody knows is a stop, or a wish for tools where there are calls."""
    body = replied(Answer((Choice("hi", reason, "load", calls),)))

    assert expected == body["choices"][0]["finish_reason"]
