"""What every provider puts on its vendor's wire, and reads from it; the vendors refuse what they do not know."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from msgspec.structs import replace

from parley_sidecar.errors import InvalidParameters, ProviderRefused, ProviderUnavailable
from parley_sidecar.model import ConverseRequest, Message, NamedTool, Overrides, ResponseFormat, Tool
from tests.sidecar.providers.asking import PAYMENT, PROJECT, SUM, Asked, asking, streamed
from tests.sidecar.providers.lacks import LACKS, Feature


def lacks(vendor: Asked, feature: Feature) -> bool:
    """Say whether a vendor documents not to have something."""
    return feature in LACKS[vendor.mount]


def values(document: Any, key: str) -> Iterator[Any]:
    """Return every value that stands under a key, however it is written, anywhere in a document."""
    if isinstance(document, dict):
        for name, value in document.items():
            if name.lower().replace("_", "") == key.lower():
                yield value
            yield from values(value, key)
    elif isinstance(document, list):
        for value in document:
            yield from values(value, key)


async def test_developers_and_names_reach_the_vendor(vendor: Asked) -> None:
    """A developer's message has its own role where there is one, and who speaks is told where that can be."""
    await vendor.whole(asking(Message("developer", "be kind"), Message("user", "hi", "ann")))

    sent = vendor.sent()
    assert "be kind" in json.dumps(sent)
    assert lacks(vendor, "a developer role") is ("developer" not in set(values(sent, "role")))
    assert "ann" in json.dumps(sent)
    assert lacks(vendor, "names") is ("ann" not in set(values(sent, "name")))


async def test_limits_and_temperature_reach_the_vendor(vendor: Asked) -> None:
    """The request's limit goes before the component's, which holds where there is none."""
    await vendor.connect(maxTokens="9")(asking(max_tokens=7, temperature=0.5))
    own = vendor.sent()
    await vendor.connect(maxTokens="9")(asking())
    usual = vendor.sent()

    assert [7] == limits(own)
    assert [0.5] == list(values(own, "temperature"))
    assert [9] == limits(usual)


def limits(sent: Any) -> list[int]:
    """Return how many tokens a body allows, under whatever name."""
    return [limit for name in ("maxtokens", "maxcompletiontokens") for limit in values(sent, name)]


async def test_a_temperature_that_was_not_asked_is_not_sent(vendor: Asked) -> None:
    """There are models that refuse one."""
    await vendor.whole(asking())

    assert [] == list(values(vendor.sent(), "temperature"))


async def test_a_requests_own_model_is_asked_and_named(vendor: Asked) -> None:
    """The next request has the component's again."""
    converse = vendor.connect()
    await converse(asking(model="other-model"))
    own = json.dumps(vendor.vendors.last(vendor.mount))
    await converse(asking())

    assert "other-model" in own
    assert "other-model" not in json.dumps(vendor.vendors.last(vendor.mount))


async def test_a_named_tool_is_the_one_that_is_asked_for(vendor: Asked) -> None:
    """It need not be the first; nothing else is asked for."""
    named = NamedTool("retrieve_payment_status")
    choice = await vendor.choice(asking("Go.", tools=(PROJECT, PAYMENT), tool_choice=named))

    assert ["retrieve_payment_status"] == [call.name for call in choice.tool_calls]


async def test_no_tool_is_asked_for_where_none_may_be(vendor: Asked) -> None:
    """With the choice none, the model answers in words."""
    choice = await vendor.choice(asking("Go.", tools=(PROJECT,), tool_choice="none"))

    assert ("Go.", ()) == (choice.text, choice.tool_calls)


async def test_a_choice_among_no_tools_means_nothing(vendor: Asked) -> None:
    """Auto and none change nothing; what cannot be done is refused before anybody is asked."""
    count = vendor.vendors.count(vendor.mount)
    with pytest.raises(InvalidParameters):
        await vendor.connect()(asking("Go.", tool_choice="required"))
    refused = vendor.vendors.count(vendor.mount)
    choice = await vendor.choice(asking("Go.", tool_choice="auto"))

    assert (count, "Go.") == (refused, choice.text)


async def test_a_tool_may_be_bare_or_strict(vendor: Asked) -> None:
    """A tool needs neither description nor parameters; strict travels where a vendor knows it."""
    nothing = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    choice = await vendor.choice(asking("Go.", tools=(Tool("now"), Tool("then", None, nothing, strict=True))))

    assert ["now"] == [call.name for call in choice.tool_calls]
    assert lacks(vendor, "strict tools") is (True not in list(values(vendor.sent(), "strict")))


WHOLE = {
    "type": "object",
    "$defs": {"when": {"type": "string", "format": "date"}},
    "properties": {
        "day": {"$ref": "#/$defs/when"},
        "many": {"anyOf": [{"type": "integer", "minimum": 5, "maximum": 9}, {"type": "null"}]},
        "word": {"type": "string", "minLength": 3},
    },
    "required": ["day", "many", "word"],
    "additionalProperties": False,
}


async def test_a_schema_reaches_the_vendor_whole(vendor: Asked) -> None:
    """References, alternatives, formats and bounds are not lost, and it is the vendor who refuses what it lacks."""
    request = asking("Answer in JSON.", response_format=ResponseFormat(WHOLE, "plan", "a plan"))
    if lacks(vendor, "bounds in schemas"):
        with pytest.raises(ProviderRefused):
            await vendor.connect()(request)
    else:
        jsonschema.validate(json.loads((await vendor.choice(request)).text), WHOLE)

    sent = json.dumps(vendor.sent())
    wanted = ("$defs", "#/$defs/when", "anyOf", "minimum", "maximum", "minLength", "format")
    assert [] == [word for word in wanted if word not in sent]


async def test_any_json_may_be_asked_for(vendor: Asked) -> None:
    """Without a schema the answer is some JSON object; a vendor that needs one is not asked without it."""
    request = asking("Answer in JSON.", response_format=ResponseFormat())
    if lacks(vendor, "any JSON"):
        with pytest.raises(InvalidParameters, match="schema"):
            await vendor.connect()(request)
        return

    assert isinstance(json.loads((await vendor.choice(request)).text), dict)


async def test_a_streamed_answer_fits_its_schema_too(vendor: Asked) -> None:
    """Structured output in pieces is the same JSON."""
    answer = await streamed(vendor.connect(), asking("What is 2+2? In JSON.", response_format=SUM))

    assert 4 == json.loads(answer.choices[0].text)["result"]


async def test_usage_tells_what_the_vendor_tells(vendor: Asked) -> None:
    """Cached and reasoning tokens are there where the vendor counts them, and are parts of their sums."""
    request = asking(Message("system", "be brief " * 99), "hello there", prompt_cache_retention_s=86400)
    await vendor.whole(request)
    usage = (await vendor.whole(request)).usage

    assert usage
    assert lacks(vendor, "cached tokens") is (usage.cached_tokens == 0)
    assert lacks(vendor, "reasoning tokens") is (usage.reasoning_tokens == 0)
    assert usage.cached_tokens <= usage.prompt_tokens
    assert usage.reasoning_tokens <= usage.completion_tokens


@pytest.mark.parametrize("wants_stream", [False, True])
@pytest.mark.parametrize(("model", "reason"), [("length", "length"), ("filtered", "content_filter")])
async def test_finish_reasons_are_openais(vendor: Asked, model: str, reason: str, *, wants_stream: bool) -> None:
    """A cut or filtered answer says so in one set of words, and the vendor's own word is kept."""
    request = asking(model=model)
    if model == "filtered" and lacks(vendor, "a filter"):
        with pytest.raises(ProviderUnavailable, match="broke its answer off"):
            await (streamed(vendor.connect(), request) if wants_stream else vendor.whole(request))
        return
    answer = await (streamed(vendor.connect(), request) if wants_stream else vendor.whole(request))

    (choice,) = answer.choices
    assert choice.raw_finish_reason
    assert reason == choice.finish_reason


@pytest.mark.parametrize("wants_stream", [False, True])
async def test_an_answer_may_be_empty(vendor: Asked, *, wants_stream: bool) -> None:
    """A model that says nothing is no fault."""
    request = asking(model="empty")
    answer = await (streamed(vendor.connect(), request) if wants_stream else vendor.whole(request))

    assert "" == answer.choices[0].text


async def test_custom_fields_reach_the_vendor_and_ours_may_not_be_named(vendor: Asked) -> None:
    """`parameters` add to the body; they cannot replace the conversation behind the layers' backs."""
    await vendor.connect()(asking(parameters={"top_p": 0.9} if vendor.mount != "conversation.aws.bedrock" else {}))
    for name in ("messages", "tools"):
        with pytest.raises(InvalidParameters, match=name):
            await vendor.connect()(asking(parameters={name: []}))

    assert vendor.mount == "conversation.aws.bedrock" or [0.9] == list(values(vendor.sent(), "topp"))


async def test_a_retention_is_the_vendors_affair_where_it_has_none(vendor: Asked) -> None:
    """Where the vendor keeps prompts for a time that can be asked, the body of the request differs."""
    request = asking(Message("system", "be brief " * 99), "hello there")
    await vendor.whole(request)
    plain = vendor.sent()
    await vendor.connect()(asking(*request.messages, prompt_cache_retention_s=86400))

    assert lacks(vendor, "prompt retention") is (plain == vendor.sent())


async def test_an_own_key_is_used_and_an_own_endpoint_gets_nothing_of_the_components(
    vendor: Asked,
) -> None:
    """A request's key goes to the component's endpoint or its own; its endpoint without a key is refused."""
    settings = vendor.vendors.settings(vendor.mount)
    key, endpoint = settings.get("key", "ollama"), settings["endpoint"]
    astray = vendor.connect(key="sk-component", endpoint="http://127.0.0.1:1")
    if lacks(vendor, "own endpoints"):
        with pytest.raises(InvalidParameters):
            await vendor.connect()(with_overrides(Overrides(endpoint=endpoint, key="k", model="m-1")))
        return
    with pytest.raises(InvalidParameters, match="needs its own key"):
        await astray(with_overrides(Overrides(endpoint=endpoint)))
    await astray(with_overrides(Overrides(endpoint=endpoint, key=key)))
    elsewhere = vendor.vendors.last(vendor.mount)
    await vendor.connect(key="sk-component")(with_overrides(Overrides(key=key)))

    assert "sk-component" not in json.dumps([elsewhere, vendor.vendors.last(vendor.mount)])


def with_overrides(overrides: Overrides) -> ConverseRequest:
    """Return a request that replaces settings."""
    return replace(asking(), overrides=overrides)
