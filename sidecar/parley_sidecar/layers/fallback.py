"""Fallback: the next component answers when this one cannot.

Others are asked below their cache, their fallback and all that stands outside of them: nothing is hidden twice, and no
circle of components goes round. It needs no store.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final, Literal

from msgspec.structs import replace

from parley_sidecar.errors import (
    CircuitOpen,
    InvalidComponent,
    InvalidParameters,
    Overloaded,
    ParleyError,
    ProviderGarbled,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
    RetryMayHelp,
    ToolNotCalled,
)
from parley_sidecar.model import Converse, ConverseRequest, Overrides, Reply

logger = logging.getLogger(__name__)

Find = Callable[[str], Converse | None]
"""Look up by name what stands below a component's cache and fallback, now; None where it is not loaded."""
Outcome = Literal["ok", "failed", "missing"]
"""What became of turning to another component."""

NOT_THE_REQUESTS: Final = (
    RateLimited, Overloaded, ProviderTimeout, CircuitOpen, ProviderUnavailable, InvalidComponent, ProviderRefused,
    ProviderGarbled, ToolNotCalled,
)  # fmt: skip
"""Faults that another component may not have: another key, another model, another limit."""


class FallbackLayer:
    """Ask the inner one, then the others in order; raises the last one's error if none can answer."""

    def __init__(
        self, inner: Converse, names: Sequence[str], find: Find, count: Callable[[str, Outcome], None]
    ) -> None:
        self._inner = inner
        self._names = names
        self._find = find
        self._count = count
        self._missed: set[str] = set()

    async def __call__(self, request: ConverseRequest, /) -> Reply:
        """Ask, and note in the trace who answered if it was another."""
        try:
            return await self._inner(request)
        except NOT_THE_REQUESTS as error:
            first = error
        return await self._turn_to_others(request, first)

    async def _turn_to_others(self, request: ConverseRequest, first: ParleyError) -> Reply:
        # What the request replaced belongs to the component that it named: no key or model goes to another one.
        theirs = replace(request, overrides=Overrides())
        request.trace.deadline_is_own = False
        last = first
        for name in self._names:
            other = self._look_up(name)
            if other is None:
                continue
            if _is_too_late(request):
                break
            try:
                reply = await other(theirs)
            except (*NOT_THE_REQUESTS, InvalidParameters) as error:
                self._count(name, "failed")
                # The request was good enough for the component that it named.
                last = last if isinstance(error, InvalidParameters) else error
                continue
            except ParleyError:
                self._count(name, "failed")
                raise
            self._count(name, "ok")
            request.trace.answered_by = name
            return reply
        if last.retry_after_s is None and isinstance(last, RetryMayHelp):
            last.retry_after_s = first.retry_after_s
        raise last

    def _look_up(self, name: str) -> Converse | None:
        """Return another component; one that is not there is told once, until it is."""
        found = self._find(name)
        if found is not None:
            self._missed.discard(name)
            return found
        self._count(name, "missing")
        if name not in self._missed:
            self._missed.add(name)
            logger.warning("fallback is not loaded", extra={"component": name})
        return None


def _is_too_late(request: ConverseRequest) -> bool:
    deadline_s = request.trace.deadline_s
    return deadline_s is not None and asyncio.get_running_loop().time() >= deadline_s
