"""What Converse answers: text, calls, reasons and tokens, and what its errors mean."""

import json
from typing import Any

import pytest

from parley_sidecar.bedrock import reply
from parley_sidecar.errors import ParleyError, ProviderGarbled, ProviderRefused, ProviderUnavailable, RateLimited
from parley_sidecar.model import Answer, Choice, ToolCall, Usage

INTERNAL = ":http://internal.amazon.com/coral/com.amazon.bedrock/"


def answered(*content: dict[str, Any], **fields: Any) -> Answer:
    """Return what becomes of an answer."""
    usual = {"output": {"message": {"role": "assistant", "content": list(content)}}, "stopReason": "end_turn"}
    return reply.from_wire(json.dumps(usual | fields).encode(), "m-1")


def test_texts_are_joined_and_thoughts_left_aside() -> None:
    """The model is the one that was asked; an answer without usage has none."""
    thought = {"reasoningContent": {"reasoningText": {"text": "hm"}}}

    assert Answer((Choice("a b", "stop", "end_turn"),), None, "m-1") == answered({"text": "a "}, thought, {"text": "b"})


def test_calls_have_their_arguments_as_they_were_written() -> None:
    """JSON text, whatever the model put in."""
    use = {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"n": 1}}}
    (choice,) = answered(use, stopReason="tool_use").choices

    assert (ToolCall("t1", "f", '{"n": 1}'),) == choice.tool_calls
    assert "tool_calls" == choice.finish_reason


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("malformed_tool_use", "unknown"),
    ],
)
def test_reasons_are_openais_with_the_raw_word(raw: str, reason: str) -> None:
    """A word without a meaning there is unknown."""
    (choice,) = answered(stopReason=raw).choices

    assert (reason, raw) == (choice.finish_reason, choice.raw_finish_reason)


def test_cached_tokens_are_a_part_of_the_prompts() -> None:
    """Bedrock counts them apart; everybody else counts them in."""
    counts = {"inputTokens": 5, "outputTokens": 2, "totalTokens": 20, "cacheReadInputTokens": 10}

    assert Usage(18, 2, 10) == answered({"text": "a"}, usage=counts | {"cacheWriteInputTokens": 3}).usage
    assert Usage(5, 2) == answered({"text": "a"}, usage={"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}).usage


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"output":{}}', b"\xff", b"[" * 100000])
def test_what_is_no_answer_is_garbled(body: bytes) -> None:
    """Not JSON, not UTF-8, not of the form, or nested too deep."""
    with pytest.raises(ProviderGarbled):
        reply.from_wire(body, "m-1")


@pytest.mark.parametrize(
    ("status", "error_type", "kind"),
    [
        (429, "ThrottlingException", RateLimited),
        (400, "ServiceQuotaExceededException", RateLimited),
        (429, "ModelNotReadyException", ProviderUnavailable),
        (503, "ModelNotReadyException", ProviderUnavailable),
        (408, "ModelTimeoutException", ProviderUnavailable),
        (424, "ModelErrorException", ProviderUnavailable),
        (500, "InternalServerException", ProviderUnavailable),
        (503, "ServiceUnavailableException", ProviderUnavailable),
        (403, "AccessDeniedException", ProviderRefused),
        (404, "ResourceNotFoundException", ProviderRefused),
        (400, "ValidationException", ProviderRefused),
        (403, "InvalidSignatureException", ProviderRefused),
    ],
)
def test_an_errors_type_says_what_it_is(status: int, error_type: str, kind: type[ParleyError]) -> None:
    """In the header with an address behind it, or in the body with a namespace before it."""
    header = reply.refusal(status, {"x-amzn-errortype": error_type + INTERNAL}, b"", 7.0)
    body = reply.refusal(status, {}, json.dumps({"__type": f"com.amazon#{error_type}"}).encode(), 7.0)

    assert kind is type(header)
    assert kind is type(body)


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b'{"__type":1}'])
def test_an_error_without_a_type_is_its_status(body: bytes) -> None:
    """A proxy in between has none."""
    error = reply.refusal(429, {}, body, 7.0)

    assert (RateLimited, 7.0) == (type(error), error.retry_after_s)
