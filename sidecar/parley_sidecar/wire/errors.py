"""`errors.ParleyError` -> the body and status of the Dapr doors. Source: Dapr's messages, kept word for word."""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from parley_sidecar.errors import (
    INVOKE,
    BodyTooLarge,
    ComponentNotFound,
    InvalidParameters,
    MalformedBody,
    MissingInputs,
    ParleyError,
)
from parley_sidecar.wire.headers import retry_after
from parley_sidecar.wire.json import encode


class Body(msgspec.Struct, rename="camel"):
    """Dapr's error body, and our reason beside it."""

    error_code: str
    message: str
    reason: str


_MESSAGES: Final[Mapping[type[ParleyError], Callable[[str, str], str]]] = {
    MalformedBody: lambda _, text: f"failed deserializing HTTP body: {text}",
    BodyTooLarge: lambda _, text: f"failed to read request body: {text}",
    ComponentNotFound: lambda name, _: f"failed finding conversation component {name}",
    MissingInputs: lambda name, _: f"failed conversing with component {name}: missing inputs in request",
}


def status(error: ParleyError, *, precise: bool) -> int:
    """Return Dapr's status, or the precise one where the process is set to it."""
    return error.face.precise_status if precise else error.face.status


def body(error: ParleyError, component_name: str = "") -> bytes:
    """Return the error body."""
    return encode(Body(error.face.code, message(error, component_name), error.face.reason))


def message(error: ParleyError, component_name: str) -> str:
    """Return the sentence in Dapr's words, as far as it has some."""
    if say := _MESSAGES.get(type(error)):
        return say(component_name, error.message)
    if not component_name:
        return error.message
    if isinstance(error, InvalidParameters):
        return f"failed conversing with component {component_name}: invalid params: {error.message}"
    return (
        f"failed conversing with component {component_name}: {error.message}"
        if error.face.code == INVOKE
        else error.message
    )


def headers(error: ParleyError) -> list[tuple[bytes, bytes]]:
    """Return the headers that go with the body."""
    waiting = [] if error.retry_after_s is None else [(b"retry-after", retry_after(error.retry_after_s).encode())]
    return [(b"content-type", b"application/json"), *waiting]
