"""Reading a review's body within its limits; test_app.py shows the answers."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.requests import Request

from parley_operator.injector.body import MAX_BODY_BYTES, RefusedError, read_body

Receive = Callable[[], Awaitable[dict[str, Any]]]


def request(receive: Receive) -> Request:
    """Return a request whose body comes from `receive`."""
    return Request({"type": "http", "method": "POST", "headers": [(b"content-type", b"application/json")]}, receive)


def parts(*bodies: bytes, ends: bool = True) -> Receive:
    """Return a body in parts; one that does not end leaves after the last."""
    messages = [{"type": "http.request", "body": body, "more_body": True} for body in bodies]
    messages.append({"type": "http.request", "body": b""} if ends else {"type": "http.disconnect"})

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    return receive


async def never() -> dict[str, Any]:
    """Send nothing, for ever."""
    await asyncio.Event().wait()
    raise AssertionError


async def test_a_body_in_parts_is_put_together() -> None:
    """Its length need not be known before."""
    assert b"{}" == await read_body(request(parts(b"{", b"}")))


@pytest.mark.parametrize(
    ("receive", "status", "reason"),
    [
        (parts(b" " * MAX_BODY_BYTES, b" "), 413, "too_large"),
        (parts(b"{", ends=False), 400, "disconnected"),
        (never, 408, "slow"),
    ],
)
async def test_a_body_is_bounded(receive: Receive, status: int, reason: str) -> None:
    """In size and in time; a caller who leaves is noticed."""
    with pytest.raises(RefusedError) as caught:
        await read_body(request(receive), 0.05 if receive is never else 60)

    assert (status, reason) == (caught.value.status, caught.value.reason)
