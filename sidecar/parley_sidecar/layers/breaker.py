"""Breaker: leaves a provider alone that failed too often in a row, then sends one request to see whether it is back.

    closed     requests pass; faults in a row are counted
    open       nobody is asked; everybody is told at once
    half-open  one request passes, the probe; its ending closes the breaker or opens it for twice as long

Faults are the provider's own: it cannot be reached, says 5xx, is too slow, or garbles its answer. An answer, a 4xx and
a 429 show that it lives. Our own limit, a deadline that is not the component's, and a caller who leaves say nothing.
It needs no store: each sidecar learns for itself.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import Final

from parley_sidecar.errors import (
    CircuitOpen,
    ParleyError,
    ProviderGarbled,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
    ToolNotCalled,
)
from parley_sidecar.instruments import Value
from parley_sidecar.model import Answer, Converse, ConverseRequest, Reply
from parley_sidecar.settling import Ending, SettledStream

MAX_PAUSE_S: Final = 60.0
"""Doubling ends here: a provider that is back is found within a minute."""
PROBE_S: Final = 1.0
"""What callers are asked to wait while the probe is under way."""
FAULTS: Final = (ProviderUnavailable, ProviderTimeout, ProviderGarbled)
SIGNS_OF_LIFE: Final = (RateLimited, ProviderRefused, ToolNotCalled)


class State(IntEnum):
    """The breaker's state, as the metric shows it."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When it opens, and for how long at first."""

    faults: int
    pause_s: float


class Breaker:
    """The state, and who may pass."""

    def __init__(self, policy: BreakerPolicy, shown: Value, clock: Callable[[], float]) -> None:
        self._policy = policy
        self._shown = shown
        self._clock = clock
        self._faults = 0
        self._pause_s = policy.pause_s
        self._try_at_s = 0.0
        self._probing = False
        self._epoch = 0
        self._become(State.CLOSED)

    def admit(self) -> int:
        """Let a request pass, and return the epoch that `settle` wants; raises CircuitOpen."""
        if self._state is State.CLOSED:
            return self._epoch
        wait_s = self._try_at_s - self._clock()
        if self._state is State.OPEN and wait_s <= 0:
            self._become(State.HALF_OPEN)
        if self._state is State.OPEN or self._probing:
            sentence = "the provider failed too often just now, and is left alone for a moment"
            raise CircuitOpen(sentence, retry_after_s=max(wait_s, PROBE_S))
        self._probing = True
        return self._epoch

    def settle(self, epoch: int, ending: Ending) -> None:
        """Learn from a request's ending; one that began before the last change of state teaches nothing any more."""
        if epoch != self._epoch:
            return
        if isinstance(ending, FAULTS):
            self._count()
        elif ending == "complete" or isinstance(ending, SIGNS_OF_LIFE):
            self._close()
        else:
            self._probing = False

    def _count(self) -> None:
        self._faults += 1
        if self._state is State.HALF_OPEN:
            self._pause_s = min(self._pause_s * 2, max(MAX_PAUSE_S, self._policy.pause_s))
        elif self._faults < self._policy.faults:
            return
        self._try_at_s = self._clock() + self._pause_s
        self._become(State.OPEN)

    def _close(self) -> None:
        self._faults = 0
        self._shown.value = State.CLOSED  # an older version of the component may have written there last
        if self._state is State.HALF_OPEN:
            self._pause_s = self._policy.pause_s
            self._become(State.CLOSED)

    def _become(self, state: State) -> None:
        self._state = state
        self._shown.value = state
        self._probing = False
        self._epoch += 1


class BreakerLayer:
    """Ask the inner one while the breaker lets requests pass."""

    def __init__(
        self, inner: Converse, policy: BreakerPolicy, shown: Value, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._inner = inner
        self._breaker = Breaker(policy, shown, clock)

    async def __call__(self, request: ConverseRequest, /) -> Reply:
        """Ask, and learn from the ending; raises CircuitOpen at once where the provider is left alone.

        A request to an endpoint of its own passes by: that is another provider, whose faults are not this one's.
        """
        if request.overrides.endpoint is not None:
            return await self._inner(request)
        epoch = self._breaker.admit()
        ending: Ending | None = "left"
        try:
            reply = await self._inner(request)
            ending = "complete" if isinstance(reply, Answer) else None
        except ParleyError as error:
            ending = error
            raise
        finally:
            if ending is not None:
                self._breaker.settle(epoch, ending)
        return reply if isinstance(reply, Answer) else SettledStream(reply, partial(self._breaker.settle, epoch))
