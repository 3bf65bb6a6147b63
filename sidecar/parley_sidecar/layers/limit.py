"""Limit: how many calls to the provider this sidecar has open at a time; who finds no slot is told so quickly.

A stream holds its slot until it ends or is closed. It needs no store: the limit is this sidecar's own.
"""

import asyncio
from functools import partial
from typing import Final

from parley_sidecar.errors import Overloaded
from parley_sidecar.instruments import Value
from parley_sidecar.model import Answer, Converse, ConverseRequest, Reply
from parley_sidecar.settling import Ending, SettledStream

WAIT_S: Final = 0.1
"""How long a request waits for a slot: evens out a burst, and is short beside any model's answer."""
RETRY_AFTER_S: Final = 1.0
"""What a refused caller is asked to wait; Retry-After has whole seconds."""


class LimitLayer:
    """Let `slots` calls through at a time, and as many wait for a moment; refuse the rest."""

    def __init__(self, inner: Converse, slots: int, rejected: Value) -> None:
        self._inner = inner
        self._slots = slots
        self._free = slots
        self._queue: dict[asyncio.Future[bool], None] = {}
        """Who waits, in order of arrival: a dict, because any of them may leave."""
        self._rejected = rejected

    async def __call__(self, request: ConverseRequest, /) -> Reply:
        """Ask the inner one with a slot; raises Overloaded when there is none."""
        if self._free:
            self._free -= 1
        else:
            await self._turn()
        reply: Reply | None = None
        try:
            reply = await self._inner(request)
        finally:
            if reply is None or isinstance(reply, Answer):
                self._give_back()
        return reply if isinstance(reply, Answer) else SettledStream(reply, self._settle)

    async def _turn(self) -> None:
        """Wait for a slot that somebody gives back."""
        if len(self._queue) >= self._slots:
            raise self._refusal()
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._queue[turn] = None
        timer = loop.call_later(WAIT_S, partial(_answer, turn, given=False))
        try:
            given = await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result():
                self._give_back()  # it was given just now, to somebody who is leaving
            raise
        finally:
            timer.cancel()
            self._queue.pop(turn, None)
        if not given:
            raise self._refusal()

    def _give_back(self) -> None:
        """Pass a slot on to who waited longest, or keep it."""
        for turn in self._queue:
            if _answer(turn, given=True):
                del self._queue[turn]
                return
        self._free += 1

    def _settle(self, _: Ending) -> None:
        self._give_back()

    def _refusal(self) -> Overloaded:
        self._rejected.add()
        sentence = f"{self._slots} requests to the provider are open already, as many as this component may have"
        return Overloaded(sentence, retry_after_s=RETRY_AFTER_S)


def _answer(turn: asyncio.Future[bool], *, given: bool) -> bool:
    """Tell one who waits; returns whether it still did."""
    if turn.done():
        return False
    turn.set_result(given)
    return True
