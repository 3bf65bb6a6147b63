"""One HTTP exchange at ASGI's level: its body, its answer, and a caller who leaves before it.

Used by the converse routes, which do without Starlette's Request and Response for their speed.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Iterable, Mapping
from typing import Final, TypeVar

from starlette.types import Receive, Send

from parley_sidecar.alarms import Bells
from parley_sidecar.errors import BodyTooLarge, MalformedBody

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
"""The largest body. Source: Dapr's default (dapr.io/max-body-size)."""
MAX_DISCARDED_BYTES: Final = 32 * 1024 * 1024
"""How much of a body that is too large is read all the same: a caller still sending would never see our answer."""
DISCARD_S: Final = 5.0
GRACE_S: Final = 0.02
"""A caller's leaving is looked for after this long: a request that is over by then saves a task."""
QUIET_S: Final = 15.0
"""After so long without an event a comment is sent, so that no proxy takes the stream for dead."""
_EVENTS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)
_COMMENT: Final = b":\n\n"

T = TypeVar("T")

_watches: Final = Bells()


async def read_body(headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
    """Read the whole body.

    Raises:
        BodyTooLarge: when it is over 4 MiB; at once if the caller waits to be told so.
        MalformedBody: when the caller leaves before its end.
    """
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
        if b"expect" not in headers:
            await _discard(receive, 0)
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
        more = message.get("more_body", False)
        if read_bytes > MAX_BODY_BYTES:
            if more:
                await _discard(receive, read_bytes)
            raise _too_large()
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def respond(send: Send, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
    """Send a complete answer."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def respond_events(
    receive: Receive,
    send: Send,
    headers: Iterable[tuple[bytes, bytes]],
    frames: AsyncGenerator[bytes, None],
    *,
    quiet_s: float = QUIET_S,
) -> None:
    """Send a stream of server-sent events, once the body was read; the head goes out with the first frame.

    Sending waits while the caller reads more slowly than frames come. When the caller leaves, the generator is closed.
    """
    await while_connected(_send_events(_Pulse(send, quiet_s), [*_EVENTS, *headers], frames), receive)


async def _send_events(
    pulse: "_Pulse", headers: list[tuple[bytes, bytes]], frames: AsyncGenerator[bytes, None]
) -> None:
    send = pulse.send
    started = False
    try:
        async for frame in frames:
            if not started:
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                started = True
                pulse.begin()
            if frame:
                pulse.beat()
                await send({"type": "http.response.body", "body": frame, "more_body": True})
    finally:
        pulse.end()
        await frames.aclose()
    await send({"type": "http.response.body", "body": b""})


class _Pulse:
    """Sends a comment whenever nothing else was sent for a while."""

    def __init__(self, send: Send, quiet_s: float) -> None:
        self.send = send
        self._quiet_s = quiet_s
        self._clock = asyncio.get_running_loop().time
        self._last_s = self._clock()
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Begin, once the head was sent."""
        self._task = asyncio.create_task(self._run())

    def beat(self) -> None:
        """Note that something is being sent."""
        self._last_s = self._clock()

    def end(self) -> None:
        """Stop."""
        if self._task:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(max(0.0, self._last_s + self._quiet_s - self._clock()))
            if self._clock() - self._last_s >= self._quiet_s:
                self.beat()
                await self.send({"type": "http.response.body", "body": _COMMENT, "more_body": True})


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

    __slots__ = ("_bell", "_follower", "_receive", "_task", "at_s", "left")

    def __init__(self, receive: Receive, task: "asyncio.Task[object]") -> None:
        loop = task.get_loop()
        self.left = False
        self.at_s = loop.time() + GRACE_S
        self._receive = receive
        self._task = task
        self._follower: asyncio.Task[None] | None = None
        self._bell = _watches.of(loop)
        self._bell.set(self)

    def end(self) -> None:
        """Stop looking."""
        self._bell.stop(self)
        if self._follower:
            self._follower.cancel()

    def ring(self) -> None:
        """Begin to look."""
        self._follower = self._task.get_loop().create_task(self._follow())

    async def _follow(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.left = True
        self._task.cancel()


async def _discard(receive: Receive, read_bytes: int) -> None:
    """Read the rest of a body and forget it, up to a limit of bytes and of time."""
    more = True
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_S):
            while more and read_bytes < MAX_DISCARDED_BYTES:
                message = await receive()
                read_bytes += len(message.get("body", b""))
                more = message.get("more_body", False)


def _too_large() -> BodyTooLarge:
    return BodyTooLarge(f"the body is over {MAX_BODY_BYTES} bytes")
