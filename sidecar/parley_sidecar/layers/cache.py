"""Cache: equal requests are answered from the process's memory, or from the store that all sidecars share.

Those that are under way at the same time share one call to the provider, over all sidecars: `caching` has the parts.
When the shared store is gone the cache falls open: the failure is counted, the provider is asked, and requests of this
process still fly together. Answers are kept after the reply has gone out; those of a fallback are not.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from parley_crds import durations
from parley_crds.component import Component
from parley_sidecar import answers
from parley_sidecar.answers import Entry
from parley_sidecar.caching import Caching
from parley_sidecar.caching.journeys import Errand, Found, Keeper, SharedJourney
from parley_sidecar.caching.shelves import CountSkip, Shelf
from parley_sidecar.errors import StoreUnavailable
from parley_sidecar.identity import Identity
from parley_sidecar.model import (
    Answer,
    CachePolicy,
    CacheStatus,
    Converse,
    ConverseRequest,
    Delta,
    Forwarded,
    Reply,
    Stream,
)
from parley_sidecar.stores.protocol import Store


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long a component's answers are kept, in seconds; 0 keeps none."""

    usual_s: float
    most_s: float
    """The longest that a request's cacheTTL may ask for."""

    @classmethod
    def of(cls, component: Component) -> "Lifetime":
        """Read it from a component."""
        ttl = component.cache.ttl
        return cls(durations.seconds(ttl) if ttl is not None else 0.0, durations.seconds(component.cache.max_ttl))

    def for_request(self, policy: CachePolicy) -> float:
        """Return what holds for one request: its own wish, clamped, or the component's."""
        return self.usual_s if policy.ttl_s is None else min(policy.ttl_s, self.most_s)


class CacheLayer:
    """Answer from the tiers, or ask the inner `Converse` together with all who ask the same, and keep what it says."""

    def __init__(
        self, inner: Converse, component: Component, caching: Caching, app_id: str, count_skip: CountSkip
    ) -> None:
        self._inner = inner
        self._identity = Identity(component, app_id)
        self._lifetime = Lifetime.of(component)
        self._keeper = Keeper(caching.stores, count_skip, tool_calls=component.cache.tool_calls)
        self._flights = caching.flights
        self._stores = caching.stores
        self._epoch = caching.epoch(component)
        self._expects_miss = False
        """Whether the shared store had nothing last time: then looking there and taking the lease are one question."""

    async def __call__(self, request: ConverseRequest, /) -> Reply:
        """Answer `request`, and note in its trace what the cache did."""
        policy = request.cache
        ttl_s = self._lifetime.for_request(policy)
        if ttl_s <= 0:
            return await self._inner(request)
        may_read = policy.may_read and policy.max_age_s != 0
        if not may_read and not policy.may_store:
            request.trace.cache = CacheStatus(hit=False, forward="request")
            return await self._inner(request)
        began_s = 0.0
        epoch = self._epoch.known
        if epoch is None:
            began_s = asyncio.get_running_loop().time()
            epoch = await self._epoch.ask()
        key = self._identity.key(request, epoch)
        seen: Forwarded = "miss"
        if may_read and request.partition is None:
            found = self._judged(await self._stores.memory.get(key), self._stores.memory, policy)
            if isinstance(found, Found):
                request.trace.cache = found.status
                return found.answer
            seen = found
        give_up_s = (began_s or asyncio.get_running_loop().time()) + self._stores.place.limit_s
        errand = Errand(Shelf.of(self._stores, key, request.partition), policy, ttl_s, give_up_s)
        if not may_read:
            request.trace.cache = CacheStatus(hit=False, forward="request")
            return await self._alone(errand, request)
        return await self._asked(errand, request, seen)

    async def _asked(self, errand: Errand, request: ConverseRequest, seen: Forwarded) -> Reply:
        """Answer what is not in memory: from the shared store, or together with all who ask the same now."""
        shelf, policy = errand.shelf, errand.policy
        looks = not (self._expects_miss and policy.may_store and policy.max_age_s is None)
        if shelf.shared and looks and not self._flights.has(shelf.key):
            found = await self._shared(shelf.shared, errand, seen)
            self._expects_miss = found == "miss"
            if isinstance(found, Found):
                request.trace.cache = found.status
                return found.answer
            seen = found
        request.trace.cache = CacheStatus(hit=False, forward=seen)
        if not policy.may_store:
            return await self._inner(request)
        depart = partial(SharedJourney, self._inner, self._keeper, errand)
        reply = await self._flights.fly(shelf.key, request, depart)
        if request.trace.cache.hit:
            self._expects_miss = False
        return reply

    async def _alone(self, errand: Errand, request: ConverseRequest) -> Reply:
        """Ask for this request only, and keep the answer for others."""
        reply = await self._inner(request)
        keep = partial(self._keeper.replace, errand, request.trace)
        if not isinstance(reply, Answer):
            return KeptStream(reply, keep)
        await keep(reply)
        return reply

    async def _shared(self, shared: Store, errand: Errand, seen: Forwarded) -> Found | Forwarded:
        """Look in the shared store; what is found there is kept in memory too."""
        shelf = errand.shelf
        try:
            value = await shared.get(shelf.key, errand.left_s())
        except StoreUnavailable:
            self._stores.failed("get")
            value = None
        found = self._judged(value, shared, errand.policy, shelf)
        if isinstance(found, Found) and value is not None:
            await shelf.remember(value, float(found.status.ttl_s or 0))
        elif found == "miss" and shelf.memory:  # a flight may have landed meanwhile
            found = self._judged(await shelf.memory.get(shelf.key), shelf.memory, errand.policy)
        return seen if found == "miss" else found

    def _judged(
        self, value: bytes | None, store: Store, policy: CachePolicy, shelf: Shelf | None = None
    ) -> Found | Forwarded:
        """Return what lies in a store if it is an answer, and good for a request; else why it is not."""
        entry = None if value is None else shelf.unpack(value) if shelf else answers.unpack(value)
        if not isinstance(entry, Entry):
            return "miss"
        now_s, max_age_s = self._stores.clock(), policy.max_age_s
        left_s = entry.expires_at_s - now_s
        if left_s <= 0:
            return "miss"
        if max_age_s is not None and now_s - entry.stored_at_s > max_age_s:
            return "stale"
        return Found(entry.answer, CacheStatus(hit=True, tier=store.tier, ttl_s=int(left_s)))


class KeptStream:
    """A stream whose answer is kept once it has been read to its end."""

    def __init__(self, inner: Stream, keep: Callable[[Answer], Awaitable[None]]) -> None:
        self._inner = inner
        self._keep = keep

    @property
    def answer(self) -> Answer:
        """The inner stream's."""
        return self._inner.answer

    async def __aiter__(self) -> AsyncIterator[Delta]:
        """Pass the deltas on; a stream that breaks, or that nobody reads to the end, is not kept."""
        async for delta in self._inner:
            yield delta
        await self._keep(self._inner.answer)

    async def aclose(self) -> None:
        """Close the inner stream."""
        await self._inner.aclose()
