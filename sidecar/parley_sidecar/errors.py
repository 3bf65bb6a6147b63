"""Every error a caller can meet, and the one table that says what each means on each door.

    ParleyError
    ├── RetryMayHelp            the same request may succeed later
    │   ├── RateLimited         the provider says 429
    │   ├── Overloaded          our own concurrency limit
    │   ├── ProviderTimeout     no answer within the component's limits
    │   ├── DeadlinePassed      the time that the caller gave is over
    │   ├── CircuitOpen         the provider failed too often just now, and is left alone
    │   ├── ProviderUnavailable the provider cannot be reached, or says 5xx
    │   ├── NoComponentsYet     the first snapshot has not arrived
    │   ├── OutboundNotReady    the same, as the health check says it
    │   ├── Draining            the process is about to stop
    │   ├── StoreUnavailable    shared state is needed and cannot be reached
    │   ├── RecognizerUnavailable  names must be hidden, and who finds them gives no good answer
    │   ├── RoomBusy            another turn of the same chat room takes too long
    │   └── RoomLost            the room was erased, or taken over, during a turn
    └── RetryWillNotHelp        the request, or the component, must change first
        ├── MalformedBody       not JSON, or not of the documented shape
        ├── BodyTooLarge        over the body limit
        ├── ComponentNotFound   no such component for this application
        ├── MissingInputs       nothing to say
        ├── InvalidParameters   a value that means nothing here
        ├── PersonalData        personal data in a prompt that must not have any
        ├── RoomNotFound        no chat room of this id
        ├── RoomSealed          the room was sealed with a key that is not valid any more
        ├── Unauthorized        a missing or wrong API token
        ├── ForeignOrigin       a web page, or a host name that is not ours
        ├── PathNotFound        no such path or method
        ├── WrongApplication    a health check meant for another application
        ├── InvalidComponent    the component's own settings cannot be used
        ├── ProviderRefused     the provider says 4xx: its key, its model, its limits
        ├── ProviderGarbled     the provider's answer is not its documented format
        ├── ToolNotCalled       the model had to ask for a tool, and did not
        └── Unforeseen          a fault of our own

A message is safe to show: never a provider's raw body, a key, a prompt or a stored value.
"""

from dataclasses import dataclass
from typing import Literal

Reason = Literal[
    "rate_limited", "overloaded", "timeout", "circuit_open", "unavailable", "not_ready", "store_unavailable",
    "malformed", "too_large", "not_found", "missing_inputs", "invalid_parameters", "unauthorized", "foreign_origin",
    "draining", "wrong_application", "invalid_component", "refused", "garbled", "no_tool_call",
    "room_busy", "room_lost", "room_sealed", "personal_data", "recognizer_unavailable",
    "internal",
]  # fmt: skip

OpenAIType = Literal["invalid_request_error", "rate_limit_error", "server_error"]
"""`type` in OpenAI's error body."""
GrpcCode = Literal[
    "INVALID_ARGUMENT", "UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED", "RESOURCE_EXHAUSTED", "UNAVAILABLE",
    "DEADLINE_EXCEEDED", "INTERNAL",
]  # fmt: skip
"""Dapr's codes: every fault of a provider is INTERNAL there, whatever it was; our reason tells them apart."""


@dataclass(frozen=True, slots=True)
class Face:
    """How a condition looks from outside: Dapr's code, our reason, and the status on each door.

    The status is Dapr's on its HTTP routes, the precise one there where that is switched on, OpenAI's on its endpoint.
    """

    code: str
    reason: Reason
    status: int
    precise_status: int
    openai_status: int
    openai_type: OpenAIType
    grpc_code: GrpcCode


INVOKE = "ERR_CONVERSATION_INVOKE"


class ParleyError(Exception):
    """The root: carries a safe sentence and, where the provider gave one, how long to wait."""

    face = Face(INVOKE, "unavailable", 500, 502, 503, "server_error", "INTERNAL")

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_s = retry_after_s


class RetryMayHelp(ParleyError):
    """The same request may succeed later."""


class RateLimited(RetryMayHelp):
    """The provider says 429."""

    face = Face(INVOKE, "rate_limited", 500, 429, 429, "rate_limit_error", "INTERNAL")


class Overloaded(RetryMayHelp):
    """Our own concurrency limit."""

    face = Face(INVOKE, "overloaded", 500, 429, 429, "rate_limit_error", "INTERNAL")


class ProviderTimeout(RetryMayHelp):
    """No answer within the component's limits."""

    face = Face(INVOKE, "timeout", 500, 504, 503, "server_error", "INTERNAL")


class DeadlinePassed(RetryMayHelp):
    """The time that the caller gave is over; the provider is not to blame."""

    face = Face(INVOKE, "timeout", 500, 504, 503, "server_error", "DEADLINE_EXCEEDED")


class CircuitOpen(RetryMayHelp):
    """The provider failed too often just now, and is left alone for a while."""

    face = Face(INVOKE, "circuit_open", 500, 503, 503, "server_error", "INTERNAL")


class ProviderUnavailable(RetryMayHelp):
    """The provider cannot be reached, or says 5xx."""

    face = Face(INVOKE, "unavailable", 500, 502, 503, "server_error", "INTERNAL")


class NoComponentsYet(RetryMayHelp):
    """The first snapshot has not arrived."""

    face = Face("ERR_CONVERSATION_NOT_READY", "not_ready", 503, 503, 503, "server_error", "UNAVAILABLE")


class OutboundNotReady(RetryMayHelp):
    """No components yet, as GET /v1.0/healthz/outbound says it."""

    face = Face("ERR_OUTBOUND_HEALTH_NOT_READY", "not_ready", 500, 500, 500, "server_error", "UNAVAILABLE")


class Draining(RetryMayHelp):
    """The process is about to stop and takes no new requests."""

    face = Face("ERR_CONVERSATION_NOT_READY", "draining", 503, 503, 503, "server_error", "UNAVAILABLE")


class StoreUnavailable(RetryMayHelp):
    """Shared state is needed and cannot be reached."""

    face = Face(INVOKE, "store_unavailable", 500, 503, 503, "server_error", "INTERNAL")


class RecognizerUnavailable(RetryMayHelp):
    """Names must be hidden, and the service that finds them gives no good answer."""

    face = Face(INVOKE, "recognizer_unavailable", 500, 503, 503, "server_error", "INTERNAL")


class RoomBusy(RetryMayHelp):
    """Another turn of the same chat room takes too long: turns of a room are one after the other."""

    face = Face(INVOKE, "room_busy", 500, 409, 409, "server_error", "INTERNAL")


class RoomLost(RetryMayHelp):
    """The chat room was erased, or taken over by another turn, during this one, which was not stored."""

    face = Face(INVOKE, "room_lost", 500, 409, 409, "server_error", "INTERNAL")


class RetryWillNotHelp(ParleyError):
    """The request, or the component, must change first."""


class MalformedBody(RetryWillNotHelp):
    """Not JSON, or not of the documented shape."""

    face = Face("ERR_MALFORMED_REQUEST", "malformed", 400, 400, 400, "invalid_request_error", "INVALID_ARGUMENT")


class BodyTooLarge(RetryWillNotHelp):
    """Over the body limit (4 MiB, as Dapr's). Source: dapr.io/max-body-size."""

    face = Face("ERR_BODY_READ", "too_large", 400, 413, 413, "invalid_request_error", "RESOURCE_EXHAUSTED")


class ComponentNotFound(RetryWillNotHelp):
    """No such component for this application."""

    face = Face("ERR_CONVERSATION_NOT_FOUND", "not_found", 400, 404, 404, "invalid_request_error", "INVALID_ARGUMENT")


class MissingInputs(RetryWillNotHelp):
    """Nothing to say."""

    face = Face(
        "ERR_CONVERSATION_MISSING_INPUTS", "missing_inputs", 400, 400, 400, "invalid_request_error", "INVALID_ARGUMENT"
    )


class InvalidParameters(RetryWillNotHelp):
    """A value that means nothing here; the code is spelled as Dapr spells it."""

    face = Face(
        "ERR_CONVERSATION_INVALID_PARMS",
        "invalid_parameters",
        400,
        400,
        400,
        "invalid_request_error",
        "INVALID_ARGUMENT",
    )


class PersonalData(RetryWillNotHelp):
    """Personal data in a prompt to a component that must not get any; the message names kinds, never values."""

    face = Face(
        "ERR_CONVERSATION_INVALID_PARMS", "personal_data", 400, 400, 400, "invalid_request_error", "INVALID_ARGUMENT"
    )


class RoomNotFound(RetryWillNotHelp):
    """No chat room of this id for this application."""

    face = Face(
        "ERR_CONVERSATION_CONTEXT_NOT_FOUND", "not_found", 404, 404, 404, "invalid_request_error", "INVALID_ARGUMENT"
    )


class RoomSealed(RetryWillNotHelp):
    """The chat room was sealed with a key that is not valid any more: it can be erased, not read."""

    face = Face(INVOKE, "room_sealed", 500, 500, 500, "server_error", "INTERNAL")


class Unauthorized(RetryWillNotHelp):
    """A missing or wrong API token."""

    face = Face("ERR_UNAUTHORIZED", "unauthorized", 401, 401, 401, "invalid_request_error", "UNAUTHENTICATED")


class ForeignOrigin(RetryWillNotHelp):
    """A web page, or a host name that is not ours: a browser must not spend a laptop's key."""

    face = Face("ERR_FOREIGN_ORIGIN", "foreign_origin", 403, 403, 403, "invalid_request_error", "PERMISSION_DENIED")


class PathNotFound(RetryWillNotHelp):
    """No such path or method; Dapr takes it for a call to an application without an id."""

    face = Face("ERR_DIRECT_INVOKE", "not_found", 404, 404, 404, "invalid_request_error", "UNIMPLEMENTED")


class WrongApplication(RetryWillNotHelp):
    """A health check meant for another application."""

    face = Face("ERR_HEALTH_APPID_NOT_MATCH", "wrong_application", 500, 500, 500, "server_error", "INTERNAL")


class InvalidComponent(RetryWillNotHelp):
    """The component's own settings cannot be used; the message never holds a setting's value."""

    face = Face(INVOKE, "invalid_component", 500, 500, 500, "server_error", "INTERNAL")


class ProviderRefused(RetryWillNotHelp):
    """The provider says 4xx: its key, its model, its limits."""

    face = Face(INVOKE, "refused", 500, 502, 500, "server_error", "INTERNAL")


class ProviderGarbled(RetryWillNotHelp):
    """The provider's answer is not its documented format."""

    face = Face(INVOKE, "garbled", 500, 502, 500, "server_error", "INTERNAL")


class ToolNotCalled(RetryWillNotHelp):
    """The model had to ask for a tool, and did not."""

    face = Face(INVOKE, "no_tool_call", 500, 502, 500, "server_error", "INTERNAL")


class Unforeseen(RetryWillNotHelp):
    """A fault of our own, caught at an edge; the log has its type and place."""

    face = Face("ERR_INTERNAL", "internal", 500, 500, 500, "server_error", "INTERNAL")
