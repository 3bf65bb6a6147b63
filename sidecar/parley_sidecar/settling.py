"""How a call ended, for the layers that must know: the breaker its verdict, the limit that a slot is free."""

from collections.abc import AsyncIterator, Callable
from typing import Literal

from parley_sidecar.errors import ParleyError
from parley_sidecar.model import Answer, Delta, Stream

Ending = ParleyError | Literal["complete", "left"]
"""A call's fault, or whether it ran to its end; `left` was cancelled, closed early, or met a fault of our own."""


class SettledStream:
    """A stream that tells `settle` once how it ended."""

    def __init__(self, inner: Stream, settle: Callable[[Ending], None]) -> None:
        self._inner = inner
        self._settle: Callable[[Ending], None] | None = settle

    @property
    def answer(self) -> Answer:
        """The inner stream's."""
        return self._inner.answer

    async def __aiter__(self) -> AsyncIterator[Delta]:
        """Pass the deltas on."""
        ending: Ending = "left"
        try:
            async for delta in self._inner:
                yield delta
            ending = "complete"
        except ParleyError as error:
            ending = error
            raise
        finally:
            self._settled(ending)

    async def aclose(self) -> None:
        """Close the inner stream; one that was not read to its end was left."""
        try:
            await self._inner.aclose()
        finally:
            self._settled("left")

    def _settled(self, ending: Ending) -> None:
        settle, self._settle = self._settle, None
        if settle is not None:
            settle(ending)
