"""The published `openai` SDK, unchanged, against a real `parley run`."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from pydantic import BaseModel

from tests.conftest import Vendors, until
from tests.sidecar.processes import Process, parley_run

VENDOR = "conversation.openai"
TOKEN = "the-api-token"
WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}


class Sum(BaseModel):
    """What a sum is."""

    result: int


def said(text: str) -> list[ChatCompletionMessageParam]:
    """Return a conversation of one message."""
    return [{"role": "user", "content": text}]


@pytest.fixture(scope="module")
def parley(vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A sidecar that wants a token, with an echo, another one that keeps chat rooms, and the stand-in of OpenAI."""
    directory = tmp_path_factory.mktemp("parley")
    metadata = [{"name": name, "value": value} for name, value in vendors.settings(VENDOR).items()]
    components: dict[str, dict[str, Any]] = {
        "echo": {"type": "conversation.echo", "cache": {"ttl": "10m"}},
        "room": {"type": "conversation.echo", "cache": {"ttl": "10m"}, "context": {"ttl": "1h"}},
        "gpt": {"type": VENDOR, "metadata": metadata},
    }
    folder = directory / "components"
    folder.mkdir()
    for name, spec in components.items():
        head = {"apiVersion": "parley.dev/v1alpha1", "kind": "ConversationComponent", "metadata": {"name": name}}
        (folder / f"{name}.yaml").write_text(json.dumps({**head, "spec": {"version": "v1", **spec}}))
    with parley_run(directory, "--components", str(folder), environ={"DAPR_API_TOKEN": TOKEN}) as process:
        process.until_up()
        yield process


@pytest.fixture
def client(parley: Process) -> Iterator[OpenAI]:
    """The SDK's client, which leaves retries to others."""
    url = f"http://127.0.0.1:{parley.http_port}/v1"
    with OpenAI(base_url=url, api_key=TOKEN, max_retries=0) as opened:
        yield opened


def test_a_chat(client: OpenAI) -> None:
    """A completion has text, a reason, the model that answered and the tokens as the provider counted them."""
    reply = client.chat.completions.create(model="gpt", messages=said("hello there"), temperature=0.2, seed=7)

    (choice,) = reply.choices
    assert ("hello there", "stop", "m-1") == (choice.message.content, choice.finish_reason, reply.model)
    assert reply.usage is not None
    assert reply.usage.prompt_tokens_details is not None
    assert (1, reply.usage.total_tokens) == (
        reply.usage.prompt_tokens_details.cached_tokens,
        reply.usage.prompt_tokens + reply.usage.completion_tokens,
    )


def test_fields_that_mean_nothing_here_reach_the_provider(client: OpenAI, vendors: Vendors) -> None:
    """What Parley does not read is the provider's, extra fields included; a limit has the name that it takes."""
    client.chat.completions.create(
        model="gpt",
        messages=said("hello"),
        top_p=0.5,
        parallel_tool_calls=False,
        user="ann",
        max_tokens=9,
        metadata={"tag": "t"},
        prompt_cache_retention="24h",
        tools=[WEATHER],
        extra_body={"stop": ["x"]},
    )

    sent = vendors.last(VENDOR)["body"]
    expected = {
        "top_p": 0.5,
        "parallel_tool_calls": False,
        "user": "ann",
        "max_completion_tokens": 9,
        "metadata": {"tag": "t"},
        "prompt_cache_retention": "24h",
        "stop": ["x"],
    }
    assert expected == {name: sent[name] for name in expected}


async def test_a_chat_without_blocking(parley: Process) -> None:
    """The asynchronous client works alike."""
    url = f"http://127.0.0.1:{parley.http_port}/v1"
    async with AsyncOpenAI(base_url=url, api_key=TOKEN, max_retries=0) as client:
        whole = await client.chat.completions.create(model="gpt", messages=said("hello there"))
        stream = await client.chat.completions.create(model="gpt", messages=said("hello there"), stream=True)
        pieces = [chunk.choices[0].delta.content async for chunk in stream]

    assert ("hello there", ["hello", " there", None]) == (whole.choices[0].message.content, pieces)


@pytest.mark.parametrize("model", ["echo", "gpt"])
def test_a_stream_with_usage(client: OpenAI, model: str) -> None:
    """The pieces make the text, the last of them says why it ended, and the tokens come last."""
    options: Any = {"include_usage": True}
    stream = client.chat.completions.create(
        model=model, messages=said("one two three"), stream=True, stream_options=options
    )
    *chunks, last = list(stream)

    assert ["one", " two", " three"] == [chunk.choices[0].delta.content for chunk in chunks[:-1]]
    assert ("assistant", "stop") == (chunks[0].choices[0].delta.role, chunks[-1].choices[0].finish_reason)
    assert ([], True) == (last.choices, bool(last.usage and last.usage.total_tokens))
    assert 1 == len({(chunk.id, chunk.model, chunk.created) for chunk in [*chunks, last]})


def test_the_helper_for_streams(client: OpenAI) -> None:
    """The SDK's own accumulation of a stream ends in the whole completion, tool calls parsed by their schema."""
    with client.chat.completions.stream(model="gpt", messages=said("sun in Rome?"), tools=[WEATHER]) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()

    (choice,) = final.choices
    assert choice.message.tool_calls
    function = choice.message.tool_calls[0].function
    assert ("tool_calls", None, "weather") == (choice.finish_reason, choice.message.content, function.name)
    assert {"tool_calls.function.arguments.delta", "tool_calls.function.arguments.done"} <= kinds
    arguments: Any = function.parsed_arguments
    assert ["city"] == list(arguments)


def test_a_round_with_a_tool(client: OpenAI, vendors: Vendors) -> None:
    """The model asks for a tool, the application sends its own message back with the result, and gets an answer."""
    messages: list[Any] = said("sun in Rome?")
    asking = client.chat.completions.create(model="gpt", messages=messages, tools=[WEATHER], tool_choice="auto")
    message = asking.choices[0].message
    assert message.tool_calls
    call = message.tool_calls[0]
    messages += [message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    answer = client.chat.completions.create(model="gpt", messages=messages, tools=[WEATHER])

    assert ("tool_calls", None) == (asking.choices[0].finish_reason, message.content)
    assert ("stop", "sun in Rome?") == (answer.choices[0].finish_reason, answer.choices[0].message.content)
    sent = vendors.last(VENDOR)["body"]
    assert call.id == sent["messages"][-1]["tool_call_id"] == sent["messages"][-2]["tool_calls"][0]["id"]
    assert WEATHER["function"] == sent["tools"][0]["function"]


def test_an_echo_of_tools(client: OpenAI) -> None:
    """The component that costs nothing asks for each of the tools, so that applications can be tried without a key."""
    reply = client.chat.completions.create(model="echo", messages=said("sun?"), tools=[WEATHER])

    assert reply.choices[0].message.tool_calls
    assert ["weather"] == [
        call.function.name for call in reply.choices[0].message.tool_calls if call.type == "function"
    ]


def test_a_named_tool(client: OpenAI, vendors: Vendors) -> None:
    """The one tool that must be called reaches the provider as an object."""
    choice: Any = {"type": "function", "function": {"name": "weather"}}
    client.chat.completions.create(model="gpt", messages=said("sun?"), tools=[WEATHER], tool_choice=choice)

    assert choice == vendors.last(VENDOR)["body"]["tool_choice"]


def test_an_answer_of_a_schema(client: OpenAI, vendors: Vendors) -> None:
    """The SDK makes the schema of a model, the provider gets it whole, and the answer is one of that model."""
    reply = client.chat.completions.parse(model="gpt", messages=said("What is 2+2?"), response_format=Sum)

    assert Sum(result=4) == reply.choices[0].message.parsed
    wanted = vendors.last(VENDOR)["body"]["response_format"]["json_schema"]
    assert ("Sum", True, ["result"]) == (wanted["name"], wanted["strict"], wanted["schema"]["required"])


def test_any_object(client: OpenAI) -> None:
    """Without a schema the answer is any object."""
    reply = client.chat.completions.create(
        model="gpt", messages=said("some json, please"), response_format={"type": "json_object"}
    )

    assert isinstance(json.loads(reply.choices[0].message.content or ""), dict)


def test_a_cut_for_length_is_told(client: OpenAI) -> None:
    """The SDK's own error for an answer that was cut is raised where a schema was asked for."""
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(
            model="gpt", messages=said("What is 2+2?"), response_format=Sum, metadata={"model": "length"}
        )


def test_headers_of_the_reply(client: OpenAI) -> None:
    """The raw response shows the request's id, and what the cache did."""
    asked: Any = {"model": "echo", "messages": said("headers"), "extra_headers": {"X-Request-Id": "order-1"}}
    first = client.chat.completions.with_raw_response.create(**asked)
    again = client.chat.completions.with_raw_response.create(**asked)

    assert ("order-1", "parley; fwd=miss; stored") == (first.request_id, first.headers["cache-status"])
    assert again.headers["cache-status"].startswith("parley; hit; ttl=")
    assert first.parse().id != again.parse().id


def test_a_chat_room(client: OpenAI, parley: Process) -> None:
    """The extra field `contextId` makes a conversation, streamed or not; a hit in a room is one of the same history."""
    asked: Any = {"model": "room", "extra_body": {"contextId": "a room"}}
    first = client.chat.completions.with_raw_response.create(messages=said("one"), **asked)
    second = client.chat.completions.create(messages=said("two"), **asked)
    with client.chat.completions.create(messages=said("three"), stream=True, **asked) as stream:
        third = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    path = "/v1.0-alpha1/conversation/room/contexts/a%20room"
    shown = parley.request(parley.http_port, path, headers={"dapr-api-token": TOKEN})

    assert first.headers["cache-status"].startswith("parley; fwd=miss")
    assert "one\none\ntwo" == second.choices[0].message.content
    assert third.endswith("two\none\none\ntwo\nthree")
    assert (200, 3) == (shown.status, shown.body["turns"])


def test_a_room_needs_no_lifetime_of_the_component(client: OpenAI) -> None:
    """OpenAI's replies echo no id, so that naming one asks for a room."""
    for text in ("hi", "you"):
        reply = client.chat.completions.create(model="echo", messages=said(text), extra_body={"contextId": "r"})

    assert "hi\nhi\nyou" == reply.choices[0].message.content


def test_the_models(client: OpenAI) -> None:
    """The components are the models."""
    listed = list(client.models.list())

    expected = [("echo", "conversation.echo"), ("gpt", VENDOR), ("room", "conversation.echo")]
    assert expected == [(model.id, model.owned_by) for model in listed]
    assert listed[0] == client.models.retrieve("echo")


@pytest.mark.parametrize(
    ("model", "kind", "code"),
    [
        ("status-429", openai.RateLimitError, "rate_limited"),
        ("status-500", openai.InternalServerError, "unavailable"),
        ("status-401", openai.InternalServerError, "refused"),
        ("garbage", openai.InternalServerError, "garbled"),
    ],
)
def test_a_fault_of_the_provider_is_an_exception(
    client: OpenAI, model: str, kind: type[openai.APIStatusError], code: str
) -> None:
    """The SDK raises what it raises for OpenAI's own faults; the provider's words stay inside."""
    with pytest.raises(kind) as caught:
        client.chat.completions.create(model="gpt", messages=said("hello"), metadata={"model": model})

    assert (code, False) == (caught.value.code, "sk-vendor-secret" in str(caught.value.body))
    assert caught.value.request_id


def test_how_long_to_wait_is_passed_on(client: OpenAI) -> None:
    """The provider's Retry-After reaches the client, who waits for it."""
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="gpt", messages=said("hello"), metadata={"model": "status-429"})

    headers = caught.value.response.headers
    assert ("7", "7000", None) == (
        headers["retry-after"],
        headers["retry-after-ms"],
        headers.get("x-should-retry"),
    )


def test_a_refusal_is_not_tried_again(parley: Process, vendors: Vendors) -> None:
    """The SDK retries statuses like 500 by itself, but not where that cannot help."""
    url = f"http://127.0.0.1:{parley.http_port}/v1"
    before = vendors.count(VENDOR)
    with OpenAI(base_url=url, api_key=TOKEN, max_retries=3) as client, pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="gpt", messages=said("hello"), metadata={"model": "status-401"})

    assert before + 1 == vendors.count(VENDOR)


def test_an_unknown_model(client: OpenAI) -> None:
    """A component that does not exist is a model that does not exist."""
    with pytest.raises(openai.NotFoundError) as asked:
        client.chat.completions.create(model="nobody", messages=said("hello"))
    with pytest.raises(openai.NotFoundError) as looked_up:
        client.models.retrieve("nobody")

    assert ("model_not_found", "model") == (asked.value.code, asked.value.param)
    assert asked.value.body == looked_up.value.body


def test_a_path_that_is_not_there(client: OpenAI) -> None:
    """What Parley does not have is said to be unknown."""
    with pytest.raises(openai.NotFoundError) as caught:
        client.embeddings.create(model="echo", input="hello")

    assert "unknown_url" == caught.value.code


def test_a_wrong_key(client: OpenAI) -> None:
    """The SDK's key is the API's token."""
    with pytest.raises(openai.AuthenticationError) as caught:
        client.with_options(api_key="wrong").models.list()

    assert "invalid_api_key" == caught.value.code


def test_what_is_no_text(client: OpenAI) -> None:
    """A picture is refused with a sentence and its place."""
    parts: Any = [{"type": "text", "text": "what is it?"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    with pytest.raises(openai.BadRequestError, match="only text is taken") as caught:
        client.chat.completions.create(model="gpt", messages=[{"role": "user", "content": parts}])

    assert "messages[0].content[1]" == caught.value.param


def test_a_cut_stream_raises(client: OpenAI) -> None:
    """A stream that the provider cuts is an error, not an answer that ends early."""
    stream = client.chat.completions.create(
        model="gpt", messages=said("one two three four"), stream=True, metadata={"model": "cut"}
    )
    pieces = []
    with pytest.raises(openai.APIError) as caught:
        pieces += [chunk.choices[0].delta.content for chunk in stream]

    assert "unavailable" == caught.value.code


def test_a_stream_that_fails_at_once_has_a_status(client: OpenAI) -> None:
    """What fails before the first piece is raised where the stream was asked for."""
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(
            model="gpt", messages=said("hello"), stream=True, metadata={"model": "status-429"}
        )


def test_leaving_a_stream_ends_the_call(client: OpenAI, vendors: Vendors) -> None:
    """A client that closes a stream early ends the provider's call."""
    stream = client.chat.completions.create(
        model="gpt", messages=said("one two three"), stream=True, metadata={"model": "silent"}
    )
    first = next(iter(stream)).choices[0].delta.content
    assert 1 == vendors.open(VENDOR)
    stream.close()

    until("the end of the provider's call", lambda: vendors.open(VENDOR) == 0)
    assert "one" == first
