"""From a component to its pipeline: THE ORDERED LIST OF LAYERS, folded once per component around its provider.

`registry` builds one at each change of a component; routes ask it.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from parley_crds import checks, durations
from parley_crds.component import Component
from parley_crds.names import RESERVED_VARIABLES
from parley_sidecar import providers
from parley_sidecar.errors import InvalidComponent
from parley_sidecar.http_client import HttpClient
from parley_sidecar.layers.cache import CacheLayer
from parley_sidecar.layers.observe import ObserveLayer
from parley_sidecar.layers.timeout import TimeoutLayer
from parley_sidecar.metrics import Metrics
from parley_sidecar.model import Answer, Converse, ConverseRequest, Layer
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


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A component that can be asked."""

    component: Component
    converse: Converse
    has_endpoint: bool
    """Whether the provider has an `endpoint`, so that a request's override of it means something."""

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
        """Ask several; the first failure in their order fails all, and ends those that are under way."""
        if len(requests) == 1:
            return [await self.answer(requests[0])]
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


def build(component: Component, surroundings: Surroundings) -> Pipeline:
    """Build a component's pipeline, outermost layer first.

    Raises:
        InvalidComponent: when its settings cannot be used; the message never holds a setting's value.
    """
    settings = _settings(component, surroundings.environ)
    resolved = component.model_copy(update={"settings": settings})
    converse = providers.connect(component.type, settings, surroundings.http)
    for layer in reversed(tuple(_layers(resolved, surroundings))):
        converse = layer(converse)
    schema = checks.settings_schemas().get(component.type, {})
    return Pipeline(component, converse, has_endpoint="endpoint" in schema.get("properties", {}))


def _layers(component: Component, surroundings: Surroundings) -> Iterator[Layer]:
    """THE ORDER. A layer that is not configured is left out."""
    yield lambda inner: ObserveLayer(inner, surroundings.metrics.component(component.name))
    yield lambda inner: CacheLayer(inner, component, surroundings.stores, surroundings.app_id)
    yield lambda inner: TimeoutLayer(inner, durations.seconds(component.resilience.timeout))


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
