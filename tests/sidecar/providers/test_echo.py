"""conversation.echo, beyond what every provider does: Dapr's rule for a limit on tokens."""

import pytest

from parley_sidecar.http_client import HttpClient
from parley_sidecar.model import Answer, ConverseRequest, Message, Trace, Usage
from parley_sidecar.providers.echo import EchoStream, Settings, connect, echoed


@pytest.mark.parametrize(
    ("component_most", "request_most", "text", "reason"),
    [
        (None, 2, "one two", "length"),
        (2, None, "one two", "length"),
        (2, 100, "one two  three four five", "stop"),
        (None, None, "one two  three four five", "stop"),
        (-1, None, "one two  three four five", "stop"),
    ],
)
async def test_a_word_is_a_token(component_most: int | None, request_most: int | None, text: str, reason: str) -> None:
    """The request's limit beats the component's; a text that is cut is joined anew by single spaces."""
    converse = connect(Settings(maxTokens=component_most), HttpClient())
    request = ConverseRequest((Message("user", "one two  three four five"),), Trace("1"), max_tokens=request_most)

    reply = await converse(request)

    assert isinstance(reply, Answer)
    assert (text, reason) == (reply.choices[0].text, reply.choices[0].finish_reason)
    assert Usage(5, len(text.split())) == reply.usage


async def test_messages_are_joined_by_newlines() -> None:
    """Every message's text, in order."""
    converse = connect(Settings(), HttpClient())

    reply = await converse(ConverseRequest((Message("user", "a"), Message("system", "b")), Trace("1")))

    assert isinstance(reply, Answer)
    assert "a\nb" == reply.choices[0].text


def test_a_stream_has_no_answer_before_its_end() -> None:
    """Whoever asks too early learns it at once."""
    with pytest.raises(RuntimeError, match="not read to its end"):
        _ = EchoStream(echoed("a b", None)).answer
