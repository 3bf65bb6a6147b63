"""What the cache layer is made of: where answers lie, flights, claims on the shared store, and epochs.

`Caching` is what all components' cache layers of a process share; whoever starts the process makes and closes it.
"""

from parley_crds.component import Component
from parley_sidecar.caching.epochs import Epoch
from parley_sidecar.caching.flights import Flights
from parley_sidecar.stores import Stores


class Caching:
    """The flights of a process and the epochs of its components; both outlive a component's pipeline."""

    def __init__(self, stores: Stores) -> None:
        self.stores = stores
        self.flights = Flights()
        self._epochs: dict[tuple[str, str], Epoch] = {}

    def epoch(self, component: Component) -> Epoch:
        """Return a component's epoch, the same one at each call."""
        name = (component.namespace, component.name)
        known = self._epochs.get(name)
        if known is None:
            known = self._epochs[name] = Epoch(self.stores, *name)
        return known

    async def aclose(self) -> None:
        """End the flights and follow no epoch any more; to be closed before the stores."""
        await self.flights.aclose()
        for epoch in self._epochs.values():
            await epoch.aclose()
