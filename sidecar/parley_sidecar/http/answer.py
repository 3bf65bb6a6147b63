"""An answer on its way in: what is here of it, and who waits for more. Used by `connection` and `http_client`.

Who is cancelled while he waits has left: the connection ends, for nobody would take the rest.
"""

import asyncio
from typing import Protocol

from parley_sidecar.errors import ParleyError
from parley_sidecar.http.heads import Headers


class Carrier(Protocol):
    """The connection that brings an answer."""

    def close(self) -> None:
        """Bring no more."""

    def resume(self) -> None:
        """Go on, where too much was held."""


class Answer:
    """An answer on its way in."""

    __slots__ = (
        "_carrier", "_waiter", "fault", "headers", "held_bytes", "is_complete", "is_stale", "is_streamed", "pieces",
        "quiet_bytes", "status",
    )  # fmt: skip

    def __init__(self, carrier: Carrier, waiter: asyncio.Future[None], *, is_streamed: bool) -> None:
        self.status = 0
        """0 until the head is here."""
        self.headers: Headers
        self.pieces: list[bytes] = []
        """What is here of the body, and was not taken."""
        self.held_bytes = 0
        self.quiet_bytes = 0
        """What came since the last byte of the body."""
        self.is_streamed = is_streamed
        self.is_complete = False
        self.is_stale = False
        """Whether the other side closed the connection before it could have seen the request."""
        self.fault: ParleyError | None = None
        self._carrier = carrier
        self._waiter = waiter

    @property
    def has_length(self) -> bool:
        """Whether its head says where it ends; else that is where the connection does. Source: RFC 9112 6.3."""
        return "content-length" in self.headers or "transfer-encoding" in self.headers

    async def arrived(self) -> bool:
        """Wait for the whole, or for the head of one that streams; False where the request must be sent once more.

        Raises:
            ParleyError: when there is none.
        """
        await self._news()
        if self.fault is None:
            return True
        if self.is_stale:
            return False
        raise self.fault

    @property
    def body(self) -> bytes:
        """What is here of the body; all of it, where the answer is complete."""
        return self.pieces[0] if len(self.pieces) == 1 else b"".join(self.pieces)

    async def take(self) -> bytes:
        """Wait for more of the body, and return what is here of it: nothing at its end.

        Raises:
            ParleyError: when it is cut off.
        """
        while not self.pieces and not self.is_complete:
            await self.more()
        taken = self.body
        self.pieces.clear()
        self.held_bytes = 0
        if not self.is_complete:  # else its connection carries another one already
            self._carrier.resume()
        return taken

    async def more(self) -> None:
        """Wait for more of the body, or its end.

        Raises:
            ParleyError: when it is cut off.
        """
        if self.fault is None:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._news()
        if self.fault is not None:
            raise self.fault

    def leave(self) -> None:
        """Want no more of it: a connection that still has some to bring is of no use any more."""
        if not self.is_complete:
            self._carrier.close()

    def wake(self) -> None:
        """Tell who waits that there is news."""
        if not self._waiter.done():
            self._waiter.set_result(None)

    async def _news(self) -> None:
        try:
            await self._waiter
        except asyncio.CancelledError:
            self.leave()
            raise
