"""conversation.anthropic against a strict server of the Messages API: headers, answers, streams and faults."""

import pytest
from msgspec.structs import replace

from parley_sidecar import providers
from parley_sidecar.errors import (
    InvalidComponent,
    InvalidParameters,
    ParleyError,
    ProviderGarbled,
    ProviderRefused,
    ProviderUnavailable,
    RateLimited,
)
from parley_sidecar.http_client import HttpClient
from parley_sidecar.model import (
    Answer,
    Choice,
    Converse,
    ConverseRequest,
    Message,
    NamedTool,
    Overrides,
    ResponseFormat,
    Stream,
    Tool,
    ToolCall,
    ToolChoice,
    Trace,
)
from tests.conftest import Vendors
from tests.vendors.faults import LEAK

TYPE = "conversation.anthropic"
HELLO = ConverseRequest((Message("user", "hello there"),), Trace("1"))
PAY = Tool("pay", parameters={"type": "object", "properties": {"to": {"type": "string"}}})


def claude(http: HttpClient, vendors: Vendors, **settings: str) -> Converse:
    """Return a provider of the stand-in."""
    return providers.connect(TYPE, vendors.settings(TYPE) | settings, http)


async def read(stream: Stream, texts: list[str]) -> None:
    """Read a stream to its end, and close it; what was read before it failed is in `texts`."""
    try:
        async for delta in stream:
            texts.append(delta.text)  # noqa: PERF401 - a comprehension would lose them with the error
    finally:
        await stream.aclose()


async def answer_of(converse: Converse, request: ConverseRequest) -> Answer:
    """Ask, and read a stream to its end."""
    reply = await converse(request)
    if isinstance(reply, Answer):
        return reply
    await read(reply, [])
    return reply.answer


async def test_the_key_and_the_version_are_in_the_headers(http: HttpClient, vendors: Vendors) -> None:
    """At the path of the API, below the endpoint; the component's limit is sent, as the API needs one."""
    await claude(http, vendors, maxTokens="77")(HELLO)
    sent = vendors.last(TYPE)

    assert "/v1/messages" == sent["path"]
    assert {"x-api-key": "sk-ant-good", "anthropic-version": "2023-06-01"}.items() <= sent["headers"].items()
    assert "api-key" not in sent["headers"]
    assert 77 == sent["body"]["max_tokens"]


async def test_foundry_has_the_key_under_azures_name(http: HttpClient, vendors: Vendors) -> None:
    """The path is the same below its own endpoint."""
    endpoint = f"{vendors.settings(TYPE)['endpoint']}/anthropic/"
    answer = await answer_of(claude(http, vendors, endpoint=endpoint, apiType="foundry", model="my-claude"), HELLO)
    sent = vendors.last(TYPE)

    assert "hello there" == answer.choices[0].text
    assert ("/anthropic/v1/messages", "sk-ant-good", "my-claude") == (
        sent["path"],
        sent["headers"]["api-key"],
        sent["body"]["model"],
    )


@pytest.mark.parametrize(
    ("setting", "asked", "sent"), [("", None, 2048), ("0", None, 2048), ("9", None, 9), ("9", 5, 5)]
)
async def test_the_limit_is_the_requests_or_the_components_or_the_usual(
    http: HttpClient, vendors: Vendors, setting: str, asked: int | None, sent: int
) -> None:
    """A component's limit that is none is passed over."""
    settings = {"maxTokens": setting} if setting else {}
    await claude(http, vendors, **settings)(replace(HELLO, max_tokens=asked))

    assert sent == vendors.last(TYPE)["body"]["max_tokens"]


@pytest.mark.parametrize("wants_stream", [False, True])
@pytest.mark.parametrize(
    "request_",
    [
        HELLO,
        replace(HELLO, tools=(PAY,), tool_choice="auto"),
        replace(HELLO, tools=(PAY, Tool("now")), tool_choice=NamedTool("now")),
        replace(HELLO, parameters={"thinking": {"type": "adaptive"}}),
        replace(HELLO, response_format=ResponseFormat({"type": "object", "additionalProperties": False})),
    ],
    ids=["text", "call", "bare call", "thinking", "format"],
)
async def test_a_stream_adds_up_to_the_whole_answer(
    http: HttpClient, vendors: Vendors, request_: ConverseRequest, *, wants_stream: bool
) -> None:
    """Text, calls, reasons, tokens and model are the same either way."""
    converse = claude(http, vendors)
    whole = await answer_of(converse, request_)

    assert whole == await answer_of(converse, replace(request_, wants_stream=wants_stream))
    assert whole.usage
    assert ("claude-sonnet-4-6", True) == (whole.model, whole.usage.prompt_tokens > 0)


@pytest.mark.parametrize(
    ("choice", "text", "names"),
    [
        ("auto", "I will look that up.", ("pay",)),
        ("required", "", ("pay",)),
        (NamedTool("now"), "", ("now",)),
        ("none", "hello there", ()),
    ],
)
async def test_a_call_and_its_result_go_round(
    http: HttpClient, vendors: Vendors, choice: ToolChoice, text: str, names: tuple[str, ...]
) -> None:
    """The answer's text and calls are taken back as the turn they were."""
    converse = claude(http, vendors)
    asked = replace(HELLO, tools=(PAY, Tool("now")), tool_choice=choice)
    (choice_,) = (await answer_of(converse, asked)).choices
    results = [Message("tool", "done", call.name, tool_call_id=call.id) for call in choice_.tool_calls]
    turn = Message("assistant", choice_.text, tool_calls=choice_.tool_calls)
    after = await answer_of(
        converse, replace(HELLO, messages=(*HELLO.messages, turn, *results, Message("user", "and?")))
    )

    assert (text, names) == (choice_.text, tuple(call.name for call in choice_.tool_calls))
    assert "and?" == after.choices[0].text


async def test_a_prompt_that_is_kept_is_read_from_the_cache(http: HttpClient, vendors: Vendors) -> None:
    """The second question with the same instructions counts what was kept."""
    converse = claude(http, vendors)
    messages = (Message("system", "be brief " * 100), *HELLO.messages)
    asked = replace(HELLO, messages=messages, prompt_cache_retention_s=86400.0)
    first, second = (await answer_of(converse, asked)).usage, (await answer_of(converse, asked)).usage

    assert first
    assert second
    assert first.prompt_tokens == second.prompt_tokens
    assert 0 == first.cached_tokens < second.cached_tokens < second.prompt_tokens


@pytest.mark.parametrize("wants_stream", [False, True])
@pytest.mark.parametrize(
    ("model", "choice"),
    [
        ("length", Choice("hello", "length", "max_tokens")),
        ("overflown", Choice("hello there", "length", "model_context_window_exceeded")),
        ("filtered", Choice("hello there", "content_filter", "refusal")),
        ("stopped", Choice("hello there", "stop", "stop_sequence")),
        ("paused", Choice("hello there", "unknown", "pause_turn")),
        ("empty", Choice("", "stop", "end_turn")),
    ],
)
async def test_every_end_is_told(
    http: HttpClient, vendors: Vendors, model: str, choice: Choice, *, wants_stream: bool
) -> None:
    """In our word and in theirs."""
    answer = await answer_of(claude(http, vendors, model=model), replace(HELLO, wants_stream=wants_stream))

    assert (choice,) == answer.choices


@pytest.mark.parametrize("wants_stream", [False, True])
@pytest.mark.parametrize(
    ("model", "error", "sentence"),
    [
        ("status-429", RateLimited, "the provider limits the rate of requests"),
        ("status-529", ProviderUnavailable, "the provider answered with status 529"),
        ("status-404", ProviderRefused, "the provider does not know the model or the path (status 404)"),
        ("cut", ProviderUnavailable, "the provider's answer was cut off"),
        ("garbage", ProviderGarbled, "the provider's answer is not a"),
    ],
)
async def test_every_fault_is_ours(
    http: HttpClient, vendors: Vendors, model: str, error: type[ParleyError], sentence: str, *, wants_stream: bool
) -> None:
    """Nothing of the vendor's body is in it; a wait is passed on."""
    with pytest.raises(error) as caught:
        await answer_of(claude(http, vendors, model=model), replace(HELLO, wants_stream=wants_stream))

    assert sentence in caught.value.message
    assert LEAK not in str(caught.value.__cause__) + caught.value.message
    assert (7.0 if model == "status-429" else None) == caught.value.retry_after_s


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("overloaded_error", ProviderUnavailable),
        ("rate_limit_error", RateLimited),
        ("invalid_request_error", ProviderRefused),
    ],
)
async def test_an_error_in_a_stream_comes_after_its_deltas(
    http: HttpClient, vendors: Vendors, kind: str, error: type[ParleyError]
) -> None:
    """What was said before is delivered; there is no whole answer."""
    reply = await claude(http, vendors, model=f"breaks-{kind}")(replace(HELLO, wants_stream=True))
    assert not isinstance(reply, Answer)
    texts: list[str] = []

    with pytest.raises(error):
        await read(reply, texts)
    with pytest.raises(RuntimeError):
        _ = reply.answer
    assert ["hello t"] == texts


async def test_a_request_may_bring_its_own_key_and_model(http: HttpClient, vendors: Vendors) -> None:
    """An endpoint of its own needs a key of its own too."""
    converse = claude(http, vendors)
    own = Overrides(model="claude-own", key="sk-ant-own", endpoint=vendors.settings(TYPE)["endpoint"])
    await converse(replace(HELLO, overrides=own))
    sent = vendors.last(TYPE)

    assert ("sk-ant-own", "claude-own") == (sent["headers"]["x-api-key"], sent["body"]["model"])
    with pytest.raises(InvalidParameters):
        await converse(replace(HELLO, overrides=replace(own, key=None)))


async def test_what_the_vendor_refuses_is_refused(http: HttpClient, vendors: Vendors) -> None:
    """A field it does not know, a wrong key, a call without its result."""
    unknown = replace(HELLO, parameters={"top_z": 1})
    unanswered = replace(
        HELLO, messages=(Message("assistant", "", tool_calls=(ToolCall("c1", "pay"),)), *HELLO.messages)
    )

    for converse, request, status in (
        (claude(http, vendors), unknown, 400),
        (claude(http, vendors), unanswered, 400),
        (claude(http, vendors, key="sk-wrong"), HELLO, 401),
    ):
        with pytest.raises(ProviderRefused) as caught:
            await converse(request)
        assert f"(status {status})" in caught.value.message


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"key": "a\nb"}, "the setting key: must be printable ASCII text, and not empty"),
        ({"key": "k", "endpoint": "here"}, "the setting endpoint: must be an http:// or https:// URL"),
        ({"key": "k", "apiType": "foundry"}, "endpoint must be given where apiType is foundry"),
        ({"key": "k", "apiType": "bedrock"}, "the setting apiType: "),
        ({}, "the setting key: Field required"),
    ],
)
def test_settings_that_cannot_work_are_named(http: HttpClient, settings: dict[str, str], sentence: str) -> None:
    """Before the first request."""
    with pytest.raises(InvalidComponent) as caught:
        providers.connect(TYPE, settings, http)

    assert caught.value.message.startswith(sentence)


async def test_a_model_that_is_empty_is_the_usual_one(http: HttpClient, vendors: Vendors) -> None:
    """Dapr's own suite gives it so."""
    await claude(http, vendors, model="")(HELLO)

    assert "claude-sonnet-4-6" == vendors.last(TYPE)["body"]["model"]
