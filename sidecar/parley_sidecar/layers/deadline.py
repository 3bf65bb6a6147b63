"""Deadline: the time for the whole request, all attempts and fallbacks together, for a stream up to its last delta.

Writes the deadline into the trace, so that the layers within plan by it, and is the backstop behind them: it also ends
a stream that nobody reads any more, which would hold its slot and its connection for ever. It needs no store.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

from parley_sidecar.alarms import Alarm, TimesUp
from parley_sidecar.edges import survived
from parley_sidecar.errors import DeadlinePassed, ParleyError, ProviderTimeout
from parley_sidecar.model import Answer, Converse, ConverseRequest, Delta, Reply, Stream

GRACE_S: Final = 0.1
"""From the deadline to the backstop: the attempt within speaks first, for the breaker must hear what happened."""


class DeadlineLayer:
    """Bound the inner `Converse` by `limit_s` seconds, or by the caller's own deadline if that is earlier."""

    def __init__(self, inner: Converse, limit_s: float) -> None:
        self._inner = inner
        self._limit_s = limit_s

    async def __call__(self, request: ConverseRequest, /) -> Reply:
        """Ask the inner one.

        Raises:
            ProviderTimeout: when the component's time is over.
            DeadlinePassed: when the time that the caller gave is.
        """
        loop, trace = asyncio.get_running_loop(), request.trace
        now_s = loop.time()
        deadline_s, too_late = now_s + self._limit_s, self._too_late
        if trace.deadline_s is not None and trace.deadline_s <= deadline_s:
            deadline_s, too_late = trace.deadline_s, self._too_late if trace.deadline_is_own else _passed
            if deadline_s <= now_s:
                raise too_late()
        else:
            trace.deadline_s, trace.deadline_is_own = deadline_s, True
        alarm = Alarm(loop, deadline_s + GRACE_S)
        try:
            with alarm:
                reply = await self._inner(request)
        except TimesUp:
            raise too_late() from None
        if isinstance(reply, Answer):
            alarm.stop()
            return reply
        return BoundedStream(reply, alarm, too_late)

    def _too_late(self) -> ParleyError:
        return ProviderTimeout(f"no answer within {self._limit_s:g} s")


class BoundedStream:
    """A stream that ends when its time is over: with an error for who reads it, in silence if nobody does."""

    def __init__(self, inner: Stream, alarm: Alarm, too_late: Callable[[], ParleyError]) -> None:
        self._inner = inner
        self._alarm = alarm
        self._too_late = too_late
        self._closing: asyncio.Task[bool] | None = None
        alarm.unattended = self._close

    @property
    def answer(self) -> Answer:
        """The inner stream's."""
        return self._inner.answer

    async def __aiter__(self) -> AsyncIterator[Delta]:
        """Pass the deltas on."""
        deltas = aiter(self._inner)
        while True:
            if self._closing:
                raise self._too_late()
            try:
                with self._alarm:
                    delta = await anext(deltas, None)
            except TimesUp:
                raise self._too_late() from None
            if delta is None:
                self._alarm.stop()
                return
            yield delta

    async def aclose(self) -> None:
        """Close the inner stream."""
        self._alarm.stop()
        if self._closing:
            await self._closing
        else:
            await self._inner.aclose()

    def _close(self) -> None:
        closing = survived(self._inner.aclose(), "stream could not be closed")
        self._closing = asyncio.get_running_loop().create_task(closing)


def _passed() -> ParleyError:
    return DeadlinePassed("the time that the caller gave is over")
