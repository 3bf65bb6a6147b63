"""conversation.openai on its wire: what is sent, what is understood, and what each fault becomes."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from parley_sidecar import providers
from parley_sidecar.errors import (
    InvalidComponent,
    InvalidParameters,
    ParleyError,
    ProviderGarbled,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
)
from parley_sidecar.http_client import HttpClient, HttpReply
from parley_sidecar.layers.timeout import TimeoutLayer
from parley_sidecar.model import Answer, Choice, Converse, ConverseRequest, Message, Overrides, Trace, Usage
from parley_sidecar.providers.openai import Settings, from_wire, to_wire
from tests.conftest import Standin, free_port

HELLO = ConverseRequest((Message("user", "hello"),), Trace("1"))


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    """A client that is closed after the test."""
    client = HttpClient()
    yield client
    await client.aclose()


def gpt(http: HttpClient, standin: Standin, **settings: str) -> Converse:
    """Return a provider of the stand-in."""
    usual = {"key": "sk-secret", "endpoint": f"{standin.url}/v1/"}
    return providers.connect("conversation.openai", usual | settings, http)


async def test_everything_asked_is_on_the_wire(http: HttpClient, standin: Standin) -> None:
    """Model, messages with roles and names, temperature, the limit under its current name, and custom fields."""
    request = ConverseRequest(
        (Message("developer", "be kind"), Message("user", "hi", "ann")),
        Trace("1"),
        temperature=0.5,
        max_tokens=7,
        parameters={"top_p": 0.9},
    )
    await gpt(http, standin, model="gpt-x")(request)

    sent = standin.last()
    assert "Bearer sk-secret" == sent["headers"]["authorization"]
    assert {
        "model": "gpt-x",
        "messages": [
            {"role": "developer", "content": "be kind"},
            {"role": "user", "content": "hi", "name": "ann"},
        ],
        "temperature": 0.5,
        "max_completion_tokens": 7,
        "top_p": 0.9,
    } == sent["body"]


async def test_what_was_not_asked_is_not_on_the_wire(http: HttpClient, standin: Standin) -> None:
    """Models that refuse a temperature are not sent one; the component's limit holds where a request has none."""
    await gpt(http, standin, maxtokens="9")(HELLO)

    assert {"model", "messages", "max_completion_tokens"} == standin.last()["body"].keys()
    assert 9 == standin.last()["body"]["max_completion_tokens"]


async def test_a_requests_own_model_and_key_are_used(http: HttpClient, standin: Standin) -> None:
    """The next request has the component's again."""
    converse = gpt(http, standin)
    await converse(replace(HELLO, overrides=Overrides(model="other", key="sk-own")))
    own = standin.last()
    await converse(HELLO)

    assert ("Bearer sk-own", "other") == (own["headers"]["authorization"], own["body"]["model"])
    assert "Bearer sk-secret" == standin.last()["headers"]["authorization"]


async def test_an_own_endpoint_never_gets_the_components_key(http: HttpClient, standin: Standin) -> None:
    """It needs a key of its own in the same request; with one, that key alone travels there."""
    elsewhere = providers.connect(
        "conversation.openai", {"key": "sk-secret", "endpoint": f"http://127.0.0.1:{free_port()}"}, http
    )
    with pytest.raises(InvalidParameters, match="needs its own key"):
        await elsewhere(replace(HELLO, overrides=Overrides(endpoint=f"{standin.url}/v1")))
    with pytest.raises(InvalidParameters, match="http://"):
        await elsewhere(replace(HELLO, overrides=Overrides(endpoint="file:///etc/passwd", key="sk-own")))
    await elsewhere(replace(HELLO, overrides=Overrides(endpoint=f"{standin.url}/v1", key="sk-own")))

    assert "Bearer sk-own" == standin.last()["headers"]["authorization"]
    assert "sk-secret" not in str(standin.last())


@pytest.mark.parametrize("override", [{"key": "sk\r\nx-mark: 1"}, {"key": "schlüssel"}, {"endpoint": "http://[::1"}])
async def test_an_override_that_cannot_be_sent_is_the_callers_fault(
    http: HttpClient, standin: Standin, override: dict[str, str]
) -> None:
    """It is a 400 and not a fault of the provider's, and is not repeated."""
    overrides = Overrides(**{"key": "sk-own"} | override)
    with pytest.raises(InvalidParameters, match=f"{next(iter(override))} in metadata must be") as caught:
        await gpt(http, standin)(replace(HELLO, overrides=overrides))

    assert next(iter(override.values())) not in caught.value.message


async def test_a_key_from_a_file_may_end_with_a_newline(http: HttpClient, standin: Standin) -> None:
    """Secrets are often made of such files."""
    await gpt(http, standin, key="sk-secret\n")(HELLO)

    assert "Bearer sk-secret" == standin.last()["headers"]["authorization"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "the setting key: Field required"),
        ({"key": " \n"}, "the setting key: must be printable"),
        ({"key": "sk-\nsecret"}, "the setting key: must be printable"),
        ({"key": "k", "endpoint": "api.sk-secret.com"}, "the setting endpoint: must be an http"),
        ({"key": "k", "endpoint": "https://user:sk-secret@host"}, "the setting endpoint: must be an http"),
        ({"key": "k", "endpoint": "https://host:sk-secret"}, "the setting endpoint: must be an http"),
    ],
)
def test_settings_that_cannot_work_are_named_at_load(http: HttpClient, settings: dict[str, str], words: str) -> None:
    """Not at the first request, and never with their values."""
    with pytest.raises(InvalidComponent, match=words) as caught:
        providers.connect("conversation.openai", settings, http)

    assert "secret" not in caught.value.message


@pytest.mark.parametrize("name", ["messages", "model", "stream", "temperature", "max_completion_tokens", "n", "tools"])
def test_parameters_may_not_name_what_is_ours(name: str) -> None:
    """They cannot replace the conversation behind the layers' backs."""
    with pytest.raises(InvalidParameters, match=f"may not name {name}"):
        to_wire(replace(HELLO, parameters={name: 1}), Settings(key="k"))


@pytest.mark.parametrize(
    ("model", "expected", "words"),
    [
        ("status-400", ProviderRefused, "refused the request"),
        ("status-401", ProviderRefused, "refused the key"),
        ("status-403", ProviderRefused, "refused the key"),
        ("status-404", ProviderRefused, "does not know the model"),
        ("status-408", ProviderUnavailable, "status 408"),
        ("status-302", ProviderRefused, "status 302"),
        ("status-429", RateLimited, "limits the rate"),
        ("status-500", ProviderUnavailable, "status 500"),
        ("status-503", ProviderUnavailable, "status 503"),
        ("garbage", ProviderGarbled, "not a chat completion"),
        ("empty", ProviderGarbled, "no choices"),
        ("cut", ProviderUnavailable, "cut off"),
    ],
)
async def test_each_fault_is_its_own_error(
    http: HttpClient, standin: Standin, model: str, expected: type[ParleyError], words: str
) -> None:
    """The caller learns the kind and nothing of the provider's body or of the key."""
    with pytest.raises(expected, match=words) as caught:
        await gpt(http, standin, model=model)(HELLO)

    assert type(caught.value) is expected
    assert "sk-secret" not in caught.value.message
    assert "told to fail" not in caught.value.message


async def test_a_rate_limit_says_when_to_come_back(http: HttpClient, standin: Standin) -> None:
    """Retry-After travels with the error, in seconds."""
    with pytest.raises(RateLimited) as caught:
        await gpt(http, standin, model="status-429")(HELLO)

    assert 7 == caught.value.retry_after_s


async def test_a_slow_one_meets_the_timeout(http: HttpClient, standin: Standin) -> None:
    """The timeout layer ends the call; the connection is not used again for another's answer."""
    converse = gpt(http, standin)
    with pytest.raises(ProviderTimeout):
        await TimeoutLayer(converse, 0.05)(replace(HELLO, overrides=Overrides(model="slow-2000")))
    reply = await TimeoutLayer(converse, 60)(replace(HELLO, messages=(Message("user", "another"),)))

    assert isinstance(reply, Answer)
    assert "stand-in: another" == reply.choices[0].text


@pytest.mark.parametrize(("model", "reason"), [("length", "length"), ("filtered", "content_filter")])
async def test_finish_reasons_are_openais(http: HttpClient, standin: Standin, model: str, reason: str) -> None:
    """A cut or filtered answer says so."""
    reply = await gpt(http, standin, model=model)(HELLO)

    assert isinstance(reply, Answer)
    assert reason == reply.choices[0].finish_reason


def completion(body: bytes) -> Answer:
    """Return what is understood of a body."""
    return from_wire(HttpReply(200, {}, body))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            (
                b'{"model":"m","choices":[{"message":{"content":"hi","audio":1},"finish_reason":"stop"}],"usage":{'
                b'"prompt_tokens":5,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":3},'
                b'"completion_tokens_details":{"reasoning_tokens":2}}}'
            ),
            Answer((Choice("hi", "stop", "stop"),), Usage(5, 4, 3, 2), "m"),
        ),
        (
            (
                b'{"choices":[{"message":{"content":null},"finish_reason":"weird"},'
                b'{"message":{"content":"x"},"finish_reason":"eos"}],'
                b'"usage":{"prompt_tokens":null,"completion_tokens":1,"prompt_tokens_details":null}}'
            ),
            Answer((Choice("", "unknown", "weird"), Choice("x", "stop", "eos")), Usage(0, 1)),
        ),
        (b'{"choices":[{"message":{}}]}', Answer((Choice("", "unknown", ""),))),
    ],
    ids=["everything", "nulls", "nothing"],
)
def test_what_compatible_servers_leave_out_is_no_fault(body: bytes, expected: Answer) -> None:
    """Usage, model, reason and content may be absent or null, and unknown fields may be there."""
    assert expected == completion(body)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"choices":[{}]}', b"\xff", b"[" * 100_000])
def test_what_is_no_completion_is_garbled(body: bytes) -> None:
    """Whatever it is, it is one error, and no other exception."""
    with pytest.raises(ProviderGarbled):
        completion(body)


def test_the_key_shows_in_no_printed_form() -> None:
    """Neither settings nor replies show what may be secret."""
    settings: Any = Settings(key="sk-secret")

    assert "sk-secret" not in repr(settings) + repr(HttpReply(200, {}, b"sk-secret"))
