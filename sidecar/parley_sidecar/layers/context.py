"""Context: the stored history of a chat room goes before the new messages, and the turn is stored with its answer.

Between `scrub`, so that what is stored holds tokens, and `cache`, so that a hit is a turn too. A request without a
context id passes untouched. When the store cannot be reached the request fails: a conversation is not forgotten in
silence.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from parley_sidecar.errors import DeadlinePassed, RoomBusy
from parley_sidecar.model import Answer, Converse, ConverseRequest, Delta, Reply, Stream, Trace
from parley_sidecar.rooms import ComponentRooms, Turn

GRACE_S: Final = 5.0
"""How long a turn is held beyond the time of its request: for storing it, and for who never closes a stream."""


@dataclass(frozen=True, slots=True)
class Waits:
    """How long a request may take, in seconds."""

    turn_s: float
    """Until the turns before it are over."""
    whole_s: float
    """Until its answer is whole, that wait included."""


class ContextLayer:
    """Ask the inner `Converse` with the history; turns of a room are one after the other."""

    def __init__(self, inner: Converse, rooms: ComponentRooms, waits: Waits) -> None:
        self._inner = inner
        self._rooms = rooms
        self._waits = waits

    def __call__(self, request: ConverseRequest, /) -> Coroutine[Any, Any, Reply]:
        """Answer `request`, and store the turn before the reply is over.

        Raises:
            RoomBusy: when other turns took too long.
            RoomLost: when the room was erased meanwhile.
            StoreUnavailable: when the room cannot be read, or the turn not be stored.
        """
        return self._inner(request) if request.context_id is None else self._in_room(request.context_id, request)

    async def _in_room(self, context_id: str, request: ConverseRequest) -> Reply:
        turn = await self._begun(context_id, request.trace)
        is_streaming = False
        try:
            sent = turn.request(request)
            reply = await self._inner(sent)
            if not isinstance(reply, Answer):
                is_streaming = True
                return RoomStream(reply, turn, request, sent)
            await turn.append(request, sent, reply)
            return reply
        finally:
            if not is_streaming:
                turn.release()

    async def _begun(self, context_id: str, trace: Trace) -> Turn:
        """Wait for the room's turn; the time for the whole request runs already."""
        now_s = asyncio.get_running_loop().time()
        own_s = now_s + self._waits.whole_s
        if trace.deadline_s is None or own_s < trace.deadline_s:
            trace.deadline_s, trace.deadline_is_own = own_s, True
        left_s = trace.deadline_s - now_s
        try:
            return await self._rooms.room(context_id).begin(min(self._waits.turn_s, left_s), left_s + GRACE_S)
        except RoomBusy:
            if left_s < self._waits.turn_s:
                raise DeadlinePassed("the time that the caller gave is over") from None
            raise


class RoomStream:
    """A stream that is stored as a turn once it was read to its end, before it ends; one that breaks is not."""

    def __init__(self, inner: Stream, turn: Turn, asked: ConverseRequest, sent: ConverseRequest) -> None:
        self._inner = inner
        self._turn = turn
        self._asked = asked
        self._sent = sent

    @property
    def answer(self) -> Answer:
        """The inner stream's."""
        return self._inner.answer

    async def __aiter__(self) -> AsyncIterator[Delta]:
        """Pass the deltas on."""
        try:
            async for delta in self._inner:
                yield delta
            await self._turn.append(self._asked, self._sent, self._inner.answer)
        finally:
            self._turn.release()

    async def aclose(self) -> None:
        """Close the inner stream; a turn that was not read to its end is not stored."""
        self._turn.release()
        await self._inner.aclose()
