"""The scrub layer: what a marked message looks like to the provider, and a marked answer to the caller.

The inner Converse is the real echo provider, or one that says what the test wants said.
"""

import pytest
from msgspec.structs import replace

from parley_sidecar.errors import ProviderUnavailable
from parley_sidecar.layers.scrub import ScrubLayer
from parley_sidecar.model import Answer, Choice, ConverseRequest, Delta, Message, ToolCall, ToolCallDelta, Usage
from parley_sidecar.pii.finder import OFF_LOOP_CHARACTERS
from tests.sidecar.layers.scrubbing import Counts, Heard, asking, echoing, hiding, read, streaming, texts

PHONE = "well hello there, my phone number is +2222222222"
MAIL = "well hello there, my email is test@test.com"
ADDRESS = "well hello there from 10.8.9.1"
FLAGS = hiding()
"""What a component without a mode hides: what the flags say."""


async def said(request: ConverseRequest) -> str:
    """Return what the echo provider's answer is behind the layer."""
    reply = await ScrubLayer(echoing(), FLAGS, Counts())(request)
    assert isinstance(reply, Answer)
    return reply.choices[0].text


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        pytest.param(PHONE, "well hello there, my phone number is <PHONE_NUMBER>", id="A3, D1"),
        pytest.param(
            "well hello there, my phone number is +4422222222",
            "well hello there, my phone number is <PHONE_NUMBER>",
            id="A3 over gRPC",
        ),
        pytest.param(MAIL, "well hello there, my email is <EMAIL_ADDRESS>", id="A4, D2"),
        pytest.param(ADDRESS, "well hello there from <IP>", id="A5, D3"),
    ],
)
async def test_dapr_cases_of_a_marked_input(text: str, scrubbed: str) -> None:
    """Dapr's published cases of the input flag."""
    assert scrubbed == await said(asking(Message("user", text, scrub=True)))


async def test_dapr_cases_of_a_marked_answer() -> None:
    """Dapr's published cases A6 and D4: two inputs, one answer, and the flag on the request alone."""
    answer = await said(asking(Message("user", ADDRESS), Message("user", MAIL), scrub_answer=True))

    assert "well hello there from <IP>\nwell hello there, my email is <EMAIL_ADDRESS>" == answer


async def test_dapr_cases_of_both_flags() -> None:
    """Dapr's published cases A7 and D5: nothing to hide, nothing changed."""
    answer = await said(asking(Message("user", "well hello there", scrub=True), scrub_answer=True))

    assert "well hello there" == answer


async def test_a_request_without_flags_passes_untouched() -> None:
    """The provider gets the very request, and the caller the very reply."""
    request = asking(Message("user", PHONE))
    heard = Heard(Answer((Choice(MAIL),)))

    reply = await ScrubLayer(heard, FLAGS, Counts())(request)

    assert heard.requests[0] is request
    assert Answer((Choice(MAIL),)) == reply


async def test_only_marked_messages_are_scrubbed() -> None:
    """A flag holds for its own input."""
    heard = Heard()

    await ScrubLayer(heard, FLAGS, Counts())(asking(Message("user", MAIL), Message("user", MAIL, scrub=True)))

    assert [MAIL, "well hello there, my email is <EMAIL_ADDRESS>"] == [one.text for one in heard.requests[0].messages]


async def test_names_and_tool_calls_are_scrubbed_too() -> None:
    """Participant's names and arguments leave the process as the text does; a tool's name and its id stay."""
    call = ToolCall("id 4155552671", "mail_to", '{"to": "ann@example.com", "n": 1.0, "phone": 4155552671}')
    heard = Heard()

    await ScrubLayer(heard, FLAGS, Counts())(
        asking(
            Message("assistant", "", "ann@example.com", (call,), scrub=True),
            Message("tool", "sent to ann@example.com", "mail_to", tool_call_id="id 4155552671", scrub=True),
        )
    )

    asked, answered = heard.requests[0].messages
    expected = replace(call, arguments='{"to": "<EMAIL_ADDRESS>", "n": 1.0, "phone": "<PHONE_NUMBER>"}')
    assert ("<EMAIL_ADDRESS>", (expected,)) == (asked.name, asked.tool_calls)
    assert ("mail_to", "sent to <EMAIL_ADDRESS>", "id 4155552671") == (
        answered.name,
        answered.text,
        answered.tool_call_id,
    )


async def test_a_marked_answers_tool_calls_are_scrubbed() -> None:
    """The answer's flag holds for arguments as for text, in every choice."""
    calls = (ToolCall("1", "f", '["ann@example.com"]'),)
    heard = Heard(Answer((Choice("a"), Choice(ADDRESS, "tool_calls", "tool_use", calls)), Usage(1, 2), "m"))

    reply = await ScrubLayer(heard, FLAGS, Counts())(asking(Message("user", "hi"), scrub_answer=True))

    scrubbed = (ToolCall("1", "f", '["<EMAIL_ADDRESS>"]'),)
    choices = (Choice("a"), Choice("well hello there from <IP>", "tool_calls", "tool_use", scrubbed))
    assert Answer(choices, Usage(1, 2), "m") == reply


async def test_counts_say_which_kinds_went_which_way() -> None:
    """Counted are values by kind and way, never the values."""
    counts = Counts()

    await ScrubLayer(echoing(), FLAGS, counts)(asking(Message("user", f"{MAIL} {MAIL}", scrub=True)))
    await ScrubLayer(echoing(), FLAGS, counts)(asking(Message("user", ADDRESS), scrub_answer=True))

    assert {("prompt", "EMAIL_ADDRESS"): 2, ("answer", "IP"): 1} == counts.seen


async def test_a_request_whose_scrubbing_fails_is_not_asked() -> None:
    """It fails closed: nothing reaches the provider."""
    heard = Heard()

    def broken(_direction: str, _kind: str, _times: int) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await ScrubLayer(heard, FLAGS, broken)(asking(Message("user", MAIL, scrub=True)))

    assert [] == heard.requests


async def test_a_long_text_is_scanned_by_a_thread() -> None:
    """A text too long for the event loop comes out the same."""
    text = "nothing to see here. " * (OFF_LOOP_CHARACTERS // 20) + MAIL

    assert text.replace("test@test.com", "<EMAIL_ADDRESS>") == await said(asking(Message("user", text, scrub=True)))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 1000])
async def test_a_value_that_is_split_over_deltas_never_leaks(size: int) -> None:
    """However a stream is cut, its text is the one that a complete answer would have."""
    text = (
        f"{PHONE}. " + "Some more words to fill the line. " * 30 + f"{MAIL} and {ADDRESS}. " + "And on. " * 60 + PHONE
    )
    deltas = [Delta(text[at : at + size]) for at in range(0, len(text), size)]

    stream = await ScrubLayer(Heard(await streaming(*deltas)), FLAGS, Counts())(
        asking(Message("user", "hi"), scrub_answer=True)
    )
    shown = await read(stream)

    whole = text.replace("+2222222222", "<PHONE_NUMBER>").replace("test@test.com", "<EMAIL_ADDRESS>")
    assert whole.replace("10.8.9.1", "<IP>") == texts(shown)
    assert not any("2222" in delta.text for delta in shown)


async def test_a_scrubbed_stream_shows_text_before_its_end() -> None:
    """What lies far enough behind the end is shown while the rest is still to come."""
    stream = await ScrubLayer(Heard(await streaming(*[Delta("word ")] * 200)), FLAGS, Counts())(
        asking(Message("user", "hi"), scrub_answer=True)
    )
    shown = await read(stream)

    assert 2 < len(shown)
    assert "word " * 200 == texts(shown)


async def test_a_scrubbed_streams_answer_is_what_was_shown() -> None:
    """Choices and their tool calls are apart; the answer at the end has the inner one's usage and reasons."""
    deltas = (
        Delta(MAIL),
        Delta("hi ", 1, (ToolCallDelta(0, "1", "f", '{"to": "ann@'),)),
        Delta(f"{ADDRESS}", 1, (ToolCallDelta(0, arguments='example.com"}'),)),
    )

    stream = await ScrubLayer(Heard(await streaming(*deltas)), FLAGS, Counts())(
        asking(Message("user", "hi"), scrub_answer=True)
    )
    shown = await read(stream)

    assert not isinstance(stream, Answer)
    call = ToolCall("1", "f", '{"to": "<EMAIL_ADDRESS>"}')
    first = Choice("well hello there, my email is <EMAIL_ADDRESS>", "stop", "stop")
    second = Choice("hi well hello there from <IP>", "stop", "stop", (call,))
    assert Answer((first, second), Usage(1, 2), "m") == stream.answer
    pieces = [piece for delta in shown for piece in delta.tool_calls]
    assert [ToolCallDelta(0, "1", "f"), ToolCallDelta(0, arguments=call.arguments)] == pieces


async def test_an_echo_without_words_streams_too() -> None:
    """A stream without a delta has the inner one's answer."""
    stream = await ScrubLayer(echoing(), FLAGS, Counts())(
        asking(Message("user", ""), scrub_answer=True, wants_stream=True)
    )
    shown = await read(stream)

    assert not isinstance(stream, Answer)
    assert ("", "") == (texts(shown), stream.answer.choices[0].text)


async def test_a_stream_that_breaks_keeps_its_held_text() -> None:
    """What was held back is not shown when the provider fails, and what was found is counted."""
    counts = Counts()
    inner = await streaming(Delta(MAIL), Delta(" word" * 200), fault=ProviderUnavailable("gone"))
    stream = await ScrubLayer(Heard(inner), FLAGS, counts)(asking(Message("user", "hi"), scrub_answer=True))
    assert not isinstance(stream, Answer)
    shown: list[Delta] = []

    async def reading() -> None:
        async for delta in stream:
            shown.append(delta)  # noqa: PERF401 - what was shown before the fault is what counts

    with pytest.raises(ProviderUnavailable):
        await reading()

    assert texts(shown).startswith("well hello there, my email is <EMAIL_ADDRESS> word")
    assert {("answer", "EMAIL_ADDRESS"): 1} == counts.seen


async def test_closing_a_scrubbed_stream_closes_what_it_wraps() -> None:
    """The provider's call ends with the caller's interest."""
    inner = await streaming(Delta("a"), Delta("b"))
    stream = await ScrubLayer(Heard(inner), FLAGS, Counts())(asking(Message("user", "hi"), scrub_answer=True))
    assert not isinstance(stream, Answer)

    await stream.aclose()

    assert [Delta("a")] == [delta async for delta in inner]
