"""What a watch has received and nobody has read yet; both stores hand it out."""

import asyncio
from collections import deque
from typing import Final

MAX_UNREAD: Final = 64
"""Beyond it the oldest message is dropped: who is that far behind looks again anyway."""
LOST: Final = b""
"""What a watch reads where messages may have been lost."""


class Mailbox:
    """One subscription's messages, oldest first."""

    def __init__(self) -> None:
        self._messages: deque[bytes] = deque(maxlen=MAX_UNREAD)
        self._arrived = asyncio.Event()

    def put(self, message: bytes) -> None:
        """Deliver a message; an empty one means that some may have been lost."""
        self._messages.append(message)
        self._arrived.set()

    async def next(self, limit_s: float) -> bytes | None:
        """Return the next message, or None after `limit_s` seconds without one."""
        try:
            async with asyncio.timeout(limit_s):
                await self._arrived.wait()
        except TimeoutError:
            return None
        message = self._messages.popleft()
        if not self._messages:
            self._arrived.clear()
        return message
