"""uvicorn's HTTP protocol with a limit on what comes before a body: httptools itself has none."""

from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

MAX_HEAD_BYTES: Final = 32 * 1024
"""The request line and all headers. Eight times Dapr's default (dapr.io/read-buffer-size), for long bearer tokens."""
_TOO_LARGE: Final = b"".join(
    (
        STATUS_LINE[431],
        b"content-type: text/plain\r\ncontent-length: 21\r\nconnection: close\r\n\r\nthe head is too large",
    )
)


class BoundedHead(HttpToolsProtocol):
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

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _refuse(self) -> None:
        self.transport.write(_TOO_LARGE)
        self.transport.close()
