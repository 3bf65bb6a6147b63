"""uvicorn's HTTP protocol with a limit on a request's head, and with a response's head and body in one write."""

import re
from typing import Any, Final

from starlette.types import Message
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

MAX_HEAD_BYTES: Final = 32 * 1024
"""The request line and all headers. Eight times Dapr's default (dapr.io/read-buffer-size), for long bearer tokens."""
_TOO_LARGE: Final = b"".join(
    (
        STATUS_LINE[431],
        b"content-type: text/plain\r\ncontent-length: 21\r\nconnection: close\r\n\r\nthe head is too large",
    )
)
_UNCOMMON: Final = re.compile(rb"[^\t\r\n\x20-\x7e\x80-\xff]|\r\n(?:connection|transfer-encoding):", re.IGNORECASE)
"""What must not be in a header, and headers that say how a message ends: uvicorn's to judge."""


class Sender:
    """An ASGI `send` that holds the head of a response until its body begins, and writes a whole response at once.

    uvloop sends what is written at once, so that a short answer would take two system calls and its caller two reads: a
    tenth of a request's cost. ASGI wants the head sent no earlier than that. Source: its HTTP page, "Response Start".
    Everything that is not whole is uvicorn's.
    """

    __slots__ = ("_cycle", "_start")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle: Any = cycle  # its types of messages are uvicorn's own
        self._start: Message | None = None

    async def __call__(self, message: Message) -> None:
        """Take the next of an app's messages."""
        if self._start is None and message["type"] == "http.response.start" and not self._cycle.response_started:
            self._start = message
            return
        start, self._start = self._start, None
        if start is not None:
            if self._write(start, message):
                return
            await self._cycle.send(start)
        await self._cycle.send(message)

    def _write(self, start: Message, message: Message) -> bool:
        """Write a response that is whole and tells its length, unless something about it is uncommon; say whether."""
        cycle, body = self._cycle, message.get("body", b"")
        if message.get("more_body") or not cycle.keep_alive or cycle.disconnected or cycle.flow.write_paused:
            return False
        lines = [b"%b: %b\r\n" % header for header in (*cycle.default_headers, *start["headers"])]
        head = b"".join((STATUS_LINE[start["status"]], *lines))
        has_length = b"\r\ncontent-length: %d\r\n" % len(body) in head and cycle.scope["method"] != "HEAD"
        if not has_length or not len(lines) + 1 == head.count(b"\n") == head.count(b"\r") or _UNCOMMON.search(head):
            return False
        cycle.response_started = cycle.response_complete = True
        cycle.transport.write(b"".join((head, b"\r\n", body)))
        cycle.message_event.set()
        cycle.on_response()
        return True


class HttpProtocol(HttpToolsProtocol):
    """One connection. A head that is too large is answered with 431, and the connection closed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._read_bytes = 0
        """What was read since the head began: its size at most, since a body may be in it too."""
        self._is_in_head = True

    def data_received(self, data: bytes) -> None:
        """Parse, and refuse a head that does not end."""
        self._read_bytes += len(data)
        super().data_received(data)
        if self._is_in_head and self._read_bytes > MAX_HEAD_BYTES:
            self._refuse()

    def on_headers_complete(self) -> None:
        """Start the request, unless its head was too large; measured only where it can have been."""
        self._is_in_head = False
        if self._read_bytes > MAX_HEAD_BYTES and self._head_bytes() > MAX_HEAD_BYTES:
            self._refuse()
            raise ValueError("the head is too large")  # ends the parsing
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Expect the next head."""
        self._is_in_head, self._read_bytes = True, 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, unless the connection was refused already."""
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        super()._start_asgi_task(cycle, lambda scope, receive, _: app(scope, receive, Sender(cycle)))

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _refuse(self) -> None:
        self.transport.write(_TOO_LARGE)
        self.transport.close()
