"""alpha2 replies: zero values are left out, 64-bit integers are text."""

import json
from typing import Any

import pytest

from parley_sidecar.model import Answer, Choice, ToolCall, Usage
from parley_sidecar.wire.alpha2_reply import reply

STOP = {"finishReason": "stop", "message": {"content": "hi"}}


@pytest.mark.parametrize(
    ("answer", "outputs"),
    [
        (Answer((Choice("hi"),)), [{"choices": [STOP]}]),
        (Answer((Choice("hi"),), Usage(), "m"), [{"choices": [STOP], "model": "m", "usage": {}}]),
        (
            Answer((Choice("hi"),), Usage(3, 4, cached_tokens=2, reasoning_tokens=1)),
            [
                {
                    "choices": [STOP],
                    "usage": {
                        "completionTokens": "4",
                        "promptTokens": "3",
                        "totalTokens": "7",
                        "completionTokensDetails": {"reasoningTokens": "1"},
                        "promptTokensDetails": {"cachedTokens": "2"},
                    },
                }
            ],
        ),
        (
            Answer((Choice("", "length"), Choice("hi")), model="m"),
            [
                {"choices": [{"finishReason": "length", "message": {}}], "model": "m"},
                {"choices": [{**STOP, "index": "1"}], "model": "m"},
            ],
        ),
        (
            Answer((Choice("", "tool_calls", tool_calls=(ToolCall("1", "f", "{}"), ToolCall("", "g"))),)),
            [
                {
                    "choices": [
                        {
                            "finishReason": "tool_calls",
                            "message": {
                                "toolCalls": [
                                    {"id": "1", "function": {"name": "f", "arguments": "{}"}},
                                    {"function": {"name": "g"}},
                                ]
                            },
                        }
                    ]
                }
            ],
        ),
    ],
)
def test_a_reply_is_written_as_protobuf_does(answer: Answer, outputs: list[Any]) -> None:
    """Each choice is an output of its own, with model and usage beside it."""
    assert {"outputs": outputs} == json.loads(reply(None, answer))


def test_a_context_id_comes_back() -> None:
    """The context id is echoed; no choices leave out the outputs."""
    assert b'{"contextId":"c"}' == reply("c", Answer(()))
