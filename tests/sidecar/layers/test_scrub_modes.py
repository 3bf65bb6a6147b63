"""The modes of the scrub layer: what the provider receives and what the caller sees, for each mode and each flag."""

from collections.abc import Mapping
from typing import Any

import pytest

from parley_sidecar.errors import PersonalData
from parley_sidecar.layers.scrub import ScrubLayer
from parley_sidecar.model import (
    Answer,
    Choice,
    ConverseRequest,
    Delta,
    Message,
    ResponseFormat,
    Tool,
    ToolCall,
    ToolCallDelta,
    Trace,
)
from tests.sidecar.layers.scrubbing import Counts, Heard, asking, hiding, read, streaming, texts

ANN, BOB, NEW = "ann@example.com", "bob@example.org", "new@example.net"
ONE, TWO, BARE = "<EMAIL_ADDRESS_1>", "<EMAIL_ADDRESS_2>", "<EMAIL_ADDRESS>"
TABLE = [
    # mode, answers, flag on the first message, flag on the answer; what the provider gets, what the caller gets
    ("off", "off", False, False, (ANN, BOB), (ANN, ONE, BARE, NEW)),
    ("off", "off", True, False, (BARE, BOB), (ANN, ONE, BARE, NEW)),
    ("off", "off", False, True, (ANN, BOB), (BARE, ONE, BARE, BARE)),
    ("off", "mask", False, False, (ANN, BOB), (BARE, ONE, BARE, BARE)),
    ("mask", "off", False, False, (BARE, BARE), (ANN, ONE, BARE, NEW)),
    ("mask", "off", True, False, (BARE, BARE), (ANN, ONE, BARE, NEW)),
    ("mask", "mask", False, False, (BARE, BARE), (BARE, ONE, BARE, BARE)),
    ("mask", "off", False, True, (BARE, BARE), (BARE, ONE, BARE, BARE)),
    ("reversible", "off", False, False, (ONE, TWO), (ANN, ANN, BARE, NEW)),
    ("reversible", "off", True, False, (BARE, TWO), (ANN, BARE, BARE, NEW)),
    ("reversible", "off", False, True, (ONE, TWO), (BARE, BARE, BARE, BARE)),
    ("reversible", "mask", False, False, (ONE, TWO), (BARE, ANN, BARE, BARE)),
    ("reversible", "mask", False, True, (ONE, TWO), (BARE, BARE, BARE, BARE)),
    ("reversible", "mask", True, False, (BARE, TWO), (BARE, BARE, BARE, BARE)),
]


def nested(text: str) -> ConverseRequest:
    """Return a request with a text in every place that leaves the process."""
    schema = {
        "type": "object",
        "title": text,
        "description": f"of {text}",
        "properties": {
            "to": {"type": "string", "default": text, "examples": [text], "enum": [text, f"{text} ", "other"]},
            "type": {"const": text, "format": "email"},
            "list": {"type": "array", "items": {"anyOf": [{"description": text}, {"$ref": "#/$defs/a"}]}},
        },
        "$defs": {"a": {"type": "object", "patternProperties": {"^a$": {"default": {"deep": [text, 1, None]}}}}},
        "required": ["to"],
        "x-note": text,
        "additionalProperties": False,
    }
    return ConverseRequest(
        (
            Message("system", text),
            Message("developer", text),
            Message("user", text, text),
            Message("assistant", text, None, (ToolCall("c1", "mail", f'{{"to": "{text}"}}'),)),
            Message("tool", text, "mail", tool_call_id="c1"),
        ),
        Trace("1"),
        tools=(Tool("mail", f"Mails {text}", schema), Tool("bare")),
        response_format=ResponseFormat(schema, "form", text),
        parameters={"user": text, "stop": [text], "metadata": {"team": text}, "top_k": 5, "deep": {"a": {"b": text}}},
    )


@pytest.mark.parametrize(("mode", "answers", "marked", "answer_marked", "received", "shown"), TABLE)
async def test_a_mode_and_a_flag(  # noqa: PLR0917 - the columns of a table
    mode: str,
    answers: str,
    marked: bool,  # noqa: FBT001 - as above
    answer_marked: bool,  # noqa: FBT001 - as above
    received: tuple[str, str],
    shown: tuple[str, ...],
) -> None:
    """The higher of both holds for each scope; a stream shows what a complete answer does."""
    said = f"{ANN}, {ONE}, {BARE}, {NEW}"
    request = asking(Message("user", ANN, scrub=marked), Message("user", BOB), scrub_answer=answer_marked)
    heard = Heard(Answer((Choice(said),)))
    streamed = Heard(await streaming(*(Delta(letter) for letter in said)))
    layer = hiding(mode=mode, answers=answers)

    reply = await ScrubLayer(heard, layer, Counts())(request)
    stream = await ScrubLayer(streamed, layer, Counts())(request)

    assert list(received) == [message.text for message in heard.requests[0].messages]
    assert Answer((Choice(", ".join(shown)),)) == reply
    assert ", ".join(shown) == texts(await read(stream))


@pytest.mark.parametrize(("mode", "token"), [("mask", BARE), ("reversible", ONE)])
async def test_a_mode_reaches_every_text(mode: str, token: str) -> None:
    """Nothing that leaves the process is left out; names, keys and the form of schemas stay."""
    heard = Heard()

    await ScrubLayer(heard, hiding(mode=mode), Counts())(nested(ANN))

    expected = nested(token)
    assert expected.messages == heard.requests[0].messages
    assert expected.parameters == heard.requests[0].parameters
    assert expected.tools == heard.requests[0].tools
    assert expected.response_format == heard.requests[0].response_format


@pytest.mark.parametrize("mode", ["mask", "reversible"])
async def test_messages_without_personal_data_stay_the_same_objects(mode: str) -> None:
    """Nothing is made anew where nothing is hidden."""
    heard = Heard()
    request = asking(Message("user", "well hello there"), Message("assistant", "hello", name="bot"))

    await ScrubLayer(heard, hiding(mode=mode), Counts())(request)

    assert all(one is other for one, other in zip(request.messages, heard.requests[0].messages, strict=True))


async def test_choices_that_become_the_same_are_one() -> None:
    """A schema whose enum names a token twice would be refused."""
    schema = {"properties": {"to": {"enum": [ANN, BOB, "nobody", 1, 1]}}}
    heard = Heard()

    await ScrubLayer(heard, hiding(mode="mask"), Counts())(
        ConverseRequest((Message("user", "hi"),), Trace("1"), tools=(Tool("f", None, schema),))
    )

    assert {"properties": {"to": {"enum": [BARE, "nobody", 1, 1]}}} == heard.requests[0].tools[0].parameters


async def test_a_formats_name_with_a_value_gives_way() -> None:
    """No vendor takes a token there, so it has the usual name."""
    heard = Heard()

    await ScrubLayer(heard, hiding(mode="reversible"), Counts())(
        ConverseRequest((Message("user", "hi"),), Trace("1"), response_format=ResponseFormat(None, ANN))
    )

    assert ResponseFormat(None, "response") == heard.requests[0].response_format


@pytest.mark.parametrize(
    "request_of",
    [
        lambda: asking(Message("user", "hi"), Message("user", f"{ANN} 10.8.9.1")),
        lambda: asking(Message("user", f"{ANN} 10.8.9.1", scrub=True), scrub_answer=True),
        lambda: ConverseRequest((Message("user", "hi"),), Trace("1"), parameters={"a": ANN, "b": ["10.8.9.1"]}),
        lambda: ConverseRequest((Message("user", "hi"),), Trace("1"), tools=(Tool("f", f"{ANN} 10.8.9.1"),)),
    ],
)
async def test_block_refuses(request_of: Any) -> None:
    """Whatever the flags say: the kinds are named, values are not, and the provider is not asked."""
    counts, heard = Counts(), Heard()

    with pytest.raises(PersonalData) as caught:
        await ScrubLayer(heard, hiding(mode="block"), counts)(request_of())

    assert "EMAIL_ADDRESS, IP" in caught.value.message
    assert not any(value in caught.value.message for value in (ANN, "10.8.9.1"))
    assert [] == heard.requests
    assert {("blocked", "EMAIL_ADDRESS"): 1, ("blocked", "IP"): 1} == counts.seen


async def test_block_lets_the_rest_pass() -> None:
    """The very request and the very reply, unless the answer is to be masked."""
    request, heard = asking(Message("user", "hi")), Heard(Answer((Choice(ANN),)))

    plain = await ScrubLayer(heard, hiding(mode="block"), Counts())(request)
    masked = await ScrubLayer(heard, hiding(mode="block", answers="mask"), Counts())(request)

    assert [request, request] == heard.requests
    assert (Answer((Choice(ANN),)), Answer((Choice(BARE),))) == (plain, masked)


async def test_types_and_allowed_values_are_the_components() -> None:
    """What the component does not count as personal data stays, in prompts and in answers."""
    layer = hiding(mode="mask", answers="mask", types=["EMAIL_ADDRESS"], allow=["example.org"])
    heard = Heard(Answer((Choice(f"{ANN} {BOB} 10.8.9.1"),)))

    reply = await ScrubLayer(heard, layer, Counts())(asking(Message("user", f"{ANN} {BOB} 10.8.9.1")))

    assert f"{BARE} {BOB} 10.8.9.1" == heard.requests[0].messages[0].text
    assert Answer((Choice(f"{BARE} {BOB} 10.8.9.1"),)) == reply


async def test_a_masked_value_is_masked_wherever_it_stands() -> None:
    """A bare repeat of what was found by its context does not leak, in none of the messages."""
    heard = Heard()

    await ScrubLayer(heard, hiding(mode="mask"), Counts())(
        asking(Message("user", "so hunter22x is wrong?"), Message("user", "my password is hunter22x"))
    )

    assert ["so <SECRET> is wrong?", "my password is <SECRET>"] == [one.text for one in heard.requests[0].messages]


@pytest.mark.parametrize(
    ("answers", "flag", "counted"),
    [
        ("off", False, {("prompt", "EMAIL_ADDRESS"): 2, ("restored", "EMAIL_ADDRESS"): 1}),
        ("mask", False, {("prompt", "EMAIL_ADDRESS"): 2, ("restored", "EMAIL_ADDRESS"): 1, ("answer", "IP"): 1}),
        ("off", True, {("prompt", "EMAIL_ADDRESS"): 2, ("answer", "IP"): 1}),
    ],
)
async def test_counts_say_what_became_of_values(
    answers: str,
    flag: bool,  # noqa: FBT001 - a column of a table
    counted: Mapping[tuple[str, str], int],
) -> None:
    """Hidden, hidden again, put back; typed tokens are no values, and a stream counts as a complete answer does."""
    said, request = f"{ONE} 10.8.9.1", asking(Message("user", f"{ANN} {ANN} {BARE}"), scrub_answer=flag)
    layer, counts, streamed = hiding(mode="reversible", answers=answers), Counts(), Counts()

    await ScrubLayer(Heard(Answer((Choice(said),))), layer, counts)(request)
    await read(await ScrubLayer(Heard(await streaming(Delta(said))), layer, streamed)(request))

    assert (counted, counted) == (counts.seen, streamed.seen)


async def test_a_masked_stream_puts_values_back_in_tool_calls() -> None:
    """Arguments come at the end: what is new is hidden, what is known comes back."""
    raw = f'{{"to": "{ONE}", "cc": "{NEW}"}}'
    pieces = (ToolCallDelta(0, "c1", "mail", raw[:9]), ToolCallDelta(0, arguments=raw[9:]))
    heard = Heard(await streaming(*(Delta(tool_calls=(piece,)) for piece in pieces)))

    stream = await ScrubLayer(heard, hiding(mode="reversible", answers="mask"), Counts())(asking(Message("user", ANN)))
    shown = await read(stream)

    assert not isinstance(stream, Answer)
    assert (ToolCall("c1", "mail", f'{{"to": "{ANN}", "cc": "{BARE}"}}'),) == stream.answer.choices[0].tool_calls
    assert ["", f'{{"to": "{ANN}", "cc": "{BARE}"}}'] == [one.arguments for delta in shown for one in delta.tool_calls]


async def test_what_is_new_around_a_token_is_hidden() -> None:
    """A value that the model has made of a token and more gives way around it; the token does not."""
    layer = hiding(mode="reversible", answers="mask", patterns=[{"type": "OWN", "regex": r"X[^ ]{1,60}Y"}])
    heard = Heard(Answer((Choice(f"X{ONE}Y, X1{ONE}-Y and X12Y"),)))

    reply = await ScrubLayer(heard, layer, Counts())(asking(Message("user", ANN)))

    assert Answer((Choice(f"<OWN>{ANN}<OWN>, <OWN>{ANN}<OWN> and <OWN>"),)) == reply
