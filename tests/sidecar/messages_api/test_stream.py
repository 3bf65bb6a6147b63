"""The events of the Messages API: the deltas they become, and the answer they add up to."""

import json

import pytest

from parley_sidecar.drafts import Draft
from parley_sidecar.errors import ParleyError, ProviderGarbled, ProviderRefused, ProviderUnavailable, RateLimited
from parley_sidecar.messages_api.stream import Reading
from parley_sidecar.model import Answer, Choice, Delta, ToolCall, ToolCallDelta, Usage

Event = tuple[str, dict[str, object]]
START: Event = ("message_start", {"message": {"content": [], "model": "claude-x", "usage": {"input_tokens": 7}}})
STOP: Event = ("message_stop", {})


def end(reason: str, **usage: object) -> Event:
    """Return the event that says how a message ended."""
    return "message_delta", {"delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage}


def begins(index: int, **block: object) -> Event:
    """Return the event that begins a block."""
    return "content_block_start", {"index": index, "content_block": block}


def piece(index: int, **delta: object) -> Event:
    """Return the event of a piece of a block."""
    return "content_block_delta", {"index": index, "delta": delta}


def read(*events: Event) -> tuple[list[Delta], Answer]:
    """Read a whole stream."""
    draft = Draft()
    reading = Reading(draft)
    taken = [reading.take(json.dumps({"type": name, **fields}).encode()) for name, fields in events]
    reading.end()
    return [delta for delta in taken if delta is not None], draft.answer()


def test_pieces_of_text_are_deltas() -> None:
    """The rest of the documented events are none; usage is the last that was said of each count."""
    deltas, answer = read(
        START,
        ("ping", {}),
        begins(0, type="text", text=""),
        piece(0, type="text_delta", text="Hel"),
        piece(0, type="citations_delta", citation={}),
        piece(0, type="text_delta", text="lo"),
        ("content_block_stop", {"index": 0}),
        end("end_turn", output_tokens=5, output_tokens_details={"thinking_tokens": 2}, cache_read_input_tokens=None),
        STOP,
    )

    assert [Delta("Hel"), Delta("lo")] == deltas
    assert Answer((Choice("Hello", "stop", "end_turn"),), Usage(7, 5, 0, 2), "claude-x") == answer


def test_calls_come_in_pieces_at_their_places() -> None:
    """Blocks are counted over all kinds, calls among themselves; a call without arguments has an empty object."""
    deltas, answer = read(
        START,
        begins(0, type="thinking", thinking="", signature=""),
        piece(0, type="thinking_delta", thinking="Hm."),
        piece(0, type="signature_delta", signature="x"),
        ("content_block_stop", {"index": 0}),
        begins(1, type="tool_use", id="t1", name="pay", input={}),
        piece(1, type="input_json_delta", partial_json=""),
        piece(1, type="input_json_delta", partial_json='{"a"'),
        piece(1, type="input_json_delta", partial_json=": 1}"),
        ("content_block_stop", {"index": 1}),
        begins(2, type="tool_use", id="t2", name="now", input={}),
        ("content_block_stop", {"index": 2}),
        end("tool_use", output_tokens=9),
        STOP,
    )

    assert [
        (ToolCallDelta(0, "t1", "pay"),),
        (ToolCallDelta(0, arguments='{"a"'),),
        (ToolCallDelta(0, arguments=": 1}"),),
        (ToolCallDelta(1, "t2", "now"),),
        (ToolCallDelta(1, arguments="{}"),),
    ] == [delta.tool_calls for delta in deltas]
    assert (ToolCall("t1", "pay", '{"a": 1}'), ToolCall("t2", "now", "{}")) == answer.choices[0].tool_calls


def test_a_block_that_begins_with_its_text_loses_nothing() -> None:
    """Servers that are like the API may send a block at once; pieces of tools of the provider's own are left out."""
    deltas, answer = read(
        START,
        begins(0, type="server_tool_use", id="s1", name="web_search", input={}),
        piece(0, type="input_json_delta", partial_json='{"q": 1}'),
        begins(1, type="text", text="All at once"),
        begins(2, type="tool_use", id="t1", name="pay", input={"a": 1}),
        ("content_block_stop", {"index": 2}),
        end("tool_use"),
        STOP,
    )

    assert "All at once" == answer.choices[0].text
    assert (ToolCall("t1", "pay", '{"a": 1}'),) == answer.choices[0].tool_calls
    assert 3 == len(deltas)


def test_unknown_events_and_missing_parts_are_passed_over() -> None:
    """The vendor may add events and blocks at any time."""
    deltas, answer = read(
        START,
        ("tomorrow", {"index": 0}),
        ("content_block_start", {"index": 0}),
        ("content_block_delta", {"index": 0}),
        piece(0, type="tomorrow_delta", text="x"),
        end("max_tokens"),
        STOP,
    )

    assert [] == deltas
    assert Answer((Choice("", "length", "max_tokens"),), Usage(7), "claude-x") == answer


@pytest.mark.parametrize(
    ("kind", "error", "sentence"),
    [
        ("overloaded_error", ProviderUnavailable, "the provider answered with status 529"),
        ("api_error", ProviderUnavailable, "the provider answered with status 500"),
        ("timeout_error", ProviderUnavailable, "the provider answered with status 504"),
        ("tomorrow_error", ProviderUnavailable, "the provider answered with status 500"),
        ("rate_limit_error", RateLimited, "the provider limits the rate of requests"),
        ("authentication_error", ProviderRefused, "the provider refused the key (status 401)"),
        ("permission_error", ProviderRefused, "the provider refused the key (status 403)"),
        ("invalid_request_error", ProviderRefused, "the provider refused the request (status 400)"),
        ("billing_error", ProviderRefused, "the provider refused the request (status 402)"),
        ("request_too_large", ProviderRefused, "the provider refused the request (status 413)"),
    ],
)
def test_an_error_on_the_way_is_what_its_status_would_be(kind: str, error: type[ParleyError], sentence: str) -> None:
    """Before the first event the same kind comes with that status; the vendor's text is not passed on."""
    with pytest.raises(error) as caught:
        read(START, ("error", {"error": {"type": kind, "message": "sk-secret"}}), STOP)

    assert sentence == caught.value.message


def test_an_error_without_a_kind_is_a_fault_of_theirs() -> None:
    """It is still an error, whatever it is."""
    with pytest.raises(ProviderUnavailable):
        read(START, ("error", {}))


def test_a_stream_without_its_end_was_cut() -> None:
    """Even where the reason was already there."""
    with pytest.raises(ProviderUnavailable) as caught:
        read(START, end("end_turn"))

    assert "the provider's answer was cut off" == caught.value.message


@pytest.mark.parametrize("data", [b"[DONE]", b"{}", b"\xff", b'{"type": "message_start", "message": {}}'])
def test_what_is_no_event_is_garbled(data: bytes) -> None:
    """Nothing of it is in the error."""
    with pytest.raises(ProviderGarbled) as caught:
        Reading(Draft()).take(data)

    assert "the provider's answer is not a stream of messages" == caught.value.message
