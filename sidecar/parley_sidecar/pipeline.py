"""From a component to its pipeline: THE ORDERED LIST OF LAYERS, folded once per component around its provider.

`registry` builds one at each change of a component; routes ask it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from parley_crds import checks, durations
from parley_crds.component import Component
from parley_crds.names import RESERVED_VARIABLES
from parley_sidecar import providers
from parley_sidecar.caching import Caching
from parley_sidecar.errors import InvalidComponent
from parley_sidecar.http_client import HttpClient
from parley_sidecar.layers.attempt import AttemptLayer, AttemptLimits
from parley_sidecar.layers.breaker import BreakerLayer, BreakerPolicy
from parley_sidecar.layers.cache import CacheLayer
from parley_sidecar.layers.context import ContextLayer, Waits
from parley_sidecar.layers.deadline import DeadlineLayer
from parley_sidecar.layers.fallback import FallbackLayer, Find
from parley_sidecar.layers.health import Health, HealthLayer
from parley_sidecar.layers.limit import LimitLayer
from parley_sidecar.layers.observe import ObserveLayer
from parley_sidecar.layers.retry import Pace, RetryLayer, RetryPolicy
from parley_sidecar.layers.scrub import Hiding, ScrubLayer
from parley_sidecar.metrics import Metrics
from parley_sidecar.model import Answer, Converse, ConverseRequest, Layer
from parley_sidecar.pii.finder import Finder
from parley_sidecar.rooms import ComponentRooms, Rooms
from parley_sidecar.stores import Stores


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every pipeline of the process shares; made once, by whoever starts the process."""

    http: HttpClient
    stores: Stores
    metrics: Metrics
    app_id: str
    environ: Mapping[str, str] = field(repr=False)
    """Where a component's envRef is looked up."""
    rooms: Rooms
    caching: Caching


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A component that can be asked."""

    component: Component
    converse: Converse
    has_endpoint: bool
    """Whether the provider has an `endpoint`, so that a request's override of it means something."""
    core: Converse
    """Its inner half: what the fallback of another component asks."""
    rooms: ComponentRooms
    """Its chat rooms, of this application."""
    purge: Callable[[], Awaitable[None]]
    """Makes the cache forget all of its answers, wherever they are shared."""
    health: Health = field(default_factory=Health)
    """How its provider does."""

    @property
    def keeps_rooms(self) -> bool:
        """Whether every context id names a chat room; otherwise only the reference's `conversationContext` does."""
        return self.component.context.ttl is not None

    async def answer(self, request: ConverseRequest) -> Answer:
        """Ask, and read a stream to its end; for doors that do not stream."""
        reply = await self.converse(request)
        if isinstance(reply, Answer):
            return reply
        try:
            async for _ in reply:
                pass
            return reply.answer
        finally:
            await reply.aclose()

    async def answers(self, requests: Sequence[ConverseRequest], at_once: int) -> list[Answer]:
        """Ask several; the first failure in their order fails all, and ends those that are under way.

        Turns of one chat room are asked one after the other, and those before a failure stay in it.
        """
        if len(requests) == 1 or requests[0].context_id:
            return [await self.answer(request) for request in requests]
        slots = asyncio.Semaphore(at_once)

        async def ask(request: ConverseRequest) -> Answer:
            async with slots:
                return await self.answer(request)

        tasks = [asyncio.create_task(ask(request)) for request in requests]
        try:
            return [await task for task in tasks]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _none_other(_: str) -> Converse | None:
    return None


async def build(component: Component, surroundings: Surroundings, find: Find = _none_other) -> Pipeline:
    """Build a component's pipeline; `find` looks up the core of another one, at each request that falls back.

    The provider is connected in a thread: an SDK takes up to a second to import, and requests are answered meanwhile.

    Raises:
        InvalidComponent: when its settings cannot be used; the message never holds a setting's value.
    """
    settings = _settings(component, surroundings.environ)
    resolved = component.model_copy(update={"settings": settings})
    provider = await asyncio.to_thread(providers.connect, component.type, settings, surroundings.http)
    rooms = _rooms(resolved, surroundings)
    metrics = surroundings.metrics.component(component.name)
    health = Health(metrics.breaker_state() if component.resilience.breaker_faults else None)
    core = _folded(_inner_layers(resolved, surroundings, health), provider)
    converse = _folded(_outer_layers(resolved, surroundings, rooms, find), core)
    has_endpoint = "endpoint" in checks.settings_schemas().get(component.type, {}).get("properties", {})
    purge = surroundings.caching.epoch(component).purge
    return Pipeline(component, converse, has_endpoint, core, rooms, purge, health)


def _rooms(component: Component, surroundings: Surroundings) -> ComponentRooms:
    """Return the component's chat rooms; where it promises them, a store without a key is a fault that shows now."""
    if component.context.ttl is not None and surroundings.stores.lacks_key:
        raise InvalidComponent("context.ttl keeps chat rooms in Redis, which needs a context key to seal them")
    count = surroundings.metrics.component(component.name)
    return ComponentRooms(component, surroundings.app_id, surroundings.rooms.access(count))


def _outer_layers(
    component: Component, surroundings: Surroundings, rooms: ComponentRooms, find: Find
) -> Iterator[Layer]:
    """THE ORDER, outermost first: what stands around a whole request. A layer that is not configured is left out."""
    metrics, resilience = surroundings.metrics.component(component.name), component.resilience
    yield lambda inner: ObserveLayer(inner, metrics)
    finder = Finder.of(component.privacy, surroundings.http)
    hiding = Hiding(component.privacy, finder, rooms.numbers)
    yield lambda inner: ScrubLayer(inner, hiding, metrics.count_pii)
    waits = Waits(_attempt_limits(component).first_s, durations.seconds(resilience.timeout))
    yield lambda inner: ContextLayer(inner, rooms, waits)
    yield lambda inner: CacheLayer(inner, component, surroundings.caching, surroundings.app_id, metrics.count_skip)
    yield lambda inner: DeadlineLayer(inner, durations.seconds(resilience.timeout))
    if resilience.fallback:
        yield lambda inner: FallbackLayer(inner, resilience.fallback, find, metrics.count_fallback)


def _inner_layers(component: Component, surroundings: Surroundings, health: Health) -> Iterator[Layer]:
    """THE ORDER, continued: what stands around the provider, whichever component's request it is."""
    metrics, resilience = surroundings.metrics.component(component.name), component.resilience
    yield lambda inner: HealthLayer(inner, health)
    if resilience.retries:
        retrying = RetryPolicy(resilience.retries, durations.seconds(resilience.retry_max_wait))
        yield lambda inner: RetryLayer(inner, retrying, metrics.count_retry, Pace())
    if resilience.breaker_faults:
        breaking = BreakerPolicy(resilience.breaker_faults, durations.seconds(resilience.breaker_pause))
        yield lambda inner: BreakerLayer(inner, breaking, metrics.breaker_state())
    if slots := resilience.concurrency:
        yield lambda inner: LimitLayer(inner, slots, metrics.limit_rejections())
    yield lambda inner: AttemptLayer(inner, _attempt_limits(component))


def _folded(layers: Iterable[Layer], converse: Converse) -> Converse:
    for layer in reversed(tuple(layers)):
        converse = layer(converse)
    return converse


def _attempt_limits(component: Component) -> AttemptLimits:
    resilience = component.resilience
    first = resilience.timeout if resilience.attempt_timeout is None else resilience.attempt_timeout
    idle = resilience.idle_timeout
    return AttemptLimits(durations.seconds(first), None if idle is None else durations.seconds(idle))


def _settings(component: Component, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the provider's settings with every envRef looked up."""
    return {
        **component.settings,
        **{name: _variable(name, ref, environ) for name, ref in component.environment.items()},
    }


def _variable(setting: str, variable: str, environ: Mapping[str, str]) -> str:
    if variable.startswith(RESERVED_VARIABLES):
        raise InvalidComponent(f"the setting {setting} may not read the environment variable {variable}")
    if variable not in environ:
        raise InvalidComponent(f"the setting {setting} needs the environment variable {variable}, which is not set")
    return environ[variable]
