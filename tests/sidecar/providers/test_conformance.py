"""What every provider must do: the published cases K1 to K10 of Dapr's components, over each vendor's wire form.

A new provider is in the suite as soon as its vendor's stand-in, or a row that says it has none, is there.
"""

import json

import jsonschema
import pytest

from parley_sidecar.model import Answer, Message, NamedTool, ToolChoice, Usage
from tests.conftest import vendor_modules
from tests.sidecar.providers.asking import (
    ALL,
    PAYMENT,
    PROJECT,
    SUM,
    TYPES,
    Asked,
    after,
    asking,
    calling,
    result,
    streamed,
    type_of,
)
from tests.sidecar.providers.lacks import FEATURES, LACKS

REASONS = {"stop", "tool_calls", "length"}


def test_every_provider_is_in_the_suite() -> None:
    """Each type has a vendor, or a row that says why it has none; each vendor has a row."""
    assert set(TYPES) == {type_of(mount) for mount in ALL}
    assert {mount for mount in ALL if "a vendor" not in LACKS[mount]} == set(vendor_modules())
    assert {feature for lacks in LACKS.values() for feature in lacks} <= set(FEATURES)


async def test_k1_a_question_is_answered(asked: Asked) -> None:
    """There is one output, with text, a reason, usage that adds up, and the model that answered."""
    answer = await asked.whole(asking("what is the time?"))

    (choice,) = answer.choices
    assert ("what is the time?", "stop") == (choice.text, choice.finish_reason)
    assert choice.raw_finish_reason
    assert answer.usage
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


@pytest.mark.parametrize(
    "before", [(), (Message("system", "system msg"),), (Message("developer", "developer msg"),)], ids=["k2", "k3", "k5"]
)
async def test_k2_k3_k5_user_system_and_developer(asked: Asked, before: tuple[Message, ...]) -> None:
    """A user's message is answered, also with a system or a developer message before it, and no tool is called."""
    choice = await asked.choice(asking(*before, "user msg"))

    assert "user msg" in choice.text
    assert choice.finish_reason in REASONS
    assert () == choice.tool_calls


async def test_k4_an_assistants_turns_and_a_tools_result(asked: Asked) -> None:
    """Text, a tool call under an id that no vendor gave, its result, and a user who goes on at once."""
    choice = await asked.choice(
        asking(
            "a first word",
            Message("assistant", "assistant msg"),
            "and then?",
            calling(),
            result("test-response"),
            "continue the conversation",
        )
    )

    assert "continue the conversation" in choice.text
    assert choice.finish_reason in REASONS


async def test_an_assistants_text_and_tool_calls_stay_together(vendor: Asked) -> None:
    """A turn with both reaches the vendor with both."""
    await vendor.whole(asking("hi", calling(text="let me look"), result("test-response")))

    sent = json.dumps(vendor.sent())
    assert all(words in sent for words in ("let me look", "testfunc", "value", "test-response"))


async def test_k6_a_tool_is_asked_for_and_its_result_answered(asked: Asked) -> None:
    """The call has an id, the name and arguments; with its result the model goes on in words."""
    question = asking("What is this open source project called?", tools=(PROJECT,))
    choice = await asked.choice(question)
    (call,) = choice.tool_calls
    told = await asked.choice(
        after(
            question,
            Message("assistant", choice.text, tool_calls=choice.tool_calls),
            result("The open source project name is Dapr.", call.name, call.id),
        )
    )

    assert call.id
    assert ("get_project_name", "tool_calls") == (call.name, choice.finish_reason)
    assert "repo_link" in call.arguments
    assert told.text


@pytest.mark.parametrize("chosen", ["auto", "required", NamedTool("get_project_name")], ids=str)
async def test_k7_a_tool_choice_is_taken(asked: Asked, chosen: ToolChoice) -> None:
    """Auto, required and a name are answered with a call."""
    choice = await asked.choice(asking("What is this called?", tools=(PROJECT,), tool_choice=chosen))

    assert "get_project_name" == choice.tool_calls[0].name


async def test_k8_a_call_with_a_list_and_the_history_after_it(asked: Asked) -> None:
    """The arguments fit the tool's schema, and its result as JSON is taken."""
    question = asking("What's the status of my transaction T1001?", tools=(PAYMENT,))
    choice = await asked.choice(question)
    (call,) = choice.tool_calls
    turn = Message("assistant", choice.text, tool_calls=choice.tool_calls)
    told = await asked.choice(after(question, turn, result('{"status": "Paid"}', call.name, call.id)))

    assert "transaction_id" in call.arguments
    assert told.text


async def test_k9_an_answer_fits_its_schema(vendor: Asked) -> None:
    """Structured output, strict: JSON with every field, and the sum is right."""
    choice = await vendor.choice(asking("What is 2+2? Provide your answer in JSON.", response_format=SUM))

    told = json.loads(choice.text)
    assert SUM.schema
    jsonschema.validate(told, SUM.schema)
    assert 4 == told["result"]


async def test_k10_a_long_prompt_may_be_kept(asked: Asked) -> None:
    """Two questions after the same long instructions, with a retention, are both answered with usage."""
    long = Message("system", "You are a calculator that explains itself. " * 100)
    answers = [await asked.whole(asking(long, f"what is {n}+{n}?", prompt_cache_retention_s=86400)) for n in (2, 3)]

    assert ["what is 2+2?", "what is 3+3?"] == [answer.choices[0].text.rsplit("\n")[-1] for answer in answers]
    assert all(answer.usage and answer.usage.total_tokens > 0 for answer in answers)


@pytest.mark.parametrize("tools", [(), (PROJECT,)], ids=["text", "tool"])
async def test_a_stream_is_the_whole_answer_in_pieces(asked: Asked, tools: tuple[()]) -> None:
    """Text, tool calls, reason, usage and model are those of the answer that comes at once; ids may be fresh."""
    request = asking("say these five words please", tools=tools)
    whole, pieces = await asked.whole(request), await streamed(asked.connect(), request)

    assert shape(whole) == shape(pieces)


def shape(answer: Answer) -> tuple[object, ...]:
    """Return an answer without what differs between two of the same: ids, and what was read from a cache by then."""
    choices = [
        (one.text, one.finish_reason, one.raw_finish_reason, [(call.name, call.arguments) for call in one.tool_calls])
        for one in answer.choices
    ]
    usage = answer.usage or Usage()
    return (choices, usage.prompt_tokens, usage.completion_tokens, usage.reasoning_tokens, answer.model)
