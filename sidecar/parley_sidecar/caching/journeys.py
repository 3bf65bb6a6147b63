"""Journeys: how a flight gets its reply where processes share a store, and what becomes of the answer.

The cache layer makes one for each flight, and keeps answers that nobody waits for with the same `Keeper`.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from parley_sidecar.answers import Entry, Passed, failed
from parley_sidecar.caching.claims import Claim
from parley_sidecar.caching.flights import Ending
from parley_sidecar.caching.shelves import MAX_KEPT_BYTES, CountSkip, Shelf, Skip, why_not_kept
from parley_sidecar.errors import ParleyError
from parley_sidecar.model import Answer, CachePolicy, CacheStatus, Converse, ConverseRequest, Reply, Trace
from parley_sidecar.stores import Stores

COLLAPSED: Final = CacheStatus(hit=False, collapsed=True)


class Errand(Struct, frozen=True):
    """One request at the cache, and what it may do there."""

    shelf: Shelf
    policy: CachePolicy
    ttl_s: float
    give_up_s: float
    """When it goes on without the shared store, on the loop's clock."""

    def left_s(self) -> float:
        """Return how long the store may still take."""
        return max(0.0, self.give_up_s - asyncio.get_running_loop().time())


class Found(Struct, frozen=True):
    """An answer of the cache, and what to say about it."""

    answer: Answer
    status: CacheStatus


@dataclass(frozen=True, slots=True)
class Parcel:
    """What the shared store gets of an answer: the bytes, and for how many seconds; 0 is for those who wait now."""

    value: bytes | None
    keep_s: float = 0.0


class Keeper:
    """Decides what is kept of one component's answers, and keeps it."""

    def __init__(self, stores: Stores, count_skip: CountSkip, *, tool_calls: bool) -> None:
        """Keep what is good for others too; `tool_calls` says whether wishes to have tools called are."""
        self.stores = stores
        self._count_skip = count_skip
        self._tool_calls = tool_calls

    def claim(self, shelf: Shelf) -> Claim | None:
        """Return a claim on the shelf's place in the shared store, if there is one."""
        return Claim(self.stores, shelf.shared, shelf.key, self._count_skip) if shelf.shared else None

    async def keep(self, errand: Errand, trace: Trace, answer: Answer) -> Parcel:
        """Keep a good answer in the process, note that in the trace, and return what the shared store is to have."""
        shelf, now_s = errand.shelf, self.stores.clock()
        skip: Skip | None = "fallback" if trace.answered_by else why_not_kept(answer, tool_calls=self._tool_calls)
        result = Passed(answer, trace.answered_by) if skip else Entry(now_s, now_s + errand.ttl_s, answer)
        value = shelf.pack(result)
        if len(value) > MAX_KEPT_BYTES:
            self._count_skip("too_large")
            return Parcel(None)
        if skip:
            self._count_skip(skip)
            return Parcel(value)
        is_stored = await shelf.remember(value, errand.ttl_s) or shelf.shared is not None
        if trace.cache:
            trace.cache = replace(trace.cache, stored=is_stored)
        return Parcel(value, errand.ttl_s)

    async def replace(self, errand: Errand, trace: Trace, answer: Answer) -> None:
        """Keep an answer that nobody waits for, in place of what is there."""
        parcel = await self.keep(errand, trace, answer)
        if claim := self.claim(errand.shelf):
            claim.end(parcel.value, parcel.keep_s)


class SharedJourney:
    """One flight's way, in step with the other processes."""

    def __init__(self, inner: Converse, keeper: Keeper, errand: Errand) -> None:
        self._inner = inner
        self._keeper = keeper
        self._errand = errand
        self._claim = keeper.claim(errand.shelf)
        self._is_others = False
        """Whether the answer comes from another process, which keeps it."""

    async def fly(self, request: ConverseRequest) -> Reply:
        """Return what another process's flight ended with, else ask the inner one."""
        stale = request.trace.cache is not None and request.trace.cache.forward == "stale"
        if self._claim and not stale:  # what is too old for this one would be what the store returns
            found = await self._settled(self._claim, request.trace)
            if found is not None:
                self._is_others = True
                return found
        return await self._inner(request)

    def outgrow(self) -> None:
        """Give the lease back: those who wait elsewhere do better to ask for themselves."""
        if self._claim:
            self._claim.end()

    async def land(self, trace: Trace, ending: Ending) -> None:
        """Keep the answer, and tell those who wait in other processes what they may know."""
        parcel = Parcel(None)
        if isinstance(ending, Answer) and not self._is_others:
            parcel = await self._keeper.keep(self._errand, trace, ending)
        elif isinstance(ending, ParleyError) and (fault := failed(ending)):
            parcel = Parcel(self._errand.shelf.pack(fault))
        if self._claim:
            self._claim.end(parcel.value, parcel.keep_s)

    async def _settled(self, claim: Claim, trace: Trace) -> Answer | None:
        """Return the answer that is there, or that another process's flight brought; raises that flight's error."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        value = await claim.settle(self._errand.left_s())
        if claim.has_waited:
            trace.provider_s += loop.time() - began_s
        result = self._errand.shelf.unpack(value) if value is not None else None
        if isinstance(result, Entry):
            return await self._kept(claim, trace, value or b"", result)
        if isinstance(result, Passed):
            trace.cache, trace.answered_by = COLLAPSED, result.answered_by
            return result.answer
        if result and (error := result.error()):
            trace.cache = COLLAPSED
            raise error
        return None

    async def _kept(self, claim: Claim, trace: Trace, value: bytes, entry: Entry) -> Answer:
        shelf = self._errand.shelf
        left_s = max(0.0, entry.expires_at_s - self._keeper.stores.clock())
        await shelf.remember(value, left_s)
        tier = shelf.shared.tier if shelf.shared else None
        hit = CacheStatus(hit=True, tier=tier, ttl_s=int(left_s))
        trace.cache = COLLAPSED if claim.has_waited else hit
        return entry.answer
