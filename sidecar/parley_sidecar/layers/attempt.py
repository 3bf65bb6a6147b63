"""Attempt: the limits on one call to the provider, and the time that it took.

The innermost layer, so what it measures is the provider. Its ProviderTimeout is the provider's fault, and is seen by
the breaker and the retry around it. It needs no store.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from types import TracebackType

from parley_sidecar.alarms import Alarm, TimesUp
from parley_sidecar.errors import DeadlinePassed, ParleyError, ProviderTimeout
from parley_sidecar.model import Answer, Converse, ConverseRequest, Delta, Reply, Stream, Trace


@dataclass(frozen=True, slots=True)
class AttemptLimits:
    """How long a provider may be silent, in seconds; the request's deadline ends both."""

    first_s: float
    """Until the answer, or the first event of a stream."""
    idle_s: float | None = None
    """Between two events of a stream; None leaves it to the deadline."""


class AttemptLayer:
    """Call the provider once, within limits."""

    def __init__(
        self, inner: Converse, limits: AttemptLimits, stopwatch: Callable[[], float] = time.perf_counter
    ) -> None:
        self._inner = inner
        self._limits = limits
        self._stopwatch = stopwatch

    async def __call__(self, request: ConverseRequest, /) -> Reply:
        """Ask the inner one, and add to the trace how long it took.

        Raises:
            ProviderTimeout: when a limit of the component is over.
            DeadlinePassed: when a deadline is that the component did not set; the provider is not to blame.
        """
        wait = Wait(request.trace, self._limits, self._stopwatch)
        with wait:
            reply = await self._inner(request)
        if isinstance(reply, Answer):
            wait.stop()
            return reply
        return AttemptedStream(reply, wait)


class Wait(Alarm):
    """The waits for the provider in one attempt, each a `with` block; bounded, and their time added up in the trace."""

    __slots__ = ("_began", "_deadline_s", "_idle_s", "_limit_s", "_next_s", "_stopwatch", "_trace")

    def __init__(self, trace: Trace, limits: AttemptLimits, stopwatch: Callable[[], float]) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(loop)
        # Where nobody set a deadline, what the first event may take is enough for all of them.
        self._deadline_s = loop.time() + limits.first_s if trace.deadline_s is None else trace.deadline_s
        self._trace = trace
        self._next_s: float | None = limits.first_s
        self._idle_s = limits.idle_s
        self._stopwatch = stopwatch
        self._limit_s: float | None = None
        self._began = 0.0

    def __enter__(self) -> None:
        now_s = self._loop.time()
        left_s = self._deadline_s - now_s
        if left_s <= 0:
            self.stop()
            raise DeadlinePassed("the time for this request is over")
        limit_s, self._next_s = self._next_s, self._idle_s
        self._limit_s = None if limit_s is None or left_s <= limit_s else limit_s
        self.move(self._deadline_s if self._limit_s is None else now_s + self._limit_s)
        self._began = self._stopwatch()
        super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._trace.provider_s += self._stopwatch() - self._began
        try:
            super().__exit__(kind, error, trace)
        except TimesUp:
            raise self._fault() from None

    def _fault(self) -> ParleyError:
        if self._limit_s is not None:
            return ProviderTimeout(f"the provider was silent for {self._limit_s:g} s")
        if self._trace.deadline_is_own:
            return ProviderTimeout("no answer within the component's timeout")
        return DeadlinePassed("the time for this request is over")


class AttemptedStream:
    """A stream whose every event must come in time."""

    def __init__(self, inner: Stream, wait: Wait) -> None:
        self._inner = inner
        self._wait = wait

    @property
    def answer(self) -> Answer:
        """The inner stream's."""
        return self._inner.answer

    async def __aiter__(self) -> AsyncIterator[Delta]:
        """Pass the deltas on."""
        deltas = aiter(self._inner)
        while True:
            with self._wait:
                delta = await anext(deltas, None)
            if delta is None:
                self._wait.stop()
                return
            yield delta

    async def aclose(self) -> None:
        """Close the inner stream."""
        self._wait.stop()
        await self._inner.aclose()
