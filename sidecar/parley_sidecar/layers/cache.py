"""Cache: equal requests are answered from the process's memory, or from the store that all sidecars share.

When the shared store is gone the cache falls open: the failure is counted, and the provider is asked. Answers are kept
after the reply has gone out; those of a fallback are not. Equal requests that are under way do not wait for each other
yet.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from parley_crds import durations
from parley_crds.component import Component
from parley_sidecar import answers
from parley_sidecar.edges import survived
from parley_sidecar.errors import StoreUnavailable
from parley_sidecar.identity import Identity
from parley_sidecar.model import (
    Answer,
    CachePolicy,
    CacheStatus,
    Converse,
    ConverseRequest,
    Delta,
    Reply,
    Stream,
    Trace,
)
from parley_sidecar.stores import Stores
from parley_sidecar.stores.protocol import Store

MEMORY_TTL_S: Final = 300.0
"""The longest time that the process's own tier keeps what the shared one has too."""
MAX_KEPT_BYTES: Final = 1024 * 1024
"""The largest answer that is kept: as long as a large chat, and far from what a store is for."""


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


@dataclass(frozen=True, slots=True)
class Found:
    """An answer of the cache, and what to say about it."""

    answer: Answer
    status: CacheStatus


class CacheLayer:
    """Answer from the tiers, or ask the inner `Converse` and keep what it says."""

    def __init__(self, inner: Converse, component: Component, stores: Stores, app_id: str) -> None:
        self._inner = inner
        self._identity = Identity(component, app_id)
        self._lifetime = Lifetime.of(component)
        self._stores = stores

    async def __call__(self, request: ConverseRequest, /) -> Reply:
        """Answer `request`, and note in its trace what the cache did."""
        policy = request.cache
        ttl_s = self._lifetime.for_request(policy)
        if ttl_s <= 0:
            return await self._inner(request)
        key = self._identity.key(request)
        if policy.may_read and (found := await self._find(key, policy)):
            request.trace.cache = found.status
            return found.answer
        request.trace.cache = CacheStatus(hit=False)
        reply = await self._inner(request)
        if not policy.may_store or request.trace.answered_by:
            return reply
        keep = partial(self._keep, request.trace, key, ttl_s)
        if not isinstance(reply, Answer):
            return KeptStream(reply, keep)
        await keep(reply)
        return reply

    async def _find(self, key: bytes, policy: CachePolicy) -> Found | None:
        """Look in memory, then in the shared store; what is found there is kept in memory too."""
        found = await self._look(self._stores.memory, key, policy)
        shared = self._stores.shared
        if found or shared is None:
            return found
        try:
            return await self._look(shared, key, policy)
        except StoreUnavailable:
            self._stores.failed("get")
            return None

    async def _look(self, store: Store, key: bytes, policy: CachePolicy) -> Found | None:
        value = await store.get(key)
        entry = answers.unpack(value) if value else None
        if value is None or entry is None:
            return None
        now_s = self._stores.clock()
        left_s = entry.expires_at_s - now_s
        if left_s <= 0 or (policy.max_age_s is not None and now_s - entry.stored_at_s > policy.max_age_s):
            return None
        if store is not self._stores.memory:
            await self._stores.memory.set(key, value, min(left_s, MEMORY_TTL_S))
        return Found(entry.answer, CacheStatus(hit=True, tier=store.tier, ttl_s=int(left_s)))

    async def _keep(self, trace: Trace, key: bytes, ttl_s: float, answer: Answer) -> None:
        """Keep a good answer: in memory now, in the shared store after the reply."""
        now_s = self._stores.clock()
        value = answers.pack(answers.Entry(now_s, now_s + ttl_s, answer))
        if not may_be_kept(answer) or len(value) > MAX_KEPT_BYTES:
            return
        shared = self._stores.shared
        await self._stores.memory.set(key, value, min(ttl_s, MEMORY_TTL_S) if shared else ttl_s)
        trace.cache = CacheStatus(hit=False, stored=True)
        if shared:
            write = self._share(shared, key, value, ttl_s)
            self._stores.background(survived(write, "answer could not be kept"))

    async def _share(self, shared: Store, key: bytes, value: bytes, ttl_s: float) -> None:
        try:
            await shared.set(key, value, ttl_s)
        except StoreUnavailable:
            self._stores.failed("set")


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


def may_be_kept(answer: Answer) -> bool:
    """Say whether an answer is good for others too: not empty, not filtered, no tool call."""
    return bool(answer.choices) and all(
        choice.text and not choice.tool_calls and choice.finish_reason not in {"content_filter", "tool_calls"}
        for choice in answer.choices
    )
