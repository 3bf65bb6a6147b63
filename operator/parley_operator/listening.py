"""Servers that share one loop: none of them takes the signals, their owner tells them when to end."""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn


def _is_news(record: logging.LogRecord) -> bool:
    """Tell what uvicorn says from what it gets wrong.

    Its WebSockets (0.54) take an HTTP answer in place of a handshake for no answer at all, and call it an error.
    """
    return "without completing handshake" not in record.getMessage()


class Server(uvicorn.Server):
    """A uvicorn server that leaves the signals alone: two of them in one loop would both want them."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        logging.getLogger("uvicorn.error").addFilter(_is_news)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture nothing."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End every connection.

        Of a WebSocket that its peer is closing at that moment uvicorn 0.54 expects that it can be closed; it raises
        InvalidState then, and tells none of the others. Told that the closing frame is out, it ends it as it should.
        """
        for connection in self.server_state.connections:
            state = getattr(getattr(connection, "conn", None), "state", None)
            if getattr(state, "name", "") in {"CLOSING", "CLOSED"}:
                connection.close_sent = True  # type: ignore[union-attr]
        await super().shutdown(sockets)
