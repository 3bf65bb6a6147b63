"""Stores that keep chat rooms, and a component's rooms in them."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from parley_crds.component import Component
from parley_crds.resource import Context
from parley_crds.stream import StoreSection
from parley_sidecar.rooms import ComponentRooms, Rooms
from parley_sidecar.rooms.turn import TurnOutcome
from parley_sidecar.stores import Stores
from parley_sidecar.stores.protocol import Place

KEY, OTHER_KEY = bytes(range(32)), bytes(32)


def encoded(key: bytes) -> str:
    """Return a context key as settings hold it."""
    return base64.b64encode(key).decode()


def section(url: str, *keys: bytes) -> StoreSection:
    """Return the section of a snapshot that names this Redis and these keys."""
    key, former = [*map(encoded, keys), "", ""][:2]
    return StoreSection(url=url, context_key=key, former_context_key=former, version=repr((url, keys)))


@asynccontextmanager
async def stores_in(url: str, *keys: bytes) -> AsyncIterator[Stores]:
    """Open the stores of one process: Redis, or its own where there is no URL."""
    stores = Stores(lambda _: None, Place(limit_s=5))
    stores.keep_rooms_here()
    if url:
        await stores.use(section(url, *(keys or (KEY,))))
    try:
        yield stores
    finally:
        await stores.aclose()


@dataclass(slots=True)
class Counted:
    """What was told of turns."""

    outcomes: list[TurnOutcome] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)

    def count_turn(self, outcome: TurnOutcome) -> None:
        """Take note."""
        self.outcomes.append(outcome)

    def count_room_wait(self, wait_s: float) -> None:
        """Take note."""
        self.waits_s.append(wait_s)


def rooms_of(rooms: Rooms, counted: Counted, app_id: str = "shop", name: str = "gpt", **context: Any) -> ComponentRooms:
    """Return the rooms of a component with this `context`."""
    kept = Context.model_validate({"ttl": "1h", **context})
    loaded = Component(name=name, namespace="default", type="conversation.echo", version="1", context=kept)
    return ComponentRooms(loaded, app_id, rooms.access(counted))
