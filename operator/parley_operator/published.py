"""What this replica has published: the loaded components by namespace, for the stream to take snapshots of.

`reconcile` writes it, `stream` reads it and waits for its changes. Lives in one event loop; it never asks the API.
"""

import asyncio
from dataclasses import dataclass

from parley_crds.component import Component, admits


@dataclass(frozen=True, slots=True)
class Held:
    """A component that exists, and of which this replica knows no good version: a sidecar that has one keeps it."""

    name: str
    scopes: tuple[str, ...] = ()
    service_accounts: tuple[str, ...] = ()

    def may_be_used_by(self, app_id: str, service_account: str) -> bool:
        """Say whether its fences admit a pod, as far as they could be read."""
        return admits(self.scopes, self.service_accounts, app_id, service_account)


class Published:
    """The components that may be streamed, and whether they are all there yet."""

    def __init__(self, *, has_store: bool = True) -> None:
        """Begin with nothing; `has_store` says whether sidecars are told of a shared store beside the components."""
        self.has_store = has_store
        self._components: dict[str, dict[str, Component]] = {}
        self._held: dict[str, dict[str, Held]] = {}
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
        released = self._held.get(component.namespace, {}).pop(component.name, None)
        if released or namespace.get(component.name) != component:
            namespace[component.name] = component
            self._bump()

    def hold(self, namespace: str, held: Held) -> None:
        """Note a component that cannot be published; nothing happens if an earlier version of it is."""
        beside = self._held.setdefault(namespace, {})
        if self.get(namespace, held.name) is None and beside.get(held.name) != held:
            beside[held.name] = held
            self._bump()

    def remove(self, namespace: str, name: str) -> None:
        """Take a component away; nothing happens if it is not there."""
        gone = [kept.get(namespace, {}).pop(name, None) for kept in (self._components, self._held)]
        if any(gone):
            self._bump()

    def get(self, namespace: str, name: str) -> Component | None:
        """Return what is published under a name."""
        return self._components.get(namespace, {}).get(name)

    def components(self, namespace: str) -> tuple[Component, ...]:
        """Return a namespace's components."""
        return tuple(self._components.get(namespace, {}).values())

    def held(self, namespace: str) -> tuple[Held, ...]:
        """Return what is in a namespace beside them, without a good version."""
        return tuple(self._held.get(namespace, {}).values())

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
