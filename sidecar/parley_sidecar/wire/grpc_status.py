"""`errors.ParleyError` -> what a gRPC caller gets: Dapr's sentence, and facts in the trailing metadata. Pure.

Dapr's codes alone do not tell a provider's faults apart; `parley-reason` does.
"""

from typing import Final

from parley_sidecar.errors import MalformedBody, ParleyError
from parley_sidecar.wire import errors
from parley_sidecar.wire.headers import retry_after

REASON: Final = "parley-reason"
"""The reason of Parley's errors, as in the HTTP doors' bodies."""
RETRY_AFTER: Final = "retry-after"
"""In whole seconds, as the header."""
REQUEST_ID: Final = "x-request-id"

Metadata = tuple[tuple[str, str], ...]


def details(error: ParleyError, component_name: str) -> str:
    """Return the sentence."""
    if isinstance(error, MalformedBody):  # HTTP's words are about its body
        return f"failed deserializing the request: {error.message}"
    return errors.message(error, component_name)


def trailing(error: ParleyError, request_id: str = "") -> Metadata:
    """Return the trailing metadata; the id as well, for a failed call has no other metadata."""
    waiting = () if error.retry_after_s is None else ((RETRY_AFTER, retry_after(error.retry_after_s)),)
    known = ((REQUEST_ID, request_id),) if request_id else ()
    return ((REASON, error.face.reason), *waiting, *known)
