"""Dapr's methods over a real channel: metadata, errors, deadlines and callers who leave."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio
import pytest

from parley_crds.component import Component
from parley_sidecar.door import Door
from parley_sidecar.model import Converse
from parley_sidecar.rpc import ai_pb2
from tests.conftest import Vendors
from tests.sidecar.grpc.calling import ALPHA1, ALPHA2, HELLO, METADATA, NOTE, Caller, calling, serving
from tests.sidecar.running import component, sidecar

OPENAI = "conversation.openai"
PATIENCE_S = 30.0


def gpt(vendors: Vendors, model: str, **fields: Any) -> Component:
    """Return a component that asks the strict stand-in with one of its model names."""
    settings = {name.lower(): value for name, value in vendors.settings(OPENAI).items()}
    return component("gpt", OPENAI, settings={**settings, "model": model}, **fields)


def alpha2(text: str = "hi", **fields: Any) -> dict[str, Any]:
    """Return an alpha2 request for gpt."""
    return {"name": "gpt", "inputs": [{"messages": [{"ofUser": {"content": [{"text": text}]}}]}], **fields}


async def eventually(probe: Callable[[], bool]) -> None:
    """Poll until something is true."""
    async with asyncio.timeout(PATIENCE_S):
        while not await asyncio.to_thread(probe):
            await asyncio.sleep(0.02)


async def test_an_answer_brings_the_request_s_id_and_what_the_cache_did() -> None:
    """What the cache did in the initial metadata, the id in the trailing, where a failed call has it too."""
    cached = component(cache={"ttl": "1m"})
    async with calling(cached) as caller:
        first = await caller.call(ALPHA1, HELLO, metadata=(("x-request-id", "r-1"),))
        second = await caller.call(ALPHA1, HELLO)
        third = await caller.call(ALPHA1, HELLO, metadata=(("cache-control", "no-cache"),))

    assert ("r-1", "parley; fwd=miss; stored") == (first.trailing["x-request-id"], first.metadata["cache-status"])
    assert second.metadata["cache-status"].startswith("parley; hit")
    assert "parley; fwd=request; stored" == third.metadata["cache-status"]
    assert 32 == len(second.trailing["x-request-id"])


async def test_without_a_cache_the_id_is_all_that_is_told() -> None:
    """Nothing is sent before the answer: a message more on its way costs an eighth of a call."""
    async with calling() as caller:
        reply = await caller.call(ALPHA1, HELLO, metadata=(("x-request-id", "r-1"),))

    assert ({}, {"x-request-id": "r-1"}) == (reply.metadata, reply.trailing)


async def test_parameters_and_context_come_back() -> None:
    """As Dapr's alpha1 does: the parameters, as they came, in each output."""
    boxed = {"@type": "type.googleapis.com/google.protobuf.Int64Value", "value": "7"}
    asked = {**HELLO, "contextID": "c-1", "parameters": {"n": boxed}}
    async with calling() as caller:
        reply = await caller.call(ALPHA1, asked)

    assert {"contextID": "c-1", "outputs": [{"result": "hello", "parameters": {"n": boxed}}]} == reply.json


async def test_what_is_asked_reaches_the_provider(vendors: Vendors) -> None:
    """Every field of alpha2, in the provider's own form."""
    city = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}
    asked = alpha2(
        temperature=0.5,
        maxTokens=20,
        tools=[{"function": {"name": "weather", "description": "tells it", "parameters": city}}],
        toolChoice="weather",
        responseFormat={**schema, "name": "number"},
        parameters={"seed": {"@type": "type.googleapis.com/google.protobuf.Int64Value", "value": "7"}},
    )
    async with calling(gpt(vendors, "gpt-5")) as caller:
        reply = await caller.call(ALPHA2, asked)
    body = await asyncio.to_thread(lambda: vendors.last(OPENAI)["body"])

    assert (0.5, 20, 7) == (body["temperature"], body["max_completion_tokens"], body["seed"])
    assert ({"type": "function", "function": {"name": "weather"}}) == body["tool_choice"]
    assert city == body["tools"][0]["function"]["parameters"]
    assert schema == body["response_format"]["json_schema"]["schema"]
    (choice,) = reply.message.outputs[0].choices
    assert ("tool_calls", "weather") == (choice.finish_reason, choice.message.tool_calls[0].function.name)
    assert reply.message.outputs[0].usage.total_tokens > 0


async def test_a_call_s_result_goes_back(vendors: Vendors) -> None:
    """The assistant's call and the tool's result, which the strict stand-in matches by their ids."""
    call = {"id": "call_1", "function": {"name": "weather", "arguments": "{}"}}
    messages = [
        {"ofUser": {"content": [{"text": "weather?"}]}},
        {"ofAssistant": {"toolCalls": [call]}},
        {"ofTool": {"toolId": "call_1", "name": "weather", "content": [{"text": "sunny"}]}},
    ]
    async with calling(gpt(vendors, "gpt-5")) as caller:
        reply = await caller.call(ALPHA2, {"name": "gpt", "inputs": [{"messages": messages}]})

    assert "stop" == reply.message.outputs[0].choices[0].finish_reason


async def test_a_provider_s_fault_is_told_by_our_reason(vendors: Vendors) -> None:
    """Dapr's code is INTERNAL for all of them; reason, wait and id stand in the trailing metadata, no raw body does."""
    async with calling(gpt(vendors, "status-429")) as caller:
        refusal = await caller.refused(ALPHA2, alpha2(), metadata=(("x-request-id", "r-2"),))
        samples = await caller.sidecar.samples()

    assert "INTERNAL" == refusal.code
    assert refusal.details.startswith("failed conversing with component gpt: ")
    assert ("rate_limited", "7", "r-2") == tuple(
        refusal.metadata[name] for name in ("parley-reason", "retry-after", "x-request-id")
    )
    assert "sk-vendor-secret" not in refusal.details
    assert 1 == samples['parley_requests_total{component="gpt",api="alpha2",outcome="rate_limited"}']


@pytest.mark.parametrize(
    ("method", "asked", "details", "reason"),
    [
        (ALPHA1, {}, "failed finding conversation component ", "not_found"),
        (ALPHA1, {"name": "nobody"}, "failed finding conversation component nobody", "not_found"),
        (
            ALPHA1,
            {"name": "echo"},
            "failed conversing with component echo: missing inputs in request",
            "missing_inputs",
        ),
        (
            ALPHA2,
            {"name": "echo", "inputs": [{}], "promptCacheRetention": "-1s"},
            "failed conversing with component echo: invalid params: promptCacheRetention must not be negative",
            "invalid_parameters",
        ),
        (
            ALPHA2,
            {"name": "echo", "inputs": [{}], "tools": [{}]},
            "failed conversing with component echo: invalid params: tool types cannot be nil",
            "invalid_parameters",
        ),
    ],
)
async def test_a_caller_s_slip_is_an_invalid_argument(
    method: Any, asked: dict[str, Any], details: str, reason: str
) -> None:
    """In Dapr's words; it is counted by the way it came."""
    async with calling() as caller:
        refusal = await caller.refused(method, asked)
        samples = await caller.sidecar.samples()

    assert ("INVALID_ARGUMENT", details, reason) == (refusal.code, refusal.details, refusal.metadata["parley-reason"])
    api = "alpha1" if method is ALPHA1 else "alpha2"
    assert 1 == samples[f'parley_rejected_requests_total{{api="{api}",reason="{reason}"}}']


def unknown_type(asked: ai_pb2.ConversationRequestAlpha2) -> None:
    """Add a parameter of a type that nobody knows."""
    asked.parameters["x"].type_url = "type.googleapis.com/acme.Thing"


def no_type(asked: ai_pb2.ConversationRequestAlpha2) -> None:
    """Add a parameter without a type."""
    asked.parameters["x"].value = b"1"


def broken_value(asked: ai_pb2.ConversationRequestAlpha2) -> None:
    """Add a parameter whose bytes are not of its type."""
    asked.parameters["x"].type_url = "type.googleapis.com/google.protobuf.Int64Value"
    asked.parameters["x"].value = b"\xff"


def known_message(asked: ai_pb2.ConversationRequestAlpha2) -> None:
    """Add a parameter that is a message of ours, which is no value."""
    asked.parameters["x"].Pack(ai_pb2.ConversationMessageContent(text="hi"))


def no_number(asked: ai_pb2.ConversationRequestAlpha2) -> None:
    """Put a number into the schema that JSON has not."""
    asked.response_format["minimum"] = float("nan")


def no_duration(asked: ai_pb2.ConversationRequestAlpha2) -> None:
    """Ask for a retention beyond protobuf's range."""
    asked.prompt_cache_retention.seconds = 10**12


@pytest.mark.parametrize("spoil", [unknown_type, no_type, broken_value, known_message, no_number, no_duration])
async def test_what_no_json_can_say_is_an_invalid_argument(
    spoil: Callable[[ai_pb2.ConversationRequestAlpha2], None],
) -> None:
    """Unknown types, bytes that do not fit, and numbers that are none."""
    asked = ai_pb2.ConversationRequestAlpha2(name="echo", inputs=[ai_pb2.ConversationInputAlpha2()])
    spoil(asked)
    async with calling() as caller:
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await caller.send(ALPHA2[0], asked.SerializeToString())

    assert ("INVALID_ARGUMENT", "malformed") == (
        told.value.code().name,
        dict(told.value.trailing_metadata())["parley-reason"],
    )
    assert (told.value.details() or "").startswith("failed deserializing the request: ")


@pytest.mark.parametrize("method", [ALPHA1, ALPHA2])
async def test_bytes_that_are_no_message_are_an_invalid_argument(method: Any) -> None:
    """And the sidecar answers on."""
    async with calling() as caller:
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await caller.send(method[0], b"\xff\xff")
        after = await caller.call(ALPHA1, HELLO)

    assert ("INVALID_ARGUMENT", "hello") == (told.value.code().name, after.message.outputs[0].result)


async def test_a_message_over_the_limit_is_refused() -> None:
    """Over 4 MiB, by gRPC itself; a message below it passes."""
    async with calling() as caller:
        fits = await caller.call(ALPHA1, {"name": "echo", "inputs": [{"content": "x" * (4 * 2**20 - 100)}]})
        refusal = await caller.refused(ALPHA1, {"name": "echo", "inputs": [{"content": "x" * (4 * 2**20)}]})

    assert (4 * 2**20 - 100, "RESOURCE_EXHAUSTED") == (len(fits.message.outputs[0].result), refusal.code)


async def test_a_deadline_ends_the_call_to_the_provider(vendors: Vendors) -> None:
    """The caller hears DEADLINE_EXCEEDED, and nothing of the call stays behind; the provider is not to blame."""
    before = vendors.count(OPENAI)
    async with calling(gpt(vendors, "hang")) as caller:
        refusal = await caller.refused(ALPHA2, alpha2(), timeout=0.5)
        await eventually(lambda: vendors.count(OPENAI) > before and not vendors.open(OPENAI))
        await eventually(lambda: not caller.sidecar.door.traffic.active)

    assert "DEADLINE_EXCEEDED" == refusal.code


async def test_a_deadline_is_known_to_the_layers(vendors: Vendors) -> None:
    """So that they do not begin what cannot end in time."""
    seen: list[float | None] = []
    async with calling(gpt(vendors, "gpt-5")) as caller:
        pipeline = caller.sidecar.registry.get("gpt")
        inner: Converse = pipeline.converse

        async def watched(request: Any, /) -> Any:
            seen.append(request.trace.deadline_s)
            return await inner(request)

        object.__setattr__(pipeline, "converse", watched)
        now_s = asyncio.get_running_loop().time()
        await caller.call(ALPHA2, alpha2(), timeout=1000)
        await caller.call(ALPHA2, alpha2("again"))

    assert seen[0] is not None
    assert 900 < seen[0] - now_s < 1100  # gRPC rounds what it sends
    assert seen[1] is None


async def test_a_caller_who_leaves_ends_the_call_to_the_provider(vendors: Vendors) -> None:
    """Its slot, its task and its connection are free again."""
    before = vendors.count(OPENAI)
    async with calling(gpt(vendors, "hang")) as caller:
        task = asyncio.create_task(caller.call(ALPHA2, alpha2()))
        await eventually(lambda: vendors.count(OPENAI) > before)
        task.cancel()
        await eventually(lambda: not vendors.open(OPENAI))
        await eventually(lambda: not caller.sidecar.door.traffic.active)
        samples = await caller.sidecar.samples()

    assert 1 == samples['parley_requests_total{component="gpt",api="alpha2",outcome="cancelled"}']
    assert 0 == samples['parley_in_flight_requests{component="gpt"}']


async def test_a_call_counts_as_traffic(vendors: Vendors) -> None:
    """So that the end of the process waits for it."""
    async with calling(gpt(vendors, "slow-300")) as caller:
        traffic = caller.sidecar.door.traffic
        task = asyncio.create_task(caller.call(ALPHA2, alpha2()))
        await eventually(lambda: traffic.active == 1)
        await task
        await eventually(lambda: not traffic.active)

    assert 1 == traffic.started


async def test_a_closed_door_is_unavailable() -> None:
    """While the process drains, with how long to wait."""
    door = Door("shop")
    door.traffic.open = False
    async with calling(door=door) as caller:
        refusal = await caller.refused(ALPHA1, HELLO)

    assert ("UNAVAILABLE", "draining", "1") == (
        refusal.code,
        refusal.metadata["parley-reason"],
        refusal.metadata["retry-after"],
    )


async def test_no_components_yet_is_unavailable() -> None:
    """Until the first snapshot is there."""
    async with sidecar() as running, serving(running) as caller:
        refusal = await caller.refused(ALPHA1, HELLO)

    assert ("UNAVAILABLE", "not_ready") == (refusal.code, refusal.metadata["parley-reason"])


async def test_a_fault_of_our_own_is_contained(caplog: pytest.LogCaptureFixture) -> None:
    """INTERNAL, without its text; the log has it, and gRPC adds nothing."""
    async with calling() as caller:

        async def broken(_: object, /) -> Any:
            raise ZeroDivisionError("sk-hush")

        object.__setattr__(caller.sidecar.registry.get("echo"), "converse", broken)
        refusal = await caller.refused(ALPHA1, HELLO)

    assert ("INTERNAL", "internal") == (refusal.code, refusal.metadata["parley-reason"])
    assert "sk-hush" not in refusal.details
    assert ["converse call failed", "converse call refused"] == [record.message for record in caplog.records]


async def test_metadata_is_dapr_s_document() -> None:
    """What Dapr's SDKs return from their get_metadata."""
    async with calling(component(), component("second")) as caller:
        told = (await caller.call(METADATA)).message

    known = [(one.name, one.type, one.version) for one in told.registered_components]
    assert ("shop", [("echo", "conversation.echo", "v1"), ("second", "conversation.echo", "v1")]) == (told.id, known)
    assert told.runtime_version == told.extended_metadata["daprRuntimeVersion"]


async def test_what_is_noted_is_told() -> None:
    """By both doors; within limits, for it stays until the process ends."""
    async with calling() as caller:
        await caller.call(NOTE, {"key": "team", "value": "blue"})
        told = (await caller.call(METADATA)).message
        document = (await caller.sidecar.api.get("/v1.0/metadata")).json()
        refusal = await caller.refused(NOTE, {"key": "team", "value": "x" * 2000})

    assert ("blue", "blue") == (told.extended_metadata["team"], document["extended"]["team"])
    assert ("INVALID_ARGUMENT", "invalid_parameters") == (refusal.code, refusal.metadata["parley-reason"])


async def test_shutdown_asks_the_process_to_end() -> None:
    """And answers at once."""
    async with calling() as caller:
        answer = await caller.send("/dapr.proto.runtime.v1.Dapr/Shutdown", b"")
        stopped = caller.sidecar.stopped.is_set()

    assert (b"", True) == (answer, stopped)


async def assert_unimplemented(caller: Caller, path: str) -> None:
    """Check that a method is not there."""
    with pytest.raises(grpc.aio.AioRpcError) as told:
        await caller.send(path, b"")
    assert "UNIMPLEMENTED" == told.value.code().name


async def test_other_methods_are_unimplemented() -> None:
    """Dapr's own that Parley does not have, and services that nobody has."""
    async with calling() as caller:
        await assert_unimplemented(caller, "/dapr.proto.runtime.v1.Dapr/GetState")
        await assert_unimplemented(caller, "/acme.Service/Method")
