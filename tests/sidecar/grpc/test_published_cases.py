"""Every published case over a real gRPC channel and the echo component."""

from collections.abc import Mapping
from typing import Any

import pytest
from google.protobuf import json_format

from parley_sidecar.rpc import ai_pb2
from tests.sidecar.grpc.calling import ALPHA1, ALPHA2, Caller, calling
from tests.sidecar.published_cases import CASES as ALL
from tests.sidecar.published_cases import COMPONENTS, Case
from tests.sidecar.running import component

ECHOES = tuple(component(name, settings=settings) for name, settings in COMPONENTS.items())
METHODS = {"alpha1": ALPHA1, "alpha2": ALPHA2}
CASES = [pytest.param(case, id=case.id) for case in ALL if "grpc" in case.doors]
CODES = {400: "INVALID_ARGUMENT", 500: "INTERNAL"}
"""Dapr's codes beside its statuses."""


def message(case: Case) -> Mapping[str, Any]:
    """Return a case's body as a client with Dapr's messages would send it: without what they have no field for."""
    _, request, _ = METHODS[case.version]
    known = json_format.ParseDict(dict(case.body), request(), ignore_unknown_fields=True)
    given = {**json_format.MessageToDict(known), "name": case.component}
    spelled = "scrubPII" if case.version == "alpha1" else "scrubPii"
    for mine, theirs in zip(given.get("inputs", ()), case.body.get("inputs", ()), strict=True):
        if theirs.get("scrubPII") or theirs.get("scrubPii"):
            mine[spelled] = True
    return given


async def asked(caller: Caller, case: Case) -> Any:
    """Return the answer in protobuf's JSON mapping, or the code."""
    method, given = METHODS[case.version], message(case)
    if case.status == 200:
        return (await caller.call(method, given)).json
    refusal = await caller.refused(method, given)
    assert case.says in refusal.details
    return refusal.code


@pytest.mark.parametrize("case", CASES)
async def test_a_published_case_is_answered_as_by_dapr(case: Case) -> None:
    """The message says what Dapr's reply says as JSON, or has Dapr's code and words."""
    async with calling(*ECHOES) as caller:
        answer = await asked(caller, case)

    assert (case.answer if case.status == 200 else CODES[case.status]) == answer


async def test_index_and_model_of_an_echo_are_zero_values() -> None:
    """As Dapr's suite asserts: the first choice's index is 0, and an echo has no model."""
    asked = {"name": "echo", "inputs": [{"messages": [{"ofUser": {"content": [{"text": "hi"}]}}]}]}
    async with calling() as caller:
        reply = (await caller.call(ALPHA2, asked)).message

    assert isinstance(reply, ai_pb2.ConversationResponseAlpha2)
    (output,) = reply.outputs
    assert (0, "", False) == (output.choices[0].index, output.model, output.HasField("model"))
