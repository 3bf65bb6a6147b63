"""alpha1: the API reference's early form and Dapr's object form."""

import json
from typing import Any

import pytest

from parley_sidecar.errors import InvalidParameters, MalformedBody, MissingInputs, ParleyError
from parley_sidecar.model import Answer, CachePolicy, Choice, ConverseRequest, Message, Overrides, Trace
from parley_sidecar.wire import alpha1
from parley_sidecar.wire.call import Call
from parley_sidecar.wire.overrides import Terms

CALL = Call("alpha1", "id-1")
KEEPING = Call("alpha1", "id-1", Terms(keeps_rooms=True))
TWO = Answer((Choice("first"), Choice("")))


def requests(call: Call = CALL, /, **fields: Any) -> tuple[ConverseRequest, ...]:
    """Return what a body asks for."""
    return alpha1.requests(alpha1.read(json.dumps(fields).encode()), call)


def test_each_plain_string_is_a_request() -> None:
    """In the early form every input is asked apart, with the same overrides and custom fields."""
    asked = requests(
        inputs=["what is Dapr", "Why use Dapr"],
        parameters={"top_p": 0.5},
        metadata={"model": "m", "key": "k", "cacheTTL": "10m", "endpoint": "https://llm.test"},
        temperature="0.5",
    )

    expected = tuple(
        ConverseRequest(
            (Message("user", text),),
            Trace("id-1", "alpha1"),
            temperature=0.5,
            parameters={"top_p": 0.5},
            overrides=Overrides("m", "k", "https://llm.test"),
            cache=CachePolicy(ttl_s=600.0),
        )
        for text in ("what is Dapr", "Why use Dapr")
    )
    assert expected == asked
    assert asked[0].trace is not asked[1].trace


def test_objects_are_one_request() -> None:
    """In the object form all inputs are one prompt; roles are Dapr's."""
    roles = ["", "user", "human", "generic", "tool", "function", "stranger", "system", "assistant", "ai"]
    (asked,) = requests(inputs=[{"content": "hi", "role": role} for role in roles] + [{}])

    expected = ["user"] * 7 + ["system", "assistant", "assistant", "user"]
    assert expected == [message.role for message in asked.messages]
    assert ["hi"] * 10 + [""] == [message.text for message in asked.messages]


def test_the_object_form_takes_boxed_parameters() -> None:
    """In the object form custom fields are protobuf Any objects."""
    box = {"@type": "type.googleapis.com/google.protobuf.Int64Value", "value": "5"}

    assert {"seed": 5} == requests(inputs=[{"content": "hi"}], parameters={"seed": box})[0].parameters


@pytest.mark.parametrize("inputs", [None, []])
def test_nothing_to_say_is_refused(inputs: list[str] | None) -> None:
    """A request needs an input."""
    with pytest.raises(MissingInputs):
        requests(inputs=inputs)


@pytest.mark.parametrize("inputs", [["a", {"content": "b"}], [{"content": "b"}, "a"]])
def test_mixed_inputs_are_refused(inputs: list[Any]) -> None:
    """Plain strings and objects do not go together."""
    with pytest.raises(InvalidParameters, match="all plain strings, or all objects"):
        requests(inputs=inputs)


def test_the_early_form_has_a_limit() -> None:
    """64 inputs are taken, 65 are not."""
    assert 64 == len(requests(inputs=["a"] * 64))
    with pytest.raises(InvalidParameters, match="at most 64 inputs"):
        requests(inputs=["a"] * 65)


def test_only_the_reference_s_name_asks_for_a_room_that_nobody_keeps() -> None:
    """Forgetting it in silence is worse; Dapr's names promise an echo alone."""
    assert ["r"] == [request.context_id for request in requests(inputs=["a"], conversationContext="r")]
    assert [None] == [request.context_id for request in requests(inputs=["a"], contextId="r")]


@pytest.mark.parametrize("spelling", ["contextId", "contextID", "context_id", "conversationContext"])
def test_a_room_has_four_names(spelling: str) -> None:
    """Each of them names the room where the component keeps some; an empty one names none."""
    early = requests(KEEPING, inputs=["a", "b"], **{spelling: "r"})
    (objects,) = requests(KEEPING, inputs=[{"content": "a"}], **{spelling: "r"})
    (none,) = requests(KEEPING, inputs=["a"], **{spelling: ""})

    assert ["r", "r", "r", None] == [request.context_id for request in (*early, objects, none)]


@pytest.mark.parametrize("spelling", ["scrubPII", "scrubPii", "scrub_pii"])
def test_a_flag_counts_in_every_spelling(spelling: str) -> None:
    """The flag of an input, and that of the answer in both forms; one that says false takes nothing back."""
    inputs = [{"content": "a"}, {"content": "b", spelling: True, "scrubPII": spelling == "scrubPII"}]
    (asked,) = requests(inputs=inputs)
    (answer,) = requests(inputs=[{"content": "a"}], **{spelling: True})
    early = requests(inputs=["a", "b"], **{spelling: True})

    assert [False, True] == [message.scrub for message in asked.messages]
    assert [False, True, True, True] == [request.scrub_answer for request in (asked, answer, *early)]


@pytest.mark.parametrize("flag", [False, None])
def test_a_flag_that_asks_nothing_is_taken(flag: bool | None) -> None:  # noqa: FBT001 - a table's column
    """A privacy flag that is false or null asks for nothing; so does an empty room."""
    assert 1 == len(requests(inputs=["a"], scrubPII=flag, conversationContext=""))


@pytest.mark.parametrize(
    "fields",
    [
        {"inputs": "a"},
        {"inputs": [1]},
        {"inputs": [None]},
        {"inputs": ["a"], "metadata": {"model": 1}},
        {"inputs": ["a"], "scrubPII": "yes"},
        {"inputs": ["a"], "parameters": [1]},
        {"inputs": ["a"], "temperature": "warm"},
        {"inputs": ["a"], "contextID": "one", "contextId": "two"},
        {"inputs": [{"content": "a"}], "parameters": {"plain": 1}},
    ],
)
def test_another_shape_is_malformed(fields: dict[str, Any]) -> None:
    """Values of other types, and contradictions, are malformed."""
    with pytest.raises(MalformedBody):
        requests(**fields)


def test_overrides_are_judged_first() -> None:
    """As in Dapr, metadata is looked at before the inputs."""
    with pytest.raises(ParleyError, match="cacheTTL"):
        requests(metadata={"cacheTTL": "soon"})


def test_the_early_reply_prints_parameters() -> None:
    """One output an input, with its parameters as they came, also empty, and the context id beside them."""
    body = alpha1.read(b'{"inputs":["a","b"],"parameters":{ "n": 1.50 },"contextId":"c"}')
    bare = alpha1.read(b'{"inputs":["a"],"parameters":null}')

    printed = b'"parameters":{ "n": 1.50 }'
    expected = b'{"contextID":"c","outputs":[{"result":"first",%b},{"result":"",%b}]}' % (printed, printed)
    assert expected == alpha1.early_reply(body, [TWO, Answer(())])
    assert b'{"outputs":[{"result":"first","parameters":{}}]}' == alpha1.early_reply(bare, [TWO])


def test_the_object_reply_leaves_out_what_is_empty() -> None:
    """One output a choice; empty results and parameters are left out, as in Dapr."""
    body = alpha1.read(b'{"inputs":[{"content":"a"}],"parameters":{},"contextID":"c"}')

    assert b'{"contextID":"c","outputs":[{"result":"first"},{}]}' == alpha1.reply(body, TWO)


def test_the_object_reply_repeats_parameters() -> None:
    """Parameters come back in each output, as in Dapr."""
    body = alpha1.read(b'{"parameters":{"a":{"@type":"x","value":1}}}')

    assert b'{"outputs":[{"result":"hi","parameters":{"a":{"@type":"x","value":1}}}]}' == alpha1.reply(
        body, Answer((Choice("hi"),))
    )


def test_no_choice_is_no_output() -> None:
    """An answer without choices leaves out the outputs."""
    assert b"{}" == alpha1.reply(alpha1.read(b"{}"), Answer(()))
