"""`errors.ParleyError` -> the body, status and headers of OpenAI's endpoint. Source: OpenAI's guide to error codes.

Its clients choose the exception by the status, show the message, and retry unless a header says that it cannot help.
"""

import re
from collections.abc import Callable, Mapping
from math import ceil
from typing import Final

import msgspec

from parley_sidecar.errors import (
    BodyTooLarge,
    ComponentNotFound,
    MalformedBody,
    OpenAIType,
    ParleyError,
    PathNotFound,
    RetryWillNotHelp,
    RoomLost,
    Unauthorized,
)
from parley_sidecar.wire import errors as wire_errors
from parley_sidecar.wire.json import encode

_PLACE: Final = re.compile(r"(?: field `(?P<missing>[^`]+)`)?(?: - at `\$\.?(?P<within>[^`]*)`)?$")
"""Where msgspec and the wire forms say what a sentence is about."""


class Details(msgspec.Struct):
    """What went wrong. `param` is the field, where that is known; `code` is our reason, or OpenAI's own word for it."""

    message: str
    type: OpenAIType
    param: str | None
    code: str


class ErrorReply(msgspec.Struct):
    """An error's body."""

    error: Details


_CODES: Final[Mapping[type[ParleyError], str]] = {
    ComponentNotFound: "model_not_found",
    PathNotFound: "unknown_url",
    Unauthorized: "invalid_api_key",
}
_MESSAGES: Final[Mapping[type[ParleyError], Callable[[str, str], str]]] = {
    BodyTooLarge: lambda _, text: f"The request is too large: {text}",
    ComponentNotFound: lambda name, _: f"The model `{name}` does not exist: no component has this name",
    MalformedBody: lambda _, text: f"The request is malformed: {text}",
}


def status(error: ParleyError) -> int:
    """Return OpenAI's status."""
    return error.face.openai_status


def body(error: ParleyError, component_name: str = "") -> bytes:
    """Return the error body."""
    say = _MESSAGES.get(type(error))
    message = say(component_name, error.message) if say else error.message
    code = _CODES.get(type(error), error.face.reason)
    return encode(ErrorReply(Details(message, error.face.openai_type, param(error), code)))


def param(error: ParleyError) -> str | None:
    """Return the field that an error is about, such as `messages[0].content`, if its sentence names one."""
    if isinstance(error, ComponentNotFound):
        return "model"
    found = _PLACE.search(error.message)
    names = [found["within"], found["missing"]] if found else []
    return ".".join(name for name in names if name) or None


def headers(error: ParleyError) -> list[tuple[bytes, bytes]]:
    """Return the headers that go with the body: how long to wait, and whether to try again at all."""
    told = wire_errors.headers(error)
    if error.retry_after_s is not None:
        told.append((b"retry-after-ms", b"%d" % ceil(error.retry_after_s * 1000)))
    if isinstance(error, RetryWillNotHelp | RoomLost):  # whoever erased a room does not want it made anew
        told.append((b"x-should-retry", b"false"))
    return told
