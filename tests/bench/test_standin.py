"""The provider stand-in: the published SDK of OpenAI understands it, its faults are the ones that tests name."""

import http.client
import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionUserMessageParam

from tests.conftest import Standin

HELLO: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": "hello you"}]


@pytest.fixture
async def sdk(standin: Standin) -> AsyncIterator[openai.AsyncOpenAI]:
    """OpenAI's own client."""
    async with openai.AsyncOpenAI(base_url=f"{standin.url}/v1", api_key="k", max_retries=0, timeout=20) as client:
        yield client


def post(standin: Standin, model: str, **more: Any) -> tuple[int, dict[str, str], bytes]:
    """Ask for a completion, without a client's opinion of the answer."""
    connection = http.client.HTTPConnection(standin.url.removeprefix("http://"), timeout=20)
    connection.request("POST", "/v1/chat/completions", json.dumps({"model": model, "messages": HELLO, **more}))
    reply = connection.getresponse()
    try:
        return reply.status, dict(reply.getheaders()), reply.read()
    finally:
        connection.close()


async def test_the_sdk_reads_a_complete_answer(sdk: openai.AsyncOpenAI) -> None:
    """Text, finish reason, model and usage in words arrive."""
    answer = await sdk.chat.completions.create(model="gpt", messages=HELLO)
    choice = answer.choices[0]

    assert ("gpt", "stand-in: hello you", "stop") == (answer.model, choice.message.content, choice.finish_reason)
    assert answer.usage
    assert (2, 3, 5) == (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens)


async def test_the_sdk_reads_a_stream(sdk: openai.AsyncOpenAI) -> None:
    """The words arrive one by one, then the finish reason, then the usage that was asked for."""
    stream = await sdk.chat.completions.create(
        model="gpt", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    words = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]

    assert ["stand-in:", " hello", " you", None] == words
    assert "stop" == chunks[-2].choices[0].finish_reason
    assert chunks[-1].usage
    assert 5 == chunks[-1].usage.total_tokens


async def test_a_stream_has_no_usage_unless_asked(sdk: openai.AsyncOpenAI) -> None:
    """Without `include_usage` no chunk has usage, as with OpenAI."""
    stream = await sdk.chat.completions.create(model="gpt", messages=HELLO, stream=True)

    assert [None] * 4 == [chunk.usage async for chunk in stream]


async def test_the_last_user_message_is_answered(sdk: openai.AsyncOpenAI) -> None:
    """Parts of a message are joined; other roles count as usage only."""
    parts: Any = [{"type": "text", "text": "good "}, {"type": "text", "text": "day"}]
    answer = await sdk.chat.completions.create(
        model="gpt",
        messages=[
            {"role": "system", "content": "be short"},
            {"role": "user", "content": parts},
            {"role": "assistant", "content": "yes?"},
        ],
    )

    assert "stand-in: good day" == answer.choices[0].message.content
    assert answer.usage
    assert 5 == answer.usage.prompt_tokens


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, openai.AuthenticationError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (503, openai.InternalServerError),
    ],
)
async def test_the_sdk_knows_the_faults(
    sdk: openai.AsyncOpenAI, status: int, kind: type[openai.APIStatusError]
) -> None:
    """`status-<code>` is that status, with an error of OpenAI's form."""
    with pytest.raises(kind) as caught:
        await sdk.chat.completions.create(model=f"status-{status}", messages=HELLO)

    assert {
        "message": "the stand-in was told to fail",
        "type": "fault",
        "param": None,
        "code": None,
    } == caught.value.body


def test_a_rate_limit_says_how_long(standin: Standin) -> None:
    """429 alone comes with Retry-After."""
    _, limited, _ = post(standin, "status-429")
    _, broken, _ = post(standin, "status-500")

    assert ("7", None) == (limited.get("retry-after"), broken.get("retry-after"))


@pytest.mark.parametrize(("model", "reason"), [("length", "length"), ("filtered", "content_filter")])
@pytest.mark.parametrize("streamed", [False, True])
async def test_answers_end_as_the_model_says(
    sdk: openai.AsyncOpenAI, model: str, reason: str, *, streamed: bool
) -> None:
    """The models `length` and `filtered` end so, complete and streamed."""
    if streamed:
        stream = await sdk.chat.completions.create(model=model, messages=HELLO, stream=True)
        reasons = [chunk.choices[0].finish_reason async for chunk in stream]
    else:
        answer = await sdk.chat.completions.create(model=model, messages=HELLO)
        reasons = [answer.choices[0].finish_reason]

    assert reason == reasons[-1]


def test_what_is_no_completion(standin: Standin) -> None:
    """`garbage` is not JSON, `empty` has no choices."""
    _, _, garbage = post(standin, "garbage")
    _, _, empty = post(standin, "empty")

    assert b"<html>not JSON</html>" == garbage
    assert [] == json.loads(empty)["choices"]


@pytest.mark.parametrize("pause_ms", [0, 1])
async def test_an_answer_comes_in_as_many_pieces_as_asked(sdk: openai.AsyncOpenAI, pause_ms: int) -> None:
    """`pieces-<n>-<ms>` streams its text in n pieces, with a pause between them or at once."""
    stream = await sdk.chat.completions.create(model=f"pieces-4-{pause_ms}", messages=HELLO, stream=True)
    pieces = [chunk.choices[0].delta.content async for chunk in stream]

    assert ["stan", "d-in:", " hell", "o you", None] == pieces


@pytest.mark.parametrize("streamed", [False, True])
def test_a_cut_answer_breaks_off(standin: Standin, *, streamed: bool) -> None:
    """`cut` closes the connection in the middle of the body."""
    with pytest.raises(http.client.IncompleteRead):
        post(standin, "cut", stream=streamed)


def test_a_slow_answer_comes_all_the_same(standin: Standin) -> None:
    """`slow-<ms>` answers after that time."""
    status, _, body = post(standin, "slow-20")

    assert (200, "slow-20") == (status, json.loads(body)["model"])


def test_a_flaky_model_fails_in_turn(standin: Standin) -> None:
    """Of ten calls in a row one is a 503, one is cut off, and eight are answers."""
    outcomes: list[int] = []
    for _ in range(10):
        try:
            outcomes.append(post(standin, "flaky")[0])
        except http.client.IncompleteRead:
            outcomes.append(0)

    assert [0, *[200] * 8, 503] == sorted(outcomes)


def test_a_hanging_answer_never_comes(standin: Standin) -> None:
    """`hang` keeps the connection open and says nothing."""
    connection = http.client.HTTPConnection(standin.url.removeprefix("http://"), timeout=0.2)
    connection.request("POST", "/v1/chat/completions", json.dumps({"model": "hang", "messages": HELLO}))

    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()


def test_requests_are_remembered(standin: Standin) -> None:
    """/last has the headers, in lower case, and the body; /count goes up by one a completion."""
    before = standin.count()
    post(standin, "gpt", temperature=0.5)
    last = standin.last()

    assert {"model": "gpt", "messages": HELLO, "temperature": 0.5} == last["body"]
    assert "identity" == last["headers"]["accept-encoding"]
    assert before + 1 == standin.count()


@pytest.mark.parametrize(("path", "body", "status"), [("/v1/chat/completions", b"{", 400), ("/v2", b"{}", 404)])
def test_bad_requests_are_refused(standin: Standin, path: str, body: bytes, status: int) -> None:
    """What is not JSON is 400, an unknown path 404; neither is counted."""
    before = standin.count()
    connection = http.client.HTTPConnection(standin.url.removeprefix("http://"), timeout=20)
    connection.request("POST", path, body)
    reply = connection.getresponse()
    reply.read()
    connection.close()

    assert (status, before) == (reply.status, standin.count())


def test_what_is_not_http_is_hung_up_on(standin: Standin) -> None:
    """The connection is closed without an answer."""
    connection = http.client.HTTPConnection(standin.url.removeprefix("http://"), timeout=20)
    connection.connect()
    connection.sock.sendall(b"not HTTP\r\n\r\n")

    assert b"" == connection.sock.recv(100)
    connection.close()
