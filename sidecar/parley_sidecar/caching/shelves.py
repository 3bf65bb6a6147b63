"""Where one request's answer is kept: its key, the tiers that may have it, and in which form it lies there.

Made by the cache layer for each request that it looks up; a claim writes through it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from parley_sidecar import answers
from parley_sidecar.answers import Result
from parley_sidecar.errors import StoreUnavailable
from parley_sidecar.model import Answer, Partition
from parley_sidecar.stores import Stores
from parley_sidecar.stores.protocol import Store

MEMORY_TTL_S: Final = 300.0
"""The longest time that the process's own tier keeps what the shared one has too."""
MAX_KEPT_BYTES: Final = 1024 * 1024
"""The largest answer that is kept: as long as a large chat, and far from what a store is for."""

Skip = Literal["empty", "filtered", "tool_calls", "fallback", "too_large", "lease_lost"]
"""Why an answer was not kept."""
CountSkip = Callable[[Skip], None]


@dataclass(frozen=True, slots=True)
class Shelf:
    """One key's place in the tiers."""

    key: bytes
    memory: Store | None
    """The process's own tier; None for a chat room, whose answers are erased with it."""
    shared: Store | None
    room: Partition | None = field(default=None, repr=False)

    @classmethod
    def of(cls, stores: Stores, key: bytes, room: Partition | None) -> "Shelf":
        """Return the place of a key; a chat room's is in its own part of the store, or nowhere."""
        if room is None:
            return cls(key, stores.memory, stores.shared)
        try:
            shared = stores.rooms().store
        except StoreUnavailable:
            stores.failed("get")
            shared = None
        return cls(room.tag + b"/" + key, None, shared, room)

    def pack(self, result: Result) -> bytes:
        """Return a result as it lies there."""
        packed = answers.pack(result)
        return self.room.seal(packed) if self.room else packed

    def unpack(self, value: bytes) -> Result | None:
        """Return what lies there; None for what cannot be read."""
        packed = self.room.unseal(value) if self.room else value
        return None if packed is None else answers.unpack(packed)

    async def remember(self, value: bytes, ttl_s: float) -> bool:
        """Keep a value in the process, and say whether it may be there."""
        if self.memory is None:
            return False
        await self.memory.set(self.key, value, ttl_s if self.shared is None else min(ttl_s, MEMORY_TTL_S))
        return True


def why_not_kept(answer: Answer, *, tool_calls: bool) -> Skip | None:
    """Return why an answer is for those only who asked for it, if it is; `tool_calls` may be kept where it says so."""
    if any(choice.finish_reason == "content_filter" for choice in answer.choices):
        return "filtered"
    asks = any(choice.tool_calls or choice.finish_reason == "tool_calls" for choice in answer.choices)
    if asks and not tool_calls:
        return "tool_calls"
    said = (choice.text or choice.tool_calls for choice in answer.choices)
    return None if answer.choices and all(said) else "empty"
