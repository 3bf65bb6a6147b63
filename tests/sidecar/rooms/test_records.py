"""A turn as bytes, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley_sidecar.errors import InvalidParameters, RoomSealed
from parley_sidecar.model import Answer, Choice, Message, ToolCall
from parley_sidecar.rooms.records import MAX_TURN_BYTES, TurnRecord, pack, said, unpack
from tests.sidecar.rooms.saying import answer, assistant, result, system, user

words = st.text(max_size=20)
calls = st.builds(ToolCall, words, words, words)
messages = st.builds(
    Message,
    st.sampled_from(["user", "assistant", "tool"]),
    words,
    st.one_of(st.none(), words),
    st.lists(calls, max_size=2).map(tuple),
    st.one_of(st.none(), words),
)


@given(st.lists(messages, max_size=4))
def test_what_was_packed_is_unpacked(spoken: list[Message]) -> None:
    """All of a message that a provider gets."""
    record = TurnRecord(1.5, said(spoken, Answer(())), 10, 20)

    assert record == unpack(pack(record))
    assert tuple(spoken) == unpack(pack(record)).messages


def test_a_turn_is_the_new_messages_and_the_first_choice() -> None:
    """Instructions belong to their request alone."""
    reply = Answer((Choice("one", tool_calls=(ToolCall("1", "look", "{}"),)), Choice("two")))

    stored = TurnRecord(0.0, said([system("be nice"), user("a"), result("0")], reply)).messages

    expected = Message("assistant", "one", tool_calls=(ToolCall("1", "look", "{}"),))
    assert (user("a"), result("0"), expected) == stored


def test_an_answer_without_a_choice_adds_nothing() -> None:
    """There is nothing to remember of it."""
    assert (user("a"),) == TurnRecord(0.0, said([user("a")], Answer(()))).messages
    assert (user("a"), assistant("A")) == TurnRecord(0.0, said([user("a")], answer("A"))).messages


def test_a_turn_has_a_limit() -> None:
    """A room is no file store; the sentence names the limit."""
    with pytest.raises(InvalidParameters, match=str(MAX_TURN_BYTES)):
        pack(TurnRecord(0.0, said([user("x" * MAX_TURN_BYTES)], answer("A"))))


@pytest.mark.parametrize(
    "data", [b"", b"\x01", b"\x01\xc0", b"\x02\x90", pack(TurnRecord(0.0, ()))[:-1], b"\x01\x92\x00\xa1\xff"]
)
def test_a_turn_of_an_unknown_form_says_so(data: bytes) -> None:
    """As a newer version may have written it."""
    with pytest.raises(RoomSealed, match="a form that this version cannot read"):
        unpack(data)
