"""OpenAI's messages on their way in."""

from typing import Any

import msgspec
import pytest

from parley_sidecar.errors import InvalidParameters
from parley_sidecar.model import Message, ToolCall
from parley_sidecar.wire.openai_messages import Turn, messages

CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
ASKING = {"role": "assistant", "content": None, "tool_calls": [CALL]}


def read(*turns: dict[str, Any]) -> tuple[Message, ...]:
    """Return the messages of what a body holds."""
    return messages(msgspec.convert(turns, list[Turn]), scrub=False)


@pytest.mark.parametrize("role", ["developer", "system", "user", "assistant"])
def test_every_role_speaks(role: str) -> None:
    """A text is a text, whoever speaks, with the participant's name."""
    (message,) = read({"role": role, "content": "hello", "name": "ann"})

    assert (role, "hello", "ann") == (message.role, message.text, message.name)


def test_parts_are_one_text() -> None:
    """Parts of text, and what a model refused, stand under each other; an empty list is an empty text."""
    parts = [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "no"}, {"type": "text", "text": "b"}]
    said, empty = read({"role": "assistant", "content": parts}, {"role": "user", "content": []})

    assert ("a\nno\nb", "") == (said.text, empty.text)


def test_a_tool_and_its_result() -> None:
    """A call's arguments stay as they are; its result has its id, and the name of the tool that was called."""
    asking, result = read(ASKING, {"role": "tool", "tool_call_id": "c1", "content": "sunny"})

    call = ToolCall("c1", "weather", '{"city": "Rome"}')
    assert Message("assistant", "", tool_calls=(call,)) == asking
    assert Message("tool", "sunny", "weather", tool_call_id="c1") == result


def test_a_results_own_name_counts() -> None:
    """A name beside a result is kept; of a call that nobody made there is none."""
    named, unknown = read(
        {"role": "tool", "tool_call_id": "c1", "content": "sunny", "name": "sky"},
        {"role": "tool", "tool_call_id": "c2", "content": "rain"},
    )

    assert ("sky", None) == (named.name, unknown.name)


def test_a_refusal_alone_is_what_was_said() -> None:
    """An assistant that refused said that."""
    (message,) = read({"role": "assistant", "content": None, "refusal": "I will not"})

    assert "I will not" == message.text


def test_an_answer_may_be_sent_back_whole() -> None:
    """Clients send a message back as they got it: with fields that are null, and some that mean nothing here."""
    empty: dict[str, Any] = {
        "refusal": None,
        "audio": None,
        "function_call": None,
        "tool_calls": None,
        "annotations": [],
        "parsed": 1,
    }
    (message,) = read({"role": "assistant", "content": "hi", **empty})

    assert Message("assistant", "hi") == message


def test_scrubbing_is_for_all() -> None:
    """The flag of a body is that of each of its messages."""
    turns = msgspec.convert([{"role": "system", "content": "a"}, {"role": "user", "content": "b"}], list[Turn])

    assert [True, True] == [message.scrub for message in messages(turns, scrub=True)]


@pytest.mark.parametrize(
    ("turn", "sentence"),
    [
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]},
            "only text is taken, not a part of the type image_url - at `$.messages[0].content[0]`",
        ),
        (
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "input_audio", "input_audio": {}}]},
            "only text is taken, not a part of the type input_audio - at `$.messages[0].content[1]`",
        ),
        (
            {"role": "user", "content": [{"type": "text"}]},
            "only text is taken, not a part of the type text - at `$.messages[0].content[0]`",
        ),
        (
            {"role": "function", "name": "f", "content": "x"},
            "messages of the role function are deprecated: use the role tool - at `$.messages[0].role`",
        ),
        (
            {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
            "function_call is deprecated: use tool_calls - at `$.messages[0].function_call`",
        ),
        (
            {"role": "assistant", "audio": {"id": "a"}},
            "only text is taken, not audio - at `$.messages[0].audio`",
        ),
        (
            {"role": "tool", "content": "x"},
            "a tool's result needs the id of its call - at `$.messages[0].tool_call_id`",
        ),
        (
            {"role": "user", "content": "x", "tool_calls": [CALL]},
            "only an assistant has tool calls - at `$.messages[0].tool_calls`",
        ),
        (
            {"role": "assistant", "tool_calls": [{"id": "c", "type": "custom", "custom": {}}]},
            "only tool calls of the type function are taken - at `$.messages[0].tool_calls[0]`",
        ),
        ({"role": "user"}, "a message needs content - at `$.messages[0].content`"),
        ({"role": "assistant", "tool_calls": []}, "a message needs content - at `$.messages[0].content`"),
    ],
)
def test_what_is_no_text_is_refused(turn: dict[str, Any], sentence: str) -> None:
    """What cannot be passed on is refused, with its place."""
    with pytest.raises(InvalidParameters) as caught:
        read(turn)

    assert sentence == caught.value.message
