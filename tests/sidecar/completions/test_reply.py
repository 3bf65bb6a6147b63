"""Complete answers of the chat completions family: what is understood, and what is left out by some without a fault."""

import json
from typing import Any

import pytest

from parley_sidecar.completions.reply import answer
from parley_sidecar.errors import ParleyError, ProviderGarbled, ProviderRefused, ProviderUnavailable, RateLimited
from parley_sidecar.model import Answer, Choice, ToolCall, Usage


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {
                "model": "m",
                "choices": [{"message": {"content": "hi", "audio": 1}, "finish_reason": "stop"}],
                "usage": {
                    "prompt_tokens": 5,
                    "completion_tokens": 4,
                    "prompt_tokens_details": {"cached_tokens": 3},
                    "completion_tokens_details": {"reasoning_tokens": 2},
                },
            },
            Answer((Choice("hi", "stop", "stop"),), Usage(5, 4, 3, 2), "m"),
        ),
        (
            {
                "choices": [
                    {"message": {"content": None}, "finish_reason": "weird"},
                    {"message": {"content": "x"}, "finish_reason": "eos"},
                ],
                "usage": {"prompt_tokens": None, "completion_tokens": 1, "prompt_tokens_details": None},
            },
            Answer((Choice("", "unknown", "weird"), Choice("x", "stop", "eos")), Usage(0, 1)),
        ),
        ({"choices": [{"message": {}}]}, Answer((Choice("", "unknown", ""),))),
        (
            {"choices": [{"message": {"content": None, "refusal": "I can't."}, "finish_reason": "stop"}]},
            Answer((Choice("I can't.", "stop", "stop"),)),
        ),
        (
            {
                "choices": [
                    {
                        "message": {
                            "content": [
                                {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                                {"type": "text", "text": "a"},
                                {"type": "reference", "reference_ids": [1]},
                                {"type": "text", "text": "b"},
                            ]
                        },
                        "finish_reason": "model_length",
                    }
                ],
                "usage": {"prompt_tokens": 5, "num_cached_tokens": 4},
            },
            Answer((Choice("ab", "length", "model_length"),), Usage(5, 0, 4)),
        ),
        (
            {
                "choices": [{"message": {"content": "x"}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 5, "prompt_cache_hit_tokens": 3, "prompt_cache_miss_tokens": 2},
            },
            Answer((Choice("x", "stop", "stop"),), Usage(5, 0, 3)),
        ),
        (
            {
                "choices": [
                    {
                        "message": {
                            "content": "let me see",
                            "tool_calls": [
                                {"id": "1", "function": {"name": "f", "arguments": '{"broken'}},
                                {"id": "2", "function": {"name": "g", "arguments": {"a": [1]}}},
                                {"id": "3", "function": {"name": "h"}},
                                {"id": "4"},
                            ],
                        },
                        "finish_reason": "stop",
                    }
                ]
            },
            Answer(
                (
                    Choice(
                        "let me see",
                        "tool_calls",
                        "stop",
                        (
                            ToolCall("1", "f", '{"broken'),
                            ToolCall("2", "g", '{"a":[1]}'),
                            ToolCall("3", "h", ""),
                            ToolCall("4", "", ""),
                        ),
                    ),
                )
            ),
        ),
    ],
    ids=["everything", "nulls", "nothing", "refusal", "parts", "deepseek", "tools"],
)
def test_what_compatible_servers_leave_out_is_no_fault(body: Any, expected: Answer) -> None:
    """Usage, model, reason and content may be absent or null, and unknown fields may be there."""
    assert expected == answer(json.dumps(body).encode())


def test_a_call_without_an_id_gets_one() -> None:
    """Its result must be able to say what it answers; two have two."""
    calls = [{"id": "", "function": {"name": "f"}}, {"function": {"name": "f"}}]
    told = answer(json.dumps({"choices": [{"message": {"tool_calls": calls}}]}).encode())

    first, second = (call.id for call in told.choices[0].tool_calls)
    assert first.startswith("call_")
    assert first != second


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"choices":[{}]}', b'{"choices":[]}', b"{}", b"\xff", b"[" * 100_000], ids=repr
)
def test_what_is_no_completion_is_garbled(body: bytes) -> None:
    """Whatever it is, it is one error, and no other exception."""
    with pytest.raises(ProviderGarbled):
        answer(body)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"code": 429, "message": "sk-secret"}, RateLimited),
        ({"code": 401}, ProviderRefused),
        ({"code": 200}, ProviderUnavailable),
        ({"code": "server_error", "message": "sk-secret"}, ProviderUnavailable),
        ({}, ProviderUnavailable),
        ("sk-secret", ProviderUnavailable),
    ],
)
def test_an_error_with_a_good_status_is_a_fault(error: Any, expected: type[ParleyError]) -> None:
    """Some servers say in the body what the status should have said; their text is not repeated."""
    with pytest.raises(expected) as caught:
        answer(json.dumps({"error": error}).encode())

    assert type(caught.value) is expected
    assert "sk-secret" not in caught.value.message
