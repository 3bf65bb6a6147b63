"""What flights end with, as bytes for the store: MessagePack of a fixed form, read back whole or not at all."""

from typing import Final

import msgspec

from parley_sidecar.errors import (
    ParleyError,
    ProviderGarbled,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
    ToolNotCalled,
)
from parley_sidecar.model import Answer

_PROVIDERS: Final = {
    kind.__name__: kind
    for kind in (RateLimited, ProviderTimeout, ProviderUnavailable, ProviderRefused, ProviderGarbled, ToolNotCalled)
}
"""Faults of the provider, by the name under which they are told to other processes. All others are a process's own."""


class Entry(msgspec.Struct, array_like=True, frozen=True, tag="kept"):
    """An answer and its times in Unix seconds, so that any process that reads it knows its age and what it has left."""

    stored_at_s: float
    expires_at_s: float
    answer: Answer


class Passed(msgspec.Struct, array_like=True, frozen=True, tag="passed"):
    """An answer for those who wait for it now, and for nobody after them."""

    answer: Answer
    answered_by: str | None = None


class Failed(msgspec.Struct, array_like=True, frozen=True, tag="failed"):
    """A provider's fault, for those who wait."""

    kind: str
    message: str
    retry_after_s: float | None = None

    def error(self) -> ParleyError | None:
        """Return it as the error that it was; None where another version knows more kinds."""
        kind = _PROVIDERS.get(self.kind)
        return kind(self.message, retry_after_s=self.retry_after_s) if kind else None


Result = Entry | Passed | Failed

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final[msgspec.msgpack.Decoder[Result]] = msgspec.msgpack.Decoder(Result)


def failed(error: ParleyError) -> Failed | None:
    """Return a provider's fault as others are told it; None for what is this process's own."""
    kind = type(error).__name__
    return Failed(kind, error.message, error.retry_after_s) if kind in _PROVIDERS else None


def pack(result: Result) -> bytes:
    """Return a result's bytes."""
    return _ENCODER.encode(result)


def unpack(data: bytes) -> Result | None:
    """Return the result; None for bytes that another version wrote, or that are broken."""
    try:
        return _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
