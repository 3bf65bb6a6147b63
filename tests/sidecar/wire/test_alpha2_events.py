"""alpha2 as events."""

import json
from typing import Any

import pytest

from parley_sidecar.errors import RateLimited, ToolNotCalled
from parley_sidecar.model import Answer, Choice, ConverseRequest, Delta, Tool, ToolCall, ToolCallDelta, Trace, Usage
from parley_sidecar.wire.alpha2_events import KINDS, Events

ASKED = ConverseRequest((), Trace("1"))
CALL = ToolCall("1", "f", "{}")


def events(request: ConverseRequest = ASKED, context_id: str | None = None) -> Events:
    """Return the events of a request to the component gpt."""
    return Events(request, "gpt", context_id)


def event(frame: bytes) -> tuple[str, Any]:
    """Return a frame's kind and data."""
    kind, data, *rest = frame.decode().split("\n")
    assert ["", ""] == rest
    return kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))


@pytest.mark.parametrize(
    ("delta", "index", "piece"),
    [
        (Delta(" a\nb"), "0", {"content": " a\nb"}),
        (Delta("b", 1), "1", {"content": "b"}),
        (
            Delta(tool_calls=(ToolCallDelta(0, "1", "f", '{"a'),)),
            "0",
            {"toolCalls": [{"index": "0", "function": {"name": "f", "arguments": '{"a'}, "id": "1"}]},
        ),
        (
            Delta("c", tool_calls=(ToolCallDelta(1, arguments='":1}'),)),
            "0",
            {"content": "c", "toolCalls": [{"index": "1", "function": {"arguments": '":1}'}}]},
        ),
    ],
)
def test_a_piece_is_a_delta(delta: Delta, index: str, piece: dict[str, Any]) -> None:
    """Text and pieces of tool calls go out as they come, with the place of their choice."""
    assert ("delta", {"outputs": [{"choices": [{"index": index, "delta": piece}]}]}) == event(events().delta(delta))


def test_an_empty_piece_is_nothing() -> None:
    """A piece that says nothing is not sent."""
    assert b"" == events().delta(Delta())


def test_the_end_repeats_nothing() -> None:
    """The last event is the reply with empty messages."""
    answer = Answer((Choice("hi", "tool_calls", tool_calls=(CALL,)), Choice("b", "length")), Usage(1, 2), "m")

    counted = {"completionTokens": "2", "promptTokens": "1", "totalTokens": "3"}
    outputs = [
        {"choices": [{"finishReason": "tool_calls", "message": {}}], "model": "m", "usage": counted},
        {"choices": [{"finishReason": "length", "message": {}, "index": "1"}], "model": "m", "usage": counted},
    ]
    assert ("complete", {"contextId": "c", "outputs": outputs}) == event(events(context_id="c").complete(answer))


def test_a_break_is_an_error() -> None:
    """An error has the body that it would have had as a reply."""
    body = {
        "errorCode": "ERR_CONVERSATION_INVOKE",
        "message": "failed conversing with component gpt: slow down",
        "reason": "rate_limited",
    }

    assert ("error", body) == event(events().error(RateLimited("slow down")))


def test_a_required_call_is_expected_at_the_end() -> None:
    """Without the call that was required there is no end."""
    required = ConverseRequest((), Trace("1"), tools=(Tool("f"),), tool_choice="required")

    with pytest.raises(ToolNotCalled):
        events(required).complete(Answer((Choice("hm"),)))


def test_the_kinds_are_three() -> None:
    """There are no others."""
    rendered = [
        events().delta(Delta("a")),
        events().complete(Answer((Choice("a"),))),
        events().error(RateLimited("slow down")),
    ]

    assert list(KINDS) == [event(frame)[0] for frame in rendered]
