"""Retry: asks the provider again where that can help, before the first byte only.

A stream comes back after its first event, so what fails later is not asked again. Faults are told apart by whether the
same request may succeed in a moment, and whether it was paid for: an answer that is garbled was made in full, and is
not bought twice. It needs no store.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from parley_sidecar.errors import ParleyError, ProviderTimeout, ProviderUnavailable, RateLimited, Reason
from parley_sidecar.model import Converse, ConverseRequest, Reply

BASE_S: Final = 0.5
"""The longest first wait; it doubles with each attempt. Source: the first delay of OpenAI's SDKs."""
WORTH_IT: Final = (RateLimited, ProviderUnavailable, ProviderTimeout)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, and how patiently."""

    retries: int
    """Attempts after the first."""
    max_wait_s: float
    """The longest wait before an attempt. A provider that asks for more is not waited for: its error, and how long it
    asked for, are the caller's to know."""


def _now_s() -> float:
    return asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True)
class Pace:
    """Time and chance."""

    clock: Callable[[], float] = _now_s
    """The clock of deadlines: the loop's."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random
    """A number from 0 to 1."""


class RetryLayer:
    """Ask again after a wait with full jitter. Source: "Exponential Backoff And Jitter", AWS Architecture Blog."""

    def __init__(self, inner: Converse, policy: RetryPolicy, count: Callable[[Reason], None], pace: Pace) -> None:
        self._inner = inner
        self._policy = policy
        self._count = count
        self._pace = pace

    async def __call__(self, request: ConverseRequest, /) -> Reply:
        """Ask the inner one, several times if need be; raises what the last attempt raised."""
        for earlier in range(self._policy.retries):
            try:
                return await self._inner(request)
            except WORTH_IT as error:
                wait_s = self._wait_s(error, earlier)
                if wait_s is None or self._too_late(request, wait_s):
                    raise
                self._count(error.face.reason)
            await self._pace.sleep(wait_s)
        return await self._inner(request)

    def _wait_s(self, error: ParleyError, earlier: int) -> float | None:
        """Return the wait before the next attempt, or None where the provider wants a longer one than we have."""
        asked_s = error.retry_after_s or 0.0
        if asked_s > self._policy.max_wait_s:
            return None
        doubled_s: float = BASE_S * 2**earlier
        return asked_s + self._pace.chance() * min(doubled_s, self._policy.max_wait_s - asked_s)

    def _too_late(self, request: ConverseRequest, wait_s: float) -> bool:
        deadline_s = request.trace.deadline_s
        return deadline_s is not None and self._pace.clock() + wait_s >= deadline_s
