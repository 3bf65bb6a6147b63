"""Observe: time, tokens and outcome of each request; the outermost layer, so that nothing escapes it.

Reads what the layers below wrote into the request's `Trace`. Has nothing to say about the store.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from parley_sidecar.errors import ParleyError
from parley_sidecar.metrics import ComponentMetrics, Outcome
from parley_sidecar.model import Answer, Converse, ConverseRequest, Delta, Reply, Stream


class ObserveLayer:
    """Counts every request of one component once, a stream when it ends."""

    def __init__(
        self, inner: Converse, metrics: ComponentMetrics, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._inner = inner
        self._metrics = metrics
        self._clock = clock

    async def __call__(self, request: ConverseRequest, /) -> Reply:
        """Ask the inner one, and count what became of it."""
        watch = Watch(request, self._metrics, self._clock)
        outcome: Outcome = "internal"
        try:
            reply = await self._inner(request)
            outcome = "ok"
        except ParleyError as error:
            outcome = error.face.reason
            raise
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            if outcome != "ok":
                watch.settle(outcome)
        if not isinstance(reply, Answer):
            return ObservedStream(reply, watch)
        watch.finish(reply)
        return reply


class Watch:
    """One request under observation."""

    __slots__ = ("_clock", "_metrics", "_request", "_settled", "_start_s")

    def __init__(self, request: ConverseRequest, metrics: ComponentMetrics, clock: Callable[[], float]) -> None:
        self._request = request
        self._metrics = metrics
        self._clock = clock
        self._settled = False
        self._start_s = clock()
        metrics.in_flight.value += 1

    def first_delta(self) -> None:
        """Note that the first piece of text is here."""
        self._metrics.first_delta.observe(self._clock() - self._start_s)

    def finish(self, answer: Answer) -> None:
        """Count a complete answer, with its tokens."""
        status = self._request.trace.cache
        if answer.usage:
            self._metrics.count_usage(answer.usage, saved=status is not None and (status.hit or status.collapsed))
        self.settle("ok")

    def settle(self, outcome: Outcome) -> None:
        """Count the request as over; once, however often it is called."""
        if self._settled:
            return
        self._settled = True
        trace = self._request.trace
        if trace.cache:
            self._metrics.count_cache(trace.cache)
        self._metrics.in_flight.value -= 1
        self._metrics.settle(trace.api, outcome, self._clock() - self._start_s, trace.provider_s)


class ObservedStream:
    """A stream that settles its request when it ends, fails or is closed."""

    def __init__(self, inner: Stream, watch: Watch) -> None:
        self._inner = inner
        self._watch = watch

    @property
    def answer(self) -> Answer:
        """The inner stream's."""
        return self._inner.answer

    async def __aiter__(self) -> AsyncIterator[Delta]:
        """Pass the deltas on."""
        outcome: Outcome = "internal"
        waiting = True
        try:
            async for delta in self._inner:
                if waiting:
                    self._watch.first_delta()
                    waiting = False
                yield delta
            outcome = "ok"
        except ParleyError as error:
            outcome = error.face.reason
            raise
        except (asyncio.CancelledError, GeneratorExit):
            outcome = "cancelled"
            raise
        finally:
            if outcome == "ok":
                self._watch.finish(self._inner.answer)
            else:
                self._watch.settle(outcome)

    async def aclose(self) -> None:
        """Close the inner stream; a request that was not read to its end counts as cancelled."""
        self._watch.settle("cancelled")
        await self._inner.aclose()
