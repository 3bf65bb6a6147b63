"""OpenAI's chat completions on their way in."""

import json
from typing import Any

import pytest

from parley_sidecar.errors import InvalidParameters, MalformedBody, MissingInputs, ParleyError
from parley_sidecar.model import ConverseRequest, NamedTool, ResponseFormat, Tool
from parley_sidecar.wire.call import Call
from parley_sidecar.wire.openai_errors import param
from parley_sidecar.wire.openai_request import read, request
from parley_sidecar.wire.overrides import Terms

HELLO = [{"role": "user", "content": "hello"}]
WEATHER = {"name": "weather", "description": "of a city", "parameters": {"type": "object"}, "strict": True}
TOOLS = [{"type": "function", "function": WEATHER}]
SCHEMA = {"type": "object", "properties": {"result": {"type": "integer"}}}


def asked(call: Call = Call("openai", "id-1"), /, **fields: Any) -> ConverseRequest:  # noqa: B008 - it is frozen
    """Return what a component is asked with these fields."""
    body = json.dumps({"model": "gpt", "messages": HELLO, **fields}).encode()
    return request(read(body), call)


def refused(**fields: Any) -> ParleyError:
    """Return the refusal of these fields."""
    with pytest.raises(ParleyError) as caught:
        asked(**fields)
    return caught.value


def test_a_plain_request_asks_for_nothing_else() -> None:
    """Without other fields there is one message, and nothing more is asked for."""
    plain = asked()

    assert ConverseRequest(plain.messages, plain.trace) == plain
    assert ("openai", "id-1") == (plain.trace.api, plain.trace.request_id)


def test_numbers_and_formats_arrive() -> None:
    """Temperature, a limit of tokens, a schema and the prompt's retention are the model's own fields."""
    wanted = {"name": "sum", "schema": SCHEMA, "strict": True, "description": "a sum"}
    full = asked(
        temperature=0,
        max_tokens=7,
        response_format={"type": "json_schema", "json_schema": wanted},
        prompt_cache_retention="24h",
        stream=False,
        n=1,
    )

    assert (0, 7, 86400, False) == (
        full.temperature,
        full.max_tokens,
        full.prompt_cache_retention_s,
        full.wants_stream,
    )
    assert ResponseFormat(SCHEMA, "sum", "a sum", strict=True) == full.response_format


@pytest.mark.parametrize(("given", "expected"), [("in_memory", 3600), ("in-memory", 3600), (None, None)])
def test_the_retention_in_memory_is_an_hour(given: str | None, expected: int | None) -> None:
    """Both spellings of the short retention mean the same; null leaves it to the provider."""
    assert expected == asked(prompt_cache_retention=given).prompt_cache_retention_s


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"type": "text"}, None),
        (None, None),
        ({"type": "json_object"}, ResponseFormat()),
        ({"type": "json_schema", "json_schema": {"name": "any"}}, ResponseFormat(name="any")),
    ],
)
def test_formats_without_a_schema(given: object, expected: ResponseFormat | None) -> None:
    """Text is no format; an object may be any."""
    assert expected == asked(response_format=given).response_format


@pytest.mark.parametrize(
    "fields", [{"max_tokens": 5}, {"max_completion_tokens": 5}, {"max_tokens": 5, "max_completion_tokens": 5}]
)
def test_the_limit_has_two_names(fields: dict[str, int]) -> None:
    """The older and the newer name of the limit mean the same."""
    assert 5 == asked(**fields).max_tokens


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ("required", "required"),
        ({"type": "function", "function": {"name": "weather"}}, NamedTool("weather")),
        (None, None),
    ],
)
def test_tools_and_their_choice_arrive(given: object, expected: object) -> None:
    """A tool's schema is passed on whole, and each kind of choice has its place in the model."""
    got = asked(tools=TOOLS, tool_choice=given)

    assert ((Tool("weather", "of a city", {"type": "object"}, strict=True),), expected) == (got.tools, got.tool_choice)


@pytest.mark.parametrize("word", ["auto", "none"])
def test_a_choice_without_tools_says_nothing(word: str) -> None:
    """Without tools there is nothing to choose, and providers refuse the word."""
    assert asked(tool_choice=word).tool_choice is None


def test_other_fields_become_parameters() -> None:
    """What means nothing here goes to the provider as it is, known to OpenAI or not; null is unset."""
    got = asked(seed=7, top_p=0.5, stop=["x"], parallel_tool_calls=False, user="u", store=None, custom={"a": [1]})

    assert {
        "seed": 7,
        "top_p": 0.5,
        "stop": ["x"],
        "parallel_tool_calls": False,
        "user": "u",
        "custom": {"a": [1]},
    } == got.parameters


def test_metadata_overrides_as_on_the_dapr_routes() -> None:
    """Known names in metadata replace the component's settings; the others go to the provider as its metadata."""
    got = asked(metadata={"Model": "big", "key": "own", "tag": "t"}, cacheTTL="5m")

    assert ({"metadata": {"tag": "t"}}, "big", "own") == (got.parameters, got.overrides.model, got.overrides.key)
    assert 300 == got.cache.ttl_s


def test_the_cache_is_told_by_header_and_body() -> None:
    """Cache-Control is read as everywhere, and an empty cacheTTL says nothing."""
    got = asked(Call("openai", "id-1", cache_control=b"no-cache"), cacheTTL="")

    assert (None, False) == (got.cache.ttl_s, got.cache.may_read)


def test_a_lifetime_that_the_component_forbids_is_refused() -> None:
    """The component's own rule on overrides holds for cacheTTL beside metadata too."""
    with pytest.raises(InvalidParameters, match="does not let a request replace cacheTTL"):
        asked(Call("openai", "id-1", Terms(allow=frozenset())), cacheTTL="5m")


@pytest.mark.parametrize("spelling", ["scrubPii", "scrubPII", "scrub_pii"])
def test_no_spelling_of_the_privacy_flag_is_lost(spelling: str) -> None:
    """Whatever its spelling, the flag is for all messages and for the answer."""
    on, off = asked(**{spelling: True}), asked(**{spelling: False})

    assert ([True], True) == ([message.scrub for message in on.messages], on.scrub_answer)
    assert ([False], False) == ([message.scrub for message in off.messages], off.scrub_answer)


@pytest.mark.parametrize(
    ("fields", "sentence", "place"),
    [
        ({"functions": []}, "functions is deprecated: use tools and tool_choice", "functions"),
        ({"function_call": "auto"}, "function_call is deprecated: use tools and tool_choice", "function_call"),
        ({"n": 2}, "only one choice is given: n must be 1", "n"),
        ({"stream_options": {}}, "stream_options mean nothing without stream", "stream_options"),
        (
            {"stream": True, "stream_options": {"include_obfuscation": True}},
            "the chunks of a stream are not obfuscated",
            "stream_options.include_obfuscation",
        ),
        (
            {"cacheTTL": "1m", "metadata": {"cachettl": "2m"}},
            "cacheTTL is given twice: in metadata, and beside it",
            "cacheTTL",
        ),
        (
            {"max_tokens": 1, "max_completion_tokens": 2},
            "max_tokens and max_completion_tokens differ",
            "max_tokens",
        ),
        (
            {"tools": [{"type": "custom", "custom": {"name": "x"}}]},
            "only tools of the type function are taken",
            "tools[0].type",
        ),
        ({"tools": [{"type": "function"}]}, "a tool needs a function with a name", "tools[0].function"),
        (
            {"tools": [{"type": "function", "function": {"name": ""}}]},
            "a tool needs a function with a name",
            "tools[0].function",
        ),
        (
            {"tool_choice": "required"},
            "tool_choice asks for a tool, but there are no tools",
            "tool_choice",
        ),
        (
            {"tool_choice": "any", "tools": TOOLS},
            "tool_choice is auto, none, required or a function by its name",
            "tool_choice",
        ),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {}}, "tools": TOOLS},
            "a tool_choice that is an object must name a function",
            "tool_choice",
        ),
        (
            {"tool_choice": {"type": "function", "function": {"name": "x"}}, "tools": TOOLS},
            "tool_choice names none of the tools",
            "tool_choice.function.name",
        ),
        (
            {"response_format": {"type": "grammar"}},
            "response_format is text, json_object or json_schema",
            "response_format.type",
        ),
        (
            {"response_format": {"type": "json_schema"}},
            "a response_format of the type json_schema needs it",
            "response_format.json_schema",
        ),
        ({"prompt_cache_retention": "1h"}, "prompt_cache_retention is in_memory or 24h", "prompt_cache_retention"),
    ],
)
def test_what_is_not_supported_is_refused(fields: dict[str, Any], sentence: str, place: str) -> None:
    """Nothing is left undone in silence: the sentence says what, and the param says where."""
    error = refused(**fields)

    assert (InvalidParameters, f"{sentence} - at `$.{place}`", place) == (type(error), error.message, param(error))


@pytest.mark.parametrize("name", ["contextId", "contextID", "context_id", "conversationContext"])
def test_each_name_asks_for_a_room(name: str) -> None:
    """OpenAI's replies echo none, so that each means more than an echo, whatever the component says of rooms."""
    assert ("room", None) == (asked(**{name: "room"}).context_id, asked(**{name: ""}).context_id)


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"model": 1}, "model"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": 2147483648}, "max_completion_tokens"),
        ({"messages": {}}, "messages"),
        ({"messages": [{"role": "robot"}]}, "messages[0].role"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
        ({"metadata": {"a": 1}}, "metadata[...]"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"stream": "yes"}, "stream"),
        ({"cacheTTL": 5}, "cacheTTL"),
    ],
)
def test_wrong_types_are_malformed(fields: dict[str, Any], place: str) -> None:
    """A value of a wrong type is refused, with its place."""
    error = refused(**fields)

    assert (MalformedBody, place) == (type(error), param(error))


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"", "model"),
        (b'{"model":"gpt"}', "messages"),
        (b"[]", None),
        (b"{", None),
        (b'{"model":"\xff","messages":[]}', None),
        (b'{"model":"gpt","messages":[],"x":1e999}', None),
        (b'{"model":"gpt","messages":[],"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}", None),
    ],
)
def test_what_is_no_request_is_malformed(body: bytes, place: str | None) -> None:
    """Not JSON, not UTF-8, too deep, too large a number, or nothing at all."""
    with pytest.raises(MalformedBody) as caught:
        read(body)

    assert place == param(caught.value)


def test_an_empty_conversation_is_missing_inputs() -> None:
    """Somebody must have said something."""
    error = refused(messages=[])

    assert (MissingInputs, "messages") == (type(error), param(error))
