"""conversation.echo, beyond the published cases: Dapr's rule for a limit on tokens, and its streams."""

from typing import Any

import pytest

from parley_sidecar.errors import ProviderRefused
from parley_sidecar.http_client import HttpClient
from parley_sidecar.model import (
    Answer,
    Choice,
    ConverseRequest,
    Delta,
    Message,
    Tool,
    ToolCall,
    ToolCallDelta,
    Trace,
    Usage,
)
from parley_sidecar.providers.echo import Settings, connect

FIVE = "one two  three four five"
CALL = ToolCall("call_1", "f", "not JSON")


async def echo(*messages: Message, most: int | None = None, **fields: Any) -> Answer:
    """Return what the echo of a component answers to messages, whole."""
    reply = await connect(Settings(maxTokens=most), HttpClient())(ConverseRequest(messages, Trace("1"), **fields))
    assert isinstance(reply, Answer)
    return reply


async def streamed(text: str, **fields: Any) -> tuple[list[Delta], Answer]:
    """Return the pieces of an echo, and what they are said to add up to."""
    request = ConverseRequest((Message("user", text, tool_calls=(CALL,)),), Trace("1"), wants_stream=True, **fields)
    reply = await connect(Settings(), HttpClient())(request)
    assert not isinstance(reply, Answer)
    deltas = [delta async for delta in reply]
    await reply.aclose()
    return deltas, reply.answer


@pytest.mark.parametrize(
    ("component_most", "request_most", "text", "reason"),
    [
        (None, 2, "one two", "length"),
        (2, None, "one two", "length"),
        (2, 100, FIVE, "stop"),
        (None, 5, FIVE, "stop"),
        (None, None, FIVE, "stop"),
        (-1, None, FIVE, "stop"),
    ],
)
async def test_a_word_is_a_token(component_most: int | None, request_most: int | None, text: str, reason: str) -> None:
    """The request's limit beats the component's; a text that is cut is joined anew by single spaces."""
    reply = await echo(Message("user", FIVE), most=component_most, max_tokens=request_most)

    assert (text, reason) == (reply.choices[0].text, reply.choices[0].finish_reason)
    assert Usage(5, len(text.split())) == reply.usage


async def test_a_cut_is_told_before_the_calls() -> None:
    """The limit is the finish reason also where there are tool calls."""
    (choice,) = (await echo(Message("assistant", FIVE, tool_calls=(CALL,)), max_tokens=1)).choices

    assert Choice("one", "length", "length", (CALL,)) == choice


async def test_messages_are_joined_by_newlines() -> None:
    """Every message's text, in order; a tool's result says whose it is."""
    reply = await echo(Message("user", "a"), Message("tool", "b\nc", "f", tool_call_id="1"), Message("tool", ""))

    expected = "a\nTool Response for tool ID '1' with name 'f': b\nc\nTool Response for tool ID '' with name '': "
    assert expected == reply.choices[0].text


async def test_who_only_asks_for_tools_says_nothing() -> None:
    """Calls without text are no line; a message that is empty is one."""
    reply = await echo(Message("user", ""), Message("assistant", "", tool_calls=(CALL,)), Message("user", "a"))

    assert "\na" == reply.choices[0].text


async def test_each_tool_is_called_with_its_properties() -> None:
    """Calls of the tools come first, numbered, their arguments the sorted names; then those of assistants."""
    schema: dict[str, object] = {"properties": {"unit": {}, "location": {}, "name": {}}}
    reply = await echo(Message("assistant", "hm", tool_calls=(CALL,)), tools=(Tool("f", parameters=schema), Tool("g")))

    calls = (ToolCall("0", "f", "location,name,unit"), ToolCall("1", "g"), CALL)
    assert (Choice("hm", "tool_calls", "tool_calls", calls),) == reply.choices


@pytest.mark.parametrize("properties", [None, [1], "text"])
async def test_properties_are_an_object(properties: object) -> None:
    """Properties that are none are the component's error, as in Dapr."""
    with pytest.raises(ProviderRefused, match="the properties of the tool f are no object"):
        await echo(Message("user", "hi"), tools=(Tool("f", parameters={"properties": properties}),))


async def test_no_messages_are_no_words() -> None:
    """Nothing is answered with nothing, and costs nothing."""
    assert Answer((Choice("", "stop", "stop"),), Usage()) == await echo()


async def test_a_stream_comes_word_by_word() -> None:
    """Each word with the space in front of it, then each tool call; together they are the answer."""
    deltas, answer = await streamed(" one  two\n", tools=(Tool("g"),))

    calls = [ToolCallDelta(0, "0", "g"), ToolCallDelta(1, "call_1", "f", "not JSON")]
    pieces = [Delta(" one"), Delta("  two"), Delta("\n"), *(Delta(tool_calls=(call,)) for call in calls)]
    assert pieces == deltas
    expected = Choice(" one  two\n", "tool_calls", "tool_calls", (ToolCall("0", "g"), CALL))
    assert Answer((expected,), Usage(2, 2)) == answer


async def test_a_cut_stream_is_cut_alike() -> None:
    """A limit holds for a stream too."""
    deltas, answer = await streamed("one  two three", max_tokens=2)

    assert ["one", " two", ""] == [delta.text for delta in deltas]
    assert ("length", Usage(3, 2)) == (answer.choices[0].finish_reason, answer.usage)
