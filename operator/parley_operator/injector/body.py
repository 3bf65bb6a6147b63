"""Reading a review's body within its limits. Anybody in the cluster can connect, not only the API server."""

import asyncio
from typing import Final

from starlette.requests import ClientDisconnect, Request

MAX_BODY_BYTES: Final = 3 * 1024 * 1024
"""Source: the API server's own limit for a request."""
BODY_TIMEOUT_S: Final = 5.0
"""The API server waits no longer for the whole answer; a slower caller must not hold a place."""


class RefusedError(Exception):
    """A request that no API server sends: a status, a reason for the metric, and a sentence."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


async def read_body(request: Request, limit_s: float = BODY_TIMEOUT_S) -> bytes:
    """Return the body.

    Raises:
        RefusedError: when it is not JSON by its header, too large, too slow, or ends early.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise RefusedError(415, "content_type", "the content type must be application/json")
    try:
        async with asyncio.timeout(limit_s):
            return await _bounded(request)
    except TimeoutError as error:
        raise RefusedError(408, "slow", f"the body took over {limit_s:.0f} s") from error
    except ClientDisconnect as error:
        raise RefusedError(400, "disconnected", "the caller left") from error


async def _bounded(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise RefusedError(413, "too_large", f"the body is over {MAX_BODY_BYTES} bytes")
    return bytes(body)
