"""Timeout: the component's limit for the whole request, and the time that the provider took.

The innermost layer, so what it measures is the provider. It needs no store.
"""

import asyncio
import time
from collections.abc import AsyncIterator

from parley_sidecar.errors import ProviderTimeout
from parley_sidecar.model import Answer, Converse, ConverseRequest, Delta, Reply, Stream, Trace


class TimeoutLayer:
    """Bound the inner `Converse`, and for a stream everything up to its last delta, by `limit_s` seconds."""

    def __init__(self, inner: Converse, limit_s: float) -> None:
        self.inner = inner
        self.limit_s = limit_s

    async def __call__(self, request: ConverseRequest, /) -> Reply:
        """Ask the inner one; raises ProviderTimeout when the time is over."""
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self.limit_s):
                reply = await self.inner(request)
        except TimeoutError as error:
            raise _too_late(self.limit_s) from error
        finally:
            request.trace.provider_s += time.perf_counter() - began
        return reply if isinstance(reply, Answer) else _Bounded(reply, self.limit_s, began, request.trace)


class _Bounded:
    """A stream that ends with ProviderTimeout when its time is over."""

    def __init__(self, inner: Stream, limit_s: float, began: float, trace: Trace) -> None:
        self.inner = inner
        self._limit_s = limit_s
        self._began = began
        self._trace = trace

    @property
    def answer(self) -> Answer:
        """The whole answer, after the last delta."""
        return self.inner.answer

    async def __aiter__(self) -> AsyncIterator[Delta]:
        """Pass the deltas on; the wait for each counts as the provider's time."""
        deltas = aiter(self.inner)
        while True:
            asked = time.perf_counter()
            try:
                async with asyncio.timeout(max(0.0, self._began + self._limit_s - asked)):
                    delta = await anext(deltas, None)
            except TimeoutError as error:
                raise _too_late(self._limit_s) from error
            finally:
                self._trace.provider_s += time.perf_counter() - asked
            if delta is None:
                return
            yield delta

    async def aclose(self) -> None:
        """Close the inner stream."""
        await self.inner.aclose()


def _too_late(limit_s: float) -> ProviderTimeout:
    return ProviderTimeout(f"no answer within {limit_s:g} s")
