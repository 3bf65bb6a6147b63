"""conversation.openai on its wire, exactly: what is sent to OpenAI, to Azure and to what stands before them."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from parley_sidecar import providers
from parley_sidecar.errors import InvalidComponent
from parley_sidecar.http_client import HttpClient
from parley_sidecar.model import Answer, Message, NamedTool, Overrides, ResponseFormat, Tool
from tests.conftest import Vendors
from tests.sidecar.providers.asking import Asked, asking, calling, result

TYPE = "conversation.openai"
AZURE = "conversation.openai-azure"


async def test_everything_asked_is_on_the_wire(http: HttpClient, vendors: Vendors) -> None:
    """Each field under its current name, and as OpenAI nests it."""
    await Asked(TYPE, vendors, http).connect(model="gpt-x")(
        asking(
            Message("developer", "be kind"),
            Message("user", "hi", "ann"),
            calling("f", ""),
            result("r"),
            temperature=0.5,
            max_tokens=7,
            tools=(Tool("f", "does it", {"type": "object"}, strict=False),),
            tool_choice=NamedTool("f"),
            response_format=ResponseFormat({"type": "object"}, "plan", "a plan", strict=True),
            prompt_cache_retention_s=86400,
            parameters={"top_p": 0.9},
        )
    )

    call = {"id": "tool_id", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert {
        "model": "gpt-x",
        "messages": [
            {"role": "developer", "content": "be kind"},
            {"role": "user", "content": "hi", "name": "ann"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "content": "r", "tool_call_id": "tool_id"},
        ],
        "temperature": 0.5,
        "max_completion_tokens": 7,
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "f",
                    "description": "does it",
                    "parameters": {"type": "object"},
                    "strict": False,
                },
            }
        ],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "response_format": {
            "type": "json_schema",
            "json_schema": {
                "name": "plan",
                "schema": {"type": "object"},
                "description": "a plan",
                "strict": True,
            },
        },
        "prompt_cache_retention": "24h",
        "top_p": 0.9,
    } == vendors.last(TYPE)["body"]


async def test_what_was_not_asked_is_not_on_the_wire(http: HttpClient, vendors: Vendors) -> None:
    """A plain question is a model and messages, and where it is to stream, that and its usage."""
    converse = Asked(TYPE, vendors, http).connect()
    await converse(asking())
    plain = vendors.last(TYPE)
    stream = await converse(asking(wants_stream=True))
    assert not isinstance(stream, Answer)
    await stream.aclose()

    assert {"model", "messages"} == plain["body"].keys()
    assert ("/v1/chat/completions", "Bearer sk-good") == (plain["path"], plain["headers"]["authorization"])
    assert {"include_usage": True} == vendors.last(TYPE)["body"]["stream_options"]


@pytest.mark.parametrize(("seconds", "word"), [(60, "in_memory"), (3600, "in_memory"), (3601, "24h"), (10**9, "24h")])
async def test_a_retention_is_one_of_two(http: HttpClient, vendors: Vendors, seconds: float, word: str) -> None:
    """OpenAI keeps prompts in memory for an hour at most, or for a day."""
    await Asked(TYPE, vendors, http).connect()(asking(prompt_cache_retention_s=seconds))

    assert word == vendors.last(TYPE)["body"]["prompt_cache_retention"]


async def test_azure_has_the_deployment_in_its_path(http: HttpClient, vendors: Vendors) -> None:
    """Also the one that a request names; the key is in Azure's own header."""
    converse = Asked(AZURE, vendors, http).connect()
    await converse(asking())
    usual = vendors.last(AZURE)
    await converse(asking(model="my gpt"))

    assert "/openai/deployments/m-1/chat/completions?api-version=2026-01-01" == usual["path"]
    assert "azure-good" == usual["headers"]["api-key"]
    assert "authorization" not in usual["headers"]
    assert "/openai/deployments/my%20gpt/chat/completions" in vendors.last(AZURE)["path"]


@pytest.mark.parametrize(
    ("settings", "model"),
    [({}, "gpt-5-nano"), ({"apiType": "azure", "endpoint": "https://a", "apiVersion": "1"}, "gpt-4.1-nano")],
)
def test_each_has_its_default_model(settings: dict[str, str], model: str) -> None:
    """As Dapr's components have."""
    checked: Any = providers.module_of(TYPE).Settings(key="k", **settings)

    assert model == checked.model


@pytest.mark.parametrize("missing", ["endpoint", "apiVersion"])
def test_azure_needs_endpoint_and_version(http: HttpClient, missing: str) -> None:
    """It is said at load, for both."""
    settings = {"key": "k", "apiType": "azure", "endpoint": "https://a", "apiVersion": "1"}
    del settings[missing]

    with pytest.raises(InvalidComponent, match="endpoint and apiVersion must be given where apiType is azure"):
        providers.connect(TYPE, settings, http)


async def test_own_headers_go_with_the_components_key_and_endpoint_alone(http: HttpClient, vendors: Vendors) -> None:
    """Who pays, and what a gateway wants; a request with a key of its own has none of them."""
    converse = Asked(TYPE, vendors, http).connect(
        organization="org-1", project="proj-1", headers='{"X-Gateway": "sk-gateway"}'
    )
    await converse(asking())
    usual = vendors.last(TYPE)["headers"]
    await converse(replace(asking(), overrides=Overrides(key="sk-good")))
    own = vendors.last(TYPE)["headers"]

    names = ("openai-organization", "openai-project", "x-gateway")
    assert ["org-1", "proj-1", "sk-gateway"] == [usual[name] for name in names]
    assert [] == [name for name in names if name in own]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"organization": "o\nx: 1"}, "the setting organization: must be printable"),
        ({"headers": "[]"}, "the setting headers: must be a JSON object"),
        ({"headers": '{"Authorization": "sk-secret"}'}, "the setting headers: must name headers"),
        ({"headers": '{"a b": "c"}'}, "the setting headers: must name headers"),
        ({"headers": '{"a": "sk-secret\\n"}', "apiType": "none"}, "the setting apiType: Input should be"),
    ],
)
def test_settings_of_its_own_are_checked_at_load(http: HttpClient, settings: dict[str, str], words: str) -> None:
    """They are named, and never shown."""
    with pytest.raises(InvalidComponent, match=words) as caught:
        providers.connect(TYPE, {"key": "k"} | settings, http)

    assert "sk-secret" not in caught.value.message


async def test_a_key_from_a_file_may_end_with_a_newline(http: HttpClient, vendors: Vendors) -> None:
    """Secrets are often made of such files."""
    await Asked(TYPE, vendors, http).connect(key="sk-good\n")(asking())

    assert "Bearer sk-good" == vendors.last(TYPE)["headers"]["authorization"]


async def test_an_answer_that_was_not_waited_for_is_nobody_elses(http: HttpClient, vendors: Vendors) -> None:
    """A call that is ended takes its connection with it, so that the next one does not read its answer."""
    converse = Asked(TYPE, vendors, http).connect()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await converse(asking("one", model="slow-200"))
    reply = await converse(asking("another"))

    assert isinstance(reply, Answer)
    assert "another" == reply.choices[0].text
