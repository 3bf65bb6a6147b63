"""Servers that share one loop: none of them takes the signals, their owner tells them when to end."""

from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn


class Server(uvicorn.Server):
    """A uvicorn server that leaves the signals alone: two of them in one loop would both want them."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture nothing."""
        yield
