"""Errors in OpenAI's form."""

import json

import pytest

from parley_sidecar.errors import (
    BodyTooLarge,
    ComponentNotFound,
    InvalidParameters,
    MalformedBody,
    ParleyError,
    PathNotFound,
    ProviderRefused,
    RateLimited,
    RoomLost,
    Unauthorized,
)
from parley_sidecar.wire import openai_errors


@pytest.mark.parametrize(
    ("error", "status", "expected"),
    [
        (
            ComponentNotFound("nobody"),
            404,
            (
                "The model `nobody` does not exist: no component has this name",
                "invalid_request_error",
                "model",
                "model_not_found",
            ),
        ),
        (
            Unauthorized("invalid api token"),
            401,
            ("invalid api token", "invalid_request_error", None, "invalid_api_key"),
        ),
        (
            PathNotFound("Invalid URL (GET /v1/x)"),
            404,
            ("Invalid URL (GET /v1/x)", "invalid_request_error", None, "unknown_url"),
        ),
        (
            MalformedBody("Expected `str`, got `int` - at `$.messages[0].name`"),
            400,
            (
                "The request is malformed: Expected `str`, got `int` - at `$.messages[0].name`",
                "invalid_request_error",
                "messages[0].name",
                "malformed",
            ),
        ),
        (
            BodyTooLarge("the body is over 4194304 bytes"),
            413,
            ("The request is too large: the body is over 4194304 bytes", "invalid_request_error", None, "too_large"),
        ),
        (InvalidParameters("no"), 400, ("no", "invalid_request_error", None, "invalid_parameters")),
        (RateLimited("slow down"), 429, ("slow down", "rate_limit_error", None, "rate_limited")),
        (ProviderRefused("it says no"), 500, ("it says no", "server_error", None, "refused")),
    ],
)
def test_an_error_has_openais_form(error: ParleyError, status: int, expected: tuple[str, str, str | None, str]) -> None:
    """Status, sentence, type, the field it is about and a code that programs can read."""
    body = json.loads(openai_errors.body(error, "nobody"))

    names = ("message", "type", "param", "code")
    assert (status, {"error": dict(zip(names, expected, strict=True))}) == (openai_errors.status(error), body)


def test_clients_are_told_how_long_to_wait() -> None:
    """What may succeed later says when, in seconds and in milliseconds, and leaves the retry to the client."""
    told = dict(openai_errors.headers(RateLimited("slow down", retry_after_s=0.25)))

    assert (b"1", b"250", None) == (told[b"retry-after"], told[b"retry-after-ms"], told.get(b"x-should-retry"))


@pytest.mark.parametrize("error", [ProviderRefused("it says no"), RoomLost("erased")])
def test_clients_are_told_when_a_retry_cannot_help(error: ParleyError) -> None:
    """An error that stays the same is not worth the retries that clients make by themselves.

    Nor is a room made anew that somebody erased.
    """
    told = dict(openai_errors.headers(error))

    assert (b"false", None) == (told[b"x-should-retry"], told.get(b"retry-after"))
