"""Component name -> pipeline: what this sidecar can answer with now.

Sources replace its content, and tell the log; routes look a name up on each request, and keep to the end what they got.
"""

import asyncio
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from parley_crds.component import Component
from parley_crds.stream import ProviderHealth
from parley_sidecar import pipeline
from parley_sidecar.edges import contained
from parley_sidecar.errors import ComponentNotFound, NoComponentsYet, ParleyError
from parley_sidecar.model import Converse
from parley_sidecar.pipeline import Pipeline, Surroundings

FINE = ProviderHealth()
WAIT_S = 1.0
"""What a caller is asked to wait before the first components are there."""


class Registry:
    """The pipelines by name. A swap is atomic: a request sees the old set or the new one."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._pipelines: Mapping[str, Pipeline] = MappingProxyType({})
        self._loaded = False
        self._turn = asyncio.Lock()

    @property
    def loaded(self) -> bool:
        """Whether components were given once, be they none."""
        return self._loaded

    def get(self, component_name: str) -> Pipeline:
        """Return a component's pipeline.

        Raises:
            NoComponentsYet: before the first load.
            ComponentNotFound: when this application has no such component.
        """
        found = self._pipelines.get(component_name)
        if found is not None:
            return found
        if not self._loaded:
            raise NoComponentsYet("the sidecar has no components yet", retry_after_s=WAIT_S)
        raise ComponentNotFound(component_name)

    def names(self) -> tuple[str, ...]:
        """Return the names that can be asked, sorted."""
        return tuple(sorted(self._pipelines))

    def components(self) -> tuple[Component, ...]:
        """Return what is loaded, by name; a component that failed to build appears as its last good version."""
        return tuple(self._pipelines[name].component for name in self.names())

    def ailing(self) -> Mapping[str, ProviderHealth]:
        """Return how those providers do with which something is wrong now, by component."""
        told = ((name, found.health.told()) for name, found in self._pipelines.items())
        return {name: health for name, health in told if health != FINE}

    async def replace(self, components: Iterable[Component]) -> Mapping[str, str]:
        """Make `components` the ones to answer with, and return the names that could not be built, with safe reasons.

        One whose version is unchanged keeps its pipeline and its state; one that cannot be built keeps its last good
        pipeline. Running requests end on what they began. Whoever calls has left out what this application may not use.
        """
        async with self._turn:
            built: dict[str, Pipeline] = {}
            failed: dict[str, str] = {}
            for component in components:
                last_good = self._pipelines.get(component.name)
                try:
                    built[component.name] = await contained(
                        self._built(component, last_good), "component could not be built"
                    )
                except ParleyError as error:
                    failed[component.name] = error.message
                    if last_good:
                        built[component.name] = last_good
            self._swap(built, failed)
            return failed

    async def _built(self, component: Component, last_good: Pipeline | None) -> Pipeline:
        if last_good and last_good.component.version == component.version:
            return last_good
        return await pipeline.build(component, self._surroundings, self._core)

    def _core(self, component_name: str) -> Converse | None:
        """Find what another component's fallback asks: whatever is loaded by then, all of it this application's."""
        found = self._pipelines.get(component_name)
        return found.core if found else None

    def _swap(self, built: Mapping[str, Pipeline], failed: Mapping[str, str]) -> None:
        self._pipelines, self._loaded = MappingProxyType(built), True
        states = self._surroundings.metrics.components
        states.child("loaded").value = len(built)
        states.child("failed").value = len(failed)
