"""What this replica has published: the loaded components by namespace, for the stream to take snapshots of.

`reconcile` writes it, `stream` reads it and waits for its changes. Lives in one event loop; it never asks the API.
"""

import asyncio

from parley_crds.component import Component


class Published:
    """The components that may be streamed, and whether they are all there yet."""

    def __init__(self) -> None:
        self._components: dict[str, dict[str, Component]] = {}
        self._version = 0
        self._changed = asyncio.Event()
        self.synced = False
        """Whether the first list and everything in it was gathered: half of it would delete everyone's components."""

    @property
    def version(self) -> int:
        """A number that grows with every change."""
        return self._version

    def put(self, component: Component) -> None:
        """Publish a component, replacing its last version."""
        namespace = self._components.setdefault(component.namespace, {})
        if namespace.get(component.name) != component:
            namespace[component.name] = component
            self._bump()

    def remove(self, namespace: str, name: str) -> None:
        """Take a component away; nothing happens if it is not there."""
        if self._components.get(namespace, {}).pop(name, None):
            self._bump()

    def get(self, namespace: str, name: str) -> Component | None:
        """Return what is published under a name."""
        return self._components.get(namespace, {}).get(name)

    def components(self, namespace: str) -> tuple[Component, ...]:
        """Return a namespace's components."""
        return tuple(self._components.get(namespace, {}).values())

    def touch(self) -> None:
        """Tell everybody who waits that something else of their snapshots changed: the store, the trust anchors."""
        self._bump()

    def mark_synced(self) -> None:
        """Say that everything is there."""
        if not self.synced:
            self.synced = True
            self._bump()

    async def wait_for_change(self, since: int) -> int:
        """Return the version as soon as it is not `since` any more."""
        while self._version == since:
            await self._changed.wait()
        return self._version

    def _bump(self) -> None:
        self._version += 1
        self._changed.set()
        self._changed = asyncio.Event()
