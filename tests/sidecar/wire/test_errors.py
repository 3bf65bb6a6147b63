"""Errors on the Dapr doors: Dapr's codes, words and statuses, and our reason."""

import json

import pytest

from parley_sidecar import errors
from parley_sidecar.wire import errors as wire_errors


@pytest.mark.parametrize(
    ("error", "status", "precise", "code", "message"),
    [
        (errors.MalformedBody("why"), 400, 400, "ERR_MALFORMED_REQUEST", "failed deserializing HTTP body: why"),
        (errors.BodyTooLarge("why"), 400, 413, "ERR_BODY_READ", "failed to read request body: why"),
        (
            errors.ComponentNotFound("gpt"),
            400,
            404,
            "ERR_CONVERSATION_NOT_FOUND",
            "failed finding conversation component gpt",
        ),
        (
            errors.MissingInputs("none"),
            400,
            400,
            "ERR_CONVERSATION_MISSING_INPUTS",
            "failed conversing with component gpt: missing inputs in request",
        ),
        (
            errors.InvalidParameters("why"),
            400,
            400,
            "ERR_CONVERSATION_INVALID_PARMS",
            "failed conversing with component gpt: invalid params: why",
        ),
        (
            errors.RateLimited("why"),
            500,
            429,
            "ERR_CONVERSATION_INVOKE",
            "failed conversing with component gpt: why",
        ),
        (errors.Unauthorized("invalid api token"), 401, 401, "ERR_UNAUTHORIZED", "invalid api token"),
    ],
)
def test_an_error_is_said_as_dapr_does(
    error: errors.ParleyError, status: int, precise: int, code: str, message: str
) -> None:
    """Code, message and status are Dapr's; the precise status and the reason are ours."""
    body = {"errorCode": code, "message": message, "reason": error.face.reason}

    assert (status, precise) == tuple(wire_errors.status(error, precise=flag) for flag in (False, True))
    assert body == json.loads(wire_errors.body(error, "gpt"))


def test_an_error_without_a_component_names_none() -> None:
    """Outside the converse routes the sentence stands alone."""
    assert "why" == wire_errors.message(errors.ProviderTimeout("why"), "")


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (errors.RateLimited("why"), {b"content-type": b"application/json"}),
        (errors.RateLimited("why", retry_after_s=6.5), {b"content-type": b"application/json", b"retry-after": b"7"}),
    ],
)
def test_an_error_says_how_long_to_wait(error: errors.ParleyError, headers: dict[bytes, bytes]) -> None:
    """Retry-After is there when it is known."""
    assert headers == dict(wire_errors.headers(error))
