"""A whole answer of the Messages API: what becomes of its blocks, its tokens and its end."""

import json
from typing import Any

import pytest

from parley_sidecar.errors import ProviderGarbled
from parley_sidecar.messages_api.reply import to_answer
from parley_sidecar.model import Answer, Choice, ToolCall, Usage


def message(**fields: Any) -> bytes:
    """Return a message of the API's."""
    usual: dict[str, Any] = {
        "type": "message",
        "role": "assistant",
        "content": [],
        "stop_reason": "end_turn",
        "stop_sequence": None,
    }
    return json.dumps(usual | fields).encode()


def test_texts_are_joined_and_calls_are_kept() -> None:
    """Thinking and the provider's own tools are not part of it; arguments are as the provider wrote them."""
    content = [
        {"type": "thinking", "thinking": "Hm.", "signature": "x"},
        {"type": "text", "text": "One", "citations": None},
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"q": 1}},
        {"type": "text", "text": " moment."},
        {"type": "tool_use", "id": "t1", "name": "pay", "input": {"amount": 1.50}},
        {"type": "tool_use", "id": "t2", "name": "now", "input": {}},
    ]
    answer = to_answer(message(content=content, stop_reason="tool_use", model="claude-x"))

    calls = (ToolCall("t1", "pay", '{"amount": 1.5}'), ToolCall("t2", "now", "{}"))
    assert Answer((Choice("One moment.", "tool_calls", "tool_use", calls),), None, "claude-x") == answer


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"input_tokens": 3, "output_tokens": 5}, Usage(3, 5)),
        (
            {
                "input_tokens": 3,
                "cache_read_input_tokens": 40,
                "cache_creation_input_tokens": 500,
                "output_tokens": 9,
                "output_tokens_details": {"thinking_tokens": 4},
                "service_tier": "standard",
            },
            Usage(543, 9, 40, 4),
        ),
        ({"input_tokens": 1, "cache_read_input_tokens": None, "output_tokens_details": None}, Usage(1)),
        (None, None),
    ],
)
def test_the_prompt_is_all_that_went_in(usage: dict[str, Any] | None, expected: Usage | None) -> None:
    """The API counts what its cache had, and what it was given, apart from the rest."""
    assert expected == to_answer(message(usage=usage)).usage


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "unknown"),
        ("something_new", "unknown"),
    ],
)
def test_an_end_has_our_word_and_theirs(raw: str, reason: str) -> None:
    """Every documented stop reason is known; a new one is kept as it is."""
    (choice,) = to_answer(message(stop_reason=raw)).choices

    assert (reason, raw) == (choice.finish_reason, choice.raw_finish_reason)


def test_an_end_without_a_word_is_unknown() -> None:
    """Nothing is made up."""
    (choice,) = to_answer(message(stop_reason=None)).choices

    assert ("unknown", "") == (choice.finish_reason, choice.raw_finish_reason)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{}", b"\xff", b'{"content": "text"}', b'{"content": [{}]}', b"[" * 100_000]
)
def test_what_is_no_message_is_garbled(body: bytes) -> None:
    """Nothing of it is in the error."""
    with pytest.raises(ProviderGarbled) as caught:
        to_answer(body)

    assert "the provider's answer is not a message" == caught.value.message
