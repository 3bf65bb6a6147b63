"""One HTTP exchange at ASGI's level: its body, its answer, and a caller who leaves before it.

Used by the converse routes, which do without Starlette's Request and Response for their speed.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from typing import Final, TypeVar

from starlette.types import Receive, Send

from parley_sidecar.errors import BodyTooLarge, MalformedBody

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
"""The largest body. Source: Dapr's default (dapr.io/max-body-size)."""
GRACE_S: Final = 0.02
"""A caller's leaving is looked for after this long: a request that is over by then saves a task."""

T = TypeVar("T")


async def read_body(headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
    """Read the whole body.

    Raises:
        BodyTooLarge: as soon as it is known to be over 4 MiB.
        MalformedBody: when the caller leaves before its end.
    """
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
        raise _too_large()
    pieces: list[bytes] = []
    read_bytes = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise MalformedBody("the body was cut off")
        piece = message.get("body", b"")
        pieces.append(piece)
        read_bytes += len(piece)
        if read_bytes > MAX_BODY_BYTES:
            raise _too_large()
        more = message.get("more_body", False)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def respond(send: Send, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
    """Send a complete answer."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def while_connected(work: Awaitable[T], receive: Receive) -> T | None:
    """Await `work`, once the body was read; if the caller leaves, cancel it and return None.

    A plain ASGI handler is not cancelled by its caller's leaving; the provider's answer would be paid for in vain.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine runs in a task
    watch = _Watch(receive, task)
    try:
        return await work
    except asyncio.CancelledError:
        if not watch.left:
            raise
        task.uncancel()
        return None
    finally:
        watch.end()


class _Watch:
    """Cancels a task when its caller leaves."""

    def __init__(self, receive: Receive, task: "asyncio.Task[object]") -> None:
        self.left = False
        self._receive = receive
        self._task = task
        self._follower: asyncio.Task[None] | None = None
        self._timer = task.get_loop().call_later(GRACE_S, self._begin)

    def end(self) -> None:
        """Stop looking."""
        self._timer.cancel()
        if self._follower:
            self._follower.cancel()

    def _begin(self) -> None:
        self._follower = self._task.get_loop().create_task(self._follow())

    async def _follow(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.left = True
        self._task.cancel()


def _too_large() -> BodyTooLarge:
    return BodyTooLarge(f"the body is over {MAX_BODY_BYTES} bytes")
