"""Health: remembers why the provider did not answer last, for the operator, which sums it up in the status.

The outermost of the layers around the provider: what a retry mends is no fault, and what a fallback mends is one. It
needs no store.
"""

from typing import Final

from parley_crds.stream import BREAKER_STATES, ProviderHealth
from parley_sidecar.errors import (
    ParleyError,
    ProviderGarbled,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
)
from parley_sidecar.instruments import Value
from parley_sidecar.model import Answer, Converse, ConverseRequest, Reply
from parley_sidecar.settling import Ending, SettledStream

FAULTS: Final = (ProviderGarbled, ProviderRefused, ProviderTimeout, ProviderUnavailable, RateLimited)
"""The provider's own. Everything else that ends a request says nothing of it."""


class Health:
    """How one component's provider does."""

    def __init__(self, breaker: Value | None = None) -> None:
        """Begin as healthy; `breaker` is where its breaker shows its state, None where it has none."""
        self._breaker = breaker
        self._last_error = ""

    def told(self) -> ProviderHealth:
        """Return it as the operator hears it."""
        state = 0 if self._breaker is None else int(self._breaker.value)
        return ProviderHealth(breaker=BREAKER_STATES[state], last_error=self._last_error)

    def settle(self, ending: Ending) -> None:
        """Learn from a request's ending."""
        if ending == "complete":
            self._last_error = ""
        elif isinstance(ending, FAULTS):
            self._last_error = ending.face.reason


class HealthLayer:
    """Ask the inner one, and remember how that ended."""

    def __init__(self, inner: Converse, health: Health) -> None:
        self._inner = inner
        self._health = health

    async def __call__(self, request: ConverseRequest, /) -> Reply:
        """Ask; a request with a key or an endpoint of its own says nothing of the component's."""
        if request.overrides.key is not None or request.overrides.endpoint is not None:
            return await self._inner(request)
        try:
            reply = await self._inner(request)
        except ParleyError as error:
            self._health.settle(error)
            raise
        if not isinstance(reply, Answer):
            return SettledStream(reply, self._health.settle)
        self._health.settle("complete")
        return reply
