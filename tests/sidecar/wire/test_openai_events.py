"""OpenAI's streams on their way out."""

import json
from typing import Any

from openai.types.chat import ChatCompletionChunk

from parley_sidecar.errors import ProviderUnavailable
from parley_sidecar.model import Answer, Choice, Delta, ToolCall, ToolCallDelta, Usage
from parley_sidecar.wire.openai_events import Chunks


def events(frames: bytes) -> list[Any]:
    """Return the events of some frames, each of which must be OpenAI's to the letter."""
    data = [frame.removeprefix("data: ") for frame in frames.decode().split("\n\n")[:-1]]
    for text in data:
        if text != "[DONE]" and "error" not in json.loads(text):
            ChatCompletionChunk.model_validate_json(text, strict=True)
    return [text if text == "[DONE]" else json.loads(text) for text in data]


def choices(frames: bytes) -> list[Any]:
    """Return the choice of each event."""
    return [event if event == "[DONE]" else event["choices"][0] for event in events(frames)]


def test_the_role_comes_with_the_first_piece() -> None:
    """The first chunk has the role, the others text only, the last why it ended."""
    chunks = Chunks("gpt", includes_usage=False)
    frames = chunks.delta(Delta("he")) + chunks.delta(Delta("llo")) + chunks.complete(Answer((Choice("hello"),)))

    first, second, last, done = choices(frames)
    assert {"role": "assistant", "content": "he"} == first["delta"]
    assert ({"content": "llo"}, None) == (second["delta"], second["finish_reason"])
    assert ({}, "stop", "[DONE]") == (last["delta"], last["finish_reason"], done)


def test_all_chunks_belong_together() -> None:
    """Id, time and model are the same in each; there is no word of usage that nobody asked for."""
    chunks = Chunks("gpt", includes_usage=False)
    first, last, _ = events(chunks.delta(Delta("hi")) + chunks.complete(Answer((Choice("hi"),), Usage(1, 1), "other")))

    heads = [{name: chunk[name] for name in ("id", "created", "model", "object")} for chunk in (first, last)]
    assert heads[0] == heads[1]
    assert ("gpt", "chat.completion.chunk") == (heads[0]["model"], heads[0]["object"])
    assert "usage" not in first


def test_usage_comes_last_if_asked_for() -> None:
    """Usage is null until the chunk that has no choices."""
    chunks = Chunks("gpt", includes_usage=True)
    first, end, tokens, done = events(chunks.delta(Delta("hi")) + chunks.complete(Answer((Choice("hi"),), Usage(3, 2))))

    assert (None, None, [], "[DONE]") == (first["usage"], end["usage"], tokens["choices"], done)
    assert (3, 2, 5) == tuple(tokens["usage"][name] for name in ("prompt_tokens", "completion_tokens", "total_tokens"))


def test_usage_that_nobody_counted_does_not_come() -> None:
    """A provider that reports none leaves the chunk out, as OpenAI does in a stream that ends early."""
    chunks = Chunks("gpt", includes_usage=True)

    assert 2 == len(events(chunks.complete(Answer((Choice("hi"),)))))


def test_tool_calls_come_in_pieces() -> None:
    """Id, type and name come with a call's first piece; the arguments grow; two calls are told apart by their place."""
    chunks = Chunks("gpt", includes_usage=False)
    pieces = [
        ToolCallDelta(0, "c1", "weather"),
        ToolCallDelta(0, arguments='{"city":'),
        ToolCallDelta(1, "c2", "time", "{}"),
    ]
    told = choices(b"".join(chunks.delta(Delta(tool_calls=(piece,))) for piece in pieces))

    function = {"name": "weather", "arguments": ""}
    assert {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": function}],
    } == told[0]["delta"]
    assert {"tool_calls": [{"index": 0, "function": {"arguments": '{"city":'}}]} == told[1]["delta"]
    (second,) = told[2]["delta"]["tool_calls"]
    assert ("c2", "time") == (second["id"], second["function"]["name"])


def test_an_empty_piece_is_not_sent() -> None:
    """A delta that says nothing makes no chunk."""
    assert b"" == Chunks("gpt", includes_usage=False).delta(Delta())


def test_an_empty_answer_has_its_role_too() -> None:
    """A choice that said nothing has one chunk, with role, empty content and reason."""
    (only, _) = choices(Chunks("gpt", includes_usage=False).complete(Answer((Choice("", "length"),))))

    assert ({"role": "assistant", "content": ""}, "length") == (only["delta"], only["finish_reason"])


def test_choices_are_told_apart() -> None:
    """Each of several choices has its role, its text and its end."""
    chunks = Chunks("gpt", includes_usage=False)
    answer = Answer((Choice("a"), Choice("", "tool_calls", "", (ToolCall("c", "f"),))))
    told = choices(chunks.delta(Delta("a", 0)) + chunks.delta(Delta("b", 1)) + chunks.complete(answer))

    assert [(0, "assistant"), (1, "assistant")] == [(one["index"], one["delta"]["role"]) for one in told[:2]]
    assert [(0, "stop"), (1, "tool_calls")] == [(one["index"], one["finish_reason"]) for one in told[2:4]]


def test_an_error_is_an_event_and_the_end() -> None:
    """What breaks a stream is told in the form of an error's body, and nothing says that it is done."""
    (told,) = events(Chunks("gpt", includes_usage=False).error(ProviderUnavailable("the provider hung up")))

    error = {"message": "the provider hung up", "type": "server_error", "param": None, "code": "unavailable"}
    assert {"error": error} == told
