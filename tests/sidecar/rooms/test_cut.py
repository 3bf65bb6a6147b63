"""What of a room's history goes along with new messages."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley_sidecar.errors import InvalidParameters
from parley_sidecar.model import Message
from parley_sidecar.rooms.cut import History, Limits, prompt, size_bytes, turns_to_keep
from parley_sidecar.rooms.records import TurnRecord
from tests.sidecar.rooms.saying import answer, assistant, result, system, turn, user

MANY = Limits(100)


def texts(messages: Sequence[Message]) -> list[str]:
    """Return what was said."""
    return [message.text for message in messages]


def chat(*pairs: str) -> History:
    """Return turns of a question and its answer in capitals."""
    return History([turn(user(word), to=answer(word.upper())) for word in pairs])


def test_the_history_stands_between_the_instructions_and_what_is_new() -> None:
    """Instructions that come later keep their place among the new messages."""
    sent = prompt(chat("a"), [system("be nice"), user("b"), system("now be short")], MANY)

    assert [system("be nice"), user("a"), assistant("A"), user("b"), system("now be short")] == list(sent)


def test_instructions_are_not_part_of_the_history() -> None:
    """They belong to the request that brought them."""
    history = History([turn(system("be nice"), user("a"), Message("developer", "quick"), to=answer("A"))])

    assert ["a", "A", "b"] == texts(prompt(history, [user("b")], MANY))


def test_the_first_request_of_a_room_is_sent_as_it_is() -> None:
    """There is nothing to put in front of it."""
    assert (user("a"),) == prompt(History(), [user("a")], MANY)


def test_the_oldest_exchanges_are_cut_first() -> None:
    """Whole ones: a question does not lose its answer, nor an answer its question."""
    history = chat("a", "b", "c")

    assert ["b", "B", "c", "C", "d"] == texts(prompt(history, [user("d")], Limits(5)))
    assert ["c", "C", "d"] == texts(prompt(history, [user("d")], Limits(3)))
    assert ["d"] == texts(prompt(history, [user("d")], Limits(1)))


def test_a_token_is_four_bytes_unless_the_provider_said_otherwise() -> None:
    """The limit on tokens is an estimate over UTF-8."""
    history = chat("äääääääääääääääääääää", "twelve bytes")

    assert ["twelve bytes", "TWELVE BYTES", "?"] == texts(prompt(history, [user("?")], Limits(100, 6)))
    assert ["?"] == texts(prompt(history, [user("?")], Limits(100, 5)))


@pytest.mark.parametrize(
    ("tokens", "size", "expected"),
    [(0, 4096, 4.0), (2048, 4096, 2.0), (9000, 4096, 1.0), (10, 4096, 8.0), (100, 100, 4.0)],
)
def test_what_the_provider_counted_is_believed_within_reason(tokens: int, size: int, expected: float) -> None:
    """A short prompt says nothing, for the provider adds something to each."""
    history = History([TurnRecord(1.0, (), 100, 1000), TurnRecord(2.0, (), tokens, size)])
    older = History([TurnRecord(2.0, (), tokens, size)])

    assert expected == older.bytes_a_token
    assert (expected if tokens and size > 100 else 8.0) == history.bytes_a_token


def test_results_that_come_with_the_next_request_answer_the_stored_calls() -> None:
    """As clients do that send only what is new."""
    history = History([turn(user("a"), to=answer("", "1", "2"))])

    sent = prompt(history, [result("1"), result("2")], MANY)

    assert [user("a"), assistant("", "1", "2"), result("1"), result("2")] == list(sent)


def test_stored_calls_and_their_results_stay_together() -> None:
    """Over as many turns as a tool's work takes."""
    turns = [
        turn(user("a"), to=answer("", "1")),
        turn(result("1"), to=answer("hm", "2")),
        turn(result("2"), to=answer("A")),
    ]

    sent = prompt(History(turns), [user("b")], MANY)

    expected = [user("a"), assistant("", "1"), result("1"), assistant("hm", "2"), result("2"), assistant("A")]
    assert [*expected, user("b")] == list(sent)


def test_calls_that_nobody_answered_are_not_sent() -> None:
    """Nor a message that said nothing else; of several calls only those with a result are."""
    silent = History([turn(user("a"), to=answer("", "1"))])
    talking = History([turn(user("a"), to=answer("let me look", "1"))])
    half = History([turn(user("a"), to=answer("", "1", "2")), turn(result("2"), to=answer("A"))])

    assert [user("a"), user("b")] == list(prompt(silent, [user("b")], MANY))
    assert [user("a"), assistant("let me look"), user("b")] == list(prompt(talking, [user("b")], MANY))
    assert [user("a"), assistant("", "2"), result("2"), assistant("A"), user("b")] == list(
        prompt(half, [user("b")], MANY)
    )


def test_a_client_may_send_the_call_again_with_its_result() -> None:
    """Then the stored call, which has no result of its own, is left out."""
    history = History([turn(user("a"), to=answer("", "1"))])
    again = [assistant("", "1"), result("1")]

    sent = prompt(history, again, MANY)

    assert [user("a"), *again] == list(sent)


def test_a_result_that_does_not_name_its_call_answers_the_last_ones() -> None:
    """Some clients give no id."""
    history = History([turn(user("a"), to=answer("", "1"))])

    assert [user("a"), assistant("", "1"), result("")] == list(prompt(history, [result("")], MANY))


@pytest.mark.parametrize(
    "new",
    [[result("9")], [result("1"), result("9")], [user("b"), result("1")], [assistant("", "2"), result("1")]],
)
def test_a_result_without_its_call_is_refused(new: list[Message]) -> None:
    """With a sentence, since a provider's would be about messages that the caller did not send."""
    history = History([turn(user("a"), to=answer("", "1"))])

    with pytest.raises(InvalidParameters, match="answers no call of the chat room"):
        prompt(history, new, MANY)


def test_a_result_in_an_empty_room_is_refused() -> None:
    """The room may have been erased, or its time been over."""
    with pytest.raises(InvalidParameters, match="answers no call of the chat room"):
        prompt(History(), [result("1")], MANY)


def test_a_stored_result_whose_call_is_gone_is_not_sent() -> None:
    """The store keeps whole turns, and the call was one turn earlier."""
    history = History([turn(result("1"), to=answer("A")), turn(user("b"), to=answer("B"))])

    assert ["A", "b", "B", "c"] == texts(prompt(history, [user("c")], MANY))


def test_an_exchange_that_is_too_long_keeps_its_question_and_its_end() -> None:
    """What is cut is in its middle: the oldest calls with their results."""
    turns = [turn(user("a"), to=answer("", "0"))]
    turns += [turn(result(str(at)), to=answer("", str(at + 1))) for at in range(9)]

    sent = prompt(History(turns), [result("9")], Limits(6))

    expected = [assistant("", "7"), result("7"), assistant("", "8"), result("8"), assistant("", "9"), result("9")]
    assert [user("a"), *expected] == list(sent)


def test_the_call_that_a_new_result_answers_is_always_sent() -> None:
    """Whatever the limits: without it the request would mean nothing."""
    history = History([turn(user("a long question"), to=answer("a long thought", "1"))])

    sent = prompt(history, [result("1")], Limits(1, 1))

    assert [assistant("a long thought", "1"), result("1")] == list(sent)


def test_an_answer_that_does_not_fit_takes_its_question_along() -> None:
    """A question alone would look unanswered."""
    history = History([turn(user("a"), to=answer("x" * 100))])

    assert [user("b")] == list(prompt(history, [user("b")], Limits(100, 10)))


def test_as_many_turns_are_kept_as_hold_the_messages_that_are_sent() -> None:
    """And the turns before them whose calls they answer."""
    plain = list(chat(*"abcdef").turns)
    tools = [
        turn(user("a"), to=answer("", "1")),
        turn(result("1"), to=answer("", "2")),
        turn(result("2"), to=answer("A")),
    ]

    assert 3 == turns_to_keep(plain, 5)
    assert 6 == turns_to_keep(plain, 100)
    assert 1 == turns_to_keep(plain, 1)
    assert 3 == turns_to_keep([*plain, *tools], 3)
    assert 2 == turns_to_keep([*plain, *tools], 2)


@st.composite
def rooms(draw: st.DrawFn) -> list[TurnRecord]:
    """Turns of every shape: calls answered, half answered, unanswered and answered twice, results of nothing."""
    ids = st.sampled_from(["1", "2", "3"])
    asked = st.one_of(st.lists(ids, max_size=3).map(lambda found: [result(at) for at in found]), st.just([user("q")]))
    made = st.lists(ids, max_size=2, unique=True)
    turns = []
    for _ in range(draw(st.integers(0, 8))):
        messages = [*draw(asked), *draw(st.sampled_from([[], [user("more")], [system("x")]]))]
        turns.append(turn(*messages, to=answer(draw(st.sampled_from(["", "text"])), *draw(made))))
    return turns


def check_pairs(messages: Sequence[Message]) -> None:
    """Fail unless each call has its result directly after it, and each result its call directly before."""
    open_calls: set[str] = set()
    calls: set[str] = set()
    for message in messages:
        if message.role == "tool":
            assert message.tool_call_id in calls
            open_calls.discard(message.tool_call_id or "")
            continue
        assert set() == open_calls
        open_calls = {call.id for call in message.tool_calls}
        calls = set(open_calls)
    assert set() == open_calls


@given(rooms(), st.integers(1, 9), st.one_of(st.none(), st.integers(1, 12)))
def test_no_cut_separates_a_call_from_its_result(turns: list[TurnRecord], most: int, tokens: int | None) -> None:
    """Whatever was stored and wherever the limits fall; and they are kept."""
    sent = prompt(History(turns), [user("new")], Limits(most, tokens))

    check_pairs(sent)
    assert most >= len(sent) - 1
    assert tokens is None or tokens * 4 >= size_bytes(sent[:-1])
    assert user("new") == sent[-1]


@given(rooms(), st.integers(1, 9))
def test_results_are_sent_with_all_their_calls_or_refused(turns: list[TurnRecord], most: int) -> None:
    """A request that goes out is one that a provider understands."""
    try:
        sent = prompt(History(turns), [result("1")], Limits(most))
    except InvalidParameters:
        return

    check_pairs(sent)
