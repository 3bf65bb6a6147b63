"""Bodies of the chat completions family: what each dialect makes of a request, without a server."""

import re
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from parley_sidecar.completions import request
from parley_sidecar.completions.dialect import PLAIN, Dialect
from parley_sidecar.completions.request import OWN_FIELDS
from parley_sidecar.errors import InvalidParameters
from parley_sidecar.model import ConverseRequest, Message, NamedTool, ResponseFormat, Tool
from parley_sidecar.providers.deepseek import DEEPSEEK
from parley_sidecar.providers.googleai import GOOGLEAI, UNSIGNED
from parley_sidecar.providers.mistral import MISTRAL, nine
from parley_sidecar.providers.ollama import OLLAMA
from parley_sidecar.providers.openai import OPENAI
from tests.sidecar.providers.asking import asking, calling, result

TWO = (Tool("a"), Tool("b"))


def body(asked: ConverseRequest, dialect: Dialect = PLAIN, model: str = "m") -> dict[str, Any]:
    """Return a request's body, decoded."""
    return dict(msgspec.json.decode(request.body(asked, dialect, model, None)))


def messages(dialect: Dialect, *said: Message | str, model: str = "m") -> list[dict[str, Any]]:
    """Return how a dialect writes some messages."""
    return list(body(asking(*said), dialect, model)["messages"])


@pytest.mark.parametrize("name", sorted(OWN_FIELDS))
def test_parameters_may_not_name_what_is_ours(name: str) -> None:
    """They cannot replace the conversation behind the layers' backs."""
    with pytest.raises(InvalidParameters, match=f"may not name {name}"):
        body(asking(parameters={name: 1}))


def test_what_is_not_ours_is_sent_as_it_came() -> None:
    """Plain values and nested ones."""
    given = {"parallel_tool_calls": False, "logit_bias": {"1": 2}, "user": "u"}

    assert given == {name: body(asking(parameters=given))[name] for name in given}


@pytest.mark.parametrize(
    ("own", "usual", "expected"), [(None, None, None), (None, 9, 9), (7, 9, 7), (None, 0, None), (None, -1, None)]
)
def test_a_requests_limit_goes_first(own: int | None, usual: int | None, expected: int | None) -> None:
    """The component's holds where it has none; one that is not above zero is none."""
    sent = msgspec.json.decode(request.body(asking(max_tokens=own), PLAIN, "m", usual))

    assert expected == sent.get("max_tokens")


def test_names_are_sent_where_they_can_be_and_told_where_not() -> None:
    """What the vendor would refuse is told in the text; only a user's name is, a model would copy an assistant's."""
    said = (Message("user", "hi", "ann"), Message("user", "hi", "Ann B"), Message("assistant", "yo", "bot"))

    assert [
        {"role": "user", "content": "hi", "name": "ann"},
        {"role": "user", "content": "Ann B: hi"},
        {"role": "assistant", "content": "yo", "name": "bot"},
    ] == messages(OPENAI, *said)
    assert [
        {"role": "user", "content": "ann: hi"},
        {"role": "user", "content": "Ann B: hi"},
        {"role": "assistant", "content": "yo"},
    ] == messages(PLAIN, *said)


def test_a_result_must_say_what_it_answers() -> None:
    """No server of the family takes one without."""
    with pytest.raises(InvalidParameters, match="which call it answers"):
        messages(PLAIN, calling(), Message("tool", "r"))


def test_a_result_gets_the_name_of_the_tool_that_was_called() -> None:
    """Google refuses one without; a name that the caller gave stays."""
    named = messages(GOOGLEAI, calling("f"), result("r", None), model="gemini-2.5-flash")
    given = messages(GOOGLEAI, calling("f"), result("r", "g"), model="gemini-2.5-flash")
    strange = messages(GOOGLEAI, calling("f"), result("r", None, "another"), model="gemini-2.5-flash")

    assert ["f", "g", None] == [said[1].get("name") for said in (named, given, strange)]


@pytest.mark.parametrize(
    ("model", "extra"),
    [
        ("gemini-2.5-flash-lite", None),
        ("models/gemini-1.5-pro", None),
        ("gemini-3-pro-preview", UNSIGNED),
        ("gemini-flash-latest", UNSIGNED),
        ("gemini-20-pro", UNSIGNED),
    ],
)
def test_gemini_is_told_that_calls_come_unsigned(model: str, extra: object) -> None:
    """From Gemini 3 on, and for names that do not say which it is."""
    (call,) = messages(GOOGLEAI, calling(), result("r"), model=model)[0]["tool_calls"]

    assert extra == call.get("extra_content")


def test_mistral_has_its_own_ids_and_order() -> None:
    """Ids are nine letters and digits, the same for a call and its result; a word stands before the next user."""
    said = messages(MISTRAL, calling(), result("r"), result("r"), "hi", Message("assistant", "yo"), "hi")

    (asked,) = said[0]["tool_calls"]
    assert re.fullmatch(r"[A-Za-z0-9]{9}", asked["id"])
    assert [asked["id"]] * 2 == [one["tool_call_id"] for one in said if one["role"] == "tool"]
    assert ["assistant", "tool", "tool", "assistant", "user", "assistant", "user"] == [one["role"] for one in said]
    assert ("", "OK") == (said[0]["content"], said[3]["content"])


@pytest.mark.parametrize("call_id", ["tool_id", "", "x" * 999, "call_ü"])
def test_an_id_of_another_vendor_is_always_the_same_at_mistral(call_id: str) -> None:
    """Its own is kept."""
    assert re.fullmatch(r"[A-Za-z0-9]{9}", nine(call_id))
    assert nine(call_id) == nine(call_id)
    assert "D681PevKs" == nine("D681PevKs")


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        (OPENAI, ["auto", "none", "required", {"type": "function", "function": {"name": "b"}}]),
        (MISTRAL, ["auto", "none", "any", {"type": "function", "function": {"name": "b"}}]),
        (OLLAMA, [None] * 4),
    ],
    ids=["openai", "mistral", "ollama"],
)
def test_each_calls_a_tool_choice_its_way(dialect: Dialect, expected: list[object]) -> None:
    """A name is OpenAI's object; nothing is sent where nothing was asked."""
    choices = ("auto", "none", "required", NamedTool("b"))

    assert expected == [body(asking(tools=TWO, tool_choice=one), dialect).get("tool_choice") for one in choices]
    assert "tool_choice" not in body(asking(tools=TWO), dialect)


def test_without_a_tool_choice_tools_are_left_out() -> None:
    """Ollama is told of no tool that may not be asked for."""
    offered = [
        [tool["function"]["name"] for tool in body(asking(tools=TWO, tool_choice=one), OLLAMA).get("tools", [])]
        for one in ("auto", "required", NamedTool("b"), NamedTool("c"), "none")
    ]

    assert [["a", "b"], ["a", "b"], ["b"], [], []] == offered


@pytest.mark.parametrize("choice", ["required", NamedTool("a")])
def test_a_choice_needs_tools(choice: Any) -> None:
    """Auto and none mean nothing without them, and are left out."""
    with pytest.raises(InvalidParameters, match="needs tools"):
        body(asking(tool_choice=choice))
    assert {"model", "messages"} == body(asking(tool_choice="none")).keys()


def test_a_bare_tool_has_an_empty_schema_where_it_must() -> None:
    """Mistral wants to see one."""
    ((ours,), (theirs,)) = (body(asking(tools=(Tool("now"),)), dialect)["tools"] for dialect in (OPENAI, MISTRAL))

    assert {"name": "now"} == ours["function"]
    assert {"name": "now", "parameters": {"type": "object", "properties": {}}} == theirs["function"]


def test_deepseek_is_told_its_schema_in_words() -> None:
    """Before everything else that was said, beside a request for JSON; with a description if there is one."""
    wanted = ResponseFormat({"type": "object", "$defs": {}}, "plan", "a plan", strict=True)
    sent = body(asking("hi", response_format=wanted), DEEPSEEK)
    plain = body(asking("hi", response_format=replace(wanted, description=None)), DEEPSEEK)
    bare = body(asking("hi", response_format=ResponseFormat()), DEEPSEEK)

    assert {"type": "json_object"} == sent["response_format"] == bare["response_format"]
    assert [("system", '(a plan) and nothing else. It must fit this JSON schema: {"type":"object","$defs":{}}')] == [
        (one["role"], one["content"].removeprefix("Answer with one JSON object ")) for one in sent["messages"][:-1]
    ]
    assert "a plan" not in plain["messages"][0]["content"]
    assert "Answer with one JSON object and nothing else." == bare["messages"][0]["content"]


def test_a_format_has_what_was_given_and_no_more() -> None:
    """A name is always there; description and strict only if they were."""
    sent = body(asking(response_format=ResponseFormat({"type": "object"})))

    assert {"name": "response", "schema": {"type": "object"}} == sent["response_format"]["json_schema"]


def test_mistral_is_not_asked_for_usage() -> None:
    """It refuses the question, and tells it anyway."""
    assert "stream_options" not in body(asking(wants_stream=True), MISTRAL)
    assert body(asking(wants_stream=True), MISTRAL)["stream"] is True
