"""Epochs: a random name that is part of every key of a component, so that a new one purges all its answers at once.

It lies in the shared store, and a sidecar that uses the component follows it: by a message, and by asking each second.
An epoch that the store lost is made anew at random, so that no older answer is ever met again. Without a store each
process has its own; while the store is gone, the last one it knew.
"""

import asyncio
import hashlib
import secrets
from typing import Final

from parley_sidecar.edges import survived
from parley_sidecar.errors import StoreUnavailable
from parley_sidecar.stores import Stores
from parley_sidecar.stores.protocol import Store

EPOCH_S: Final = 30 * 24 * 3600.0
"""How long an epoch lies in the store after it was asked for last: longer than answers do, so that those go first."""
POLL_S: Final = 1.0
"""How often it is asked for while the component is in use; a message is quicker, and may get lost."""
IDLE_POLLS: Final = 10
"""After so many polls without a request in between, nobody asks until there is one."""


class Epoch:
    """One component's epoch, as this process knows it."""

    def __init__(self, stores: Stores, namespace: str, component_name: str) -> None:
        """Begin with a random one; nothing is asked before the first request."""
        self._stores = stores
        name = hashlib.sha256(f"{namespace}/{component_name}".encode()).hexdigest()
        self._key = b"epoch-" + name.encode()
        self._value = _random()
        self._followed: Store | None = None
        self._is_used = False
        self._following: asyncio.Task[bool] | None = None
        self._asked = asyncio.Event()

    @property
    def known(self) -> bytes | None:
        """The epoch, if it is up to date; None where `ask` must be awaited. Reading it counts as use."""
        shared = self._stores.shared
        if shared is None:
            return self._value
        self._is_used = True
        return self._value if shared is self._followed else None

    async def ask(self) -> bytes:
        """Return the epoch of the shared store, or the last known one when the store cannot answer in time."""
        shared = self._stores.shared
        self._is_used = True
        if shared is not None and self._followed is not shared:
            if self._following is None or self._following.done():
                self._asked = asyncio.Event()
                self._following = asyncio.create_task(survived(self._follow(shared), "epoch could not be followed"))
            await self._asked.wait()
        return self._value

    async def purge(self) -> None:
        """Make a new one, here at once and in all other sidecars within two seconds.

        Raises:
            StoreUnavailable: when the shared store cannot be told; then nothing is purged.
        """
        fresh, shared = _random(), self._stores.shared
        if shared is not None:
            await shared.set(self._key, fresh, EPOCH_S)
        self._value = fresh
        if shared is not None:
            await self._tell(shared)

    async def aclose(self) -> None:
        """Follow it no more."""
        if self._following:
            self._following.cancel()
            await asyncio.wait([self._following])

    async def _tell(self, shared: Store) -> None:
        try:
            await shared.publish(self._key, b"purged")
        except StoreUnavailable:  # the others ask each second
            self._stores.failed("publish")

    async def _follow(self, shared: Store) -> None:
        """Ask, and keep up with the store until nobody uses the component."""
        try:
            await self._refresh(shared)
            self._followed = shared
            self._asked.set()
            while self._is_wanted(shared):
                await self._watch(shared)
        finally:
            self._followed = None
            self._asked.set()

    async def _watch(self, shared: Store) -> None:
        """Look again at each message, and each second; for as long as the component is in use."""
        idle = 0
        try:
            async with shared.watch(self._key) as watch:
                while idle < IDLE_POLLS and self._stores.shared is shared:
                    self._is_used = False
                    await watch.next(POLL_S)
                    await self._refresh(shared)
                    idle = 0 if self._is_used else idle + 1
        except StoreUnavailable:
            self._stores.failed("watch")
            self._is_used = False
            await asyncio.sleep(POLL_S)
            await self._refresh(shared)

    def _is_wanted(self, shared: Store) -> bool:
        return self._is_used and self._stores.shared is shared

    async def _refresh(self, shared: Store) -> None:
        before = self._value
        try:
            found = await shared.agree(self._key, _random(), EPOCH_S)
        except StoreUnavailable:
            self._stores.failed("agree")
            return
        if self._value is before:  # else it was purged meanwhile, and what was found may be older
            self._value = found


def _random() -> bytes:
    return secrets.token_bytes(16)
