"""`transport: sdk`: every error of the openai package and of Azure's credentials, and what it becomes."""

from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError

from parley_sidecar import sdk_transport
from parley_sidecar.errors import ParleyError, ProviderGarbled, ProviderRefused, ProviderUnavailable, RateLimited


def response(status: int) -> httpx2.Response:
    """Return an answer of the SDK's client."""
    request = httpx2.Request("POST", "http://example.com")
    return httpx2.Response(status, headers={"retry-after-ms": "1500"}, request=request, text="sk-secret")


def of_status(kind: type[openai.APIStatusError], status: int) -> openai.APIStatusError:
    """Return an error of the SDK's with a body."""
    return kind("sk-secret", response=response(status), body={"error": "sk-secret"})


MEANINGS: dict[str, tuple[Any, type[ParleyError] | None]] = {
    "APIError": (openai.APIError("sk-secret", response(200).request, body=None), ProviderGarbled),
    "APIConnectionError": (openai.APIConnectionError(request=response(200).request), ProviderUnavailable),
    "APITimeoutError": (openai.APITimeoutError(request=response(200).request), ProviderUnavailable),
    "APIResponseValidationError": (openai.APIResponseValidationError(response(200), None), ProviderGarbled),
    "APIStatusError": (of_status(openai.APIStatusError, 307), ProviderRefused),
    "BadRequestError": (of_status(openai.BadRequestError, 400), ProviderRefused),
    "AuthenticationError": (of_status(openai.AuthenticationError, 401), ProviderRefused),
    "OAuthError": (openai.OAuthError(response=response(401), body=None), ProviderRefused),
    "PermissionDeniedError": (of_status(openai.PermissionDeniedError, 403), ProviderRefused),
    "NotFoundError": (of_status(openai.NotFoundError, 404), ProviderRefused),
    "ConflictError": (of_status(openai.ConflictError, 409), ProviderRefused),
    "UnprocessableEntityError": (of_status(openai.UnprocessableEntityError, 422), ProviderRefused),
    "RateLimitError": (of_status(openai.RateLimitError, 429), RateLimited),
    "InternalServerError": (of_status(openai.InternalServerError, 500), ProviderUnavailable),
    # What follows belongs to parts of the SDK that are not used: its parsers, its module client, its web sockets.
    "LengthFinishReasonError": (None, None),
    "ContentFilterFinishReasonError": (openai.ContentFilterFinishReasonError(), ProviderGarbled),
    "SubjectTokenProviderError": (None, None),
    "WebSocketConnectionClosedError": (None, None),
    "WebSocketQueueFullError": (None, None),
    "_AmbiguousModuleClientUsageError": (None, None),
    "StreamAlreadyConsumed": (None, None),
    "APIRemovedInV1": (None, None),
    "MutuallyExclusiveAuthError": (None, None),
}
"""Every error class of the SDK, one of its kind, and what it becomes."""


def below(kind: type[Exception]) -> Iterator[type[Exception]]:
    """Iterate every class below one."""
    for child in kind.__subclasses__():
        yield child
        yield from below(child)


def test_every_error_of_the_sdk_is_known() -> None:
    """A release that brings a new one fails here."""
    # What its extras raise for want of another package is known or not after which tests ran, and is not for us.
    kinds = [kind for kind in below(openai.OpenAIError) if "._extras." not in kind.__module__]
    theirs = {kind.__name__ for kind in kinds if kind.__module__.split(".")[0] == "openai"}

    assert set(MEANINGS) == theirs


@pytest.mark.parametrize("name", [name for name, (error, _) in MEANINGS.items() if error])
def test_an_error_of_the_sdk_becomes_ours(name: str) -> None:
    """By its status where it has one, with the wait that was asked for, and without a word of theirs."""
    error, kind = MEANINGS[name]
    ours = sdk_transport.mapped(error)

    assert kind is type(ours)
    assert "secret" not in ours.message
    assert (1.5 if kind is RateLimited else ours.retry_after_s) == ours.retry_after_s


@pytest.mark.parametrize(
    ("error", "kind"),
    [(ClientAuthenticationError("secret"), ProviderRefused), (ServiceRequestError("secret"), ProviderUnavailable)],
)
def test_an_error_of_azures_becomes_ours(error: Any, kind: type[ParleyError]) -> None:
    """Whether the token was refused or nobody was there to ask."""
    ours = sdk_transport.mapped(error)

    assert kind is type(ours)
    assert "secret" not in ours.message
