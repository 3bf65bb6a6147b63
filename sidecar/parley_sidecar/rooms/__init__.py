"""Chat rooms: the history of a context id, its vault, and whose turn it is; kept in the store.

`Rooms` is one per process, so that turns keep their order while components are reloaded. `pipeline` makes a
`ComponentRooms` of it for each component that keeps rooms: for the context layer, the scrub layer and the endpoints.
"""

import secrets
from typing import Final

from parley_crds import durations
from parley_crds.component import Component
from parley_sidecar.errors import InvalidParameters
from parley_sidecar.pii.vault import Numbers
from parley_sidecar.rooms.cut import Limits
from parley_sidecar.rooms.leases import Leases
from parley_sidecar.rooms.room import Access, Place, Reading, Room, StoredMessage, tag_of
from parley_sidecar.rooms.sealing import Keys
from parley_sidecar.rooms.turn import Count, Rules, Turn
from parley_sidecar.stores import Stores

__all__ = ["ComponentRooms", "Count", "Reading", "Room", "Rooms", "StoredMessage", "Turn"]

MAX_ID_CHARS: Final = 256
USUAL_MAX_MESSAGES: Final = 100
USUAL_TTL: Final = "24h"
"""How long a room lives after its last turn where the component says nothing, and a request asks for one."""


class Rooms:
    """The rooms that this process reaches."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._leases = Leases(stores)
        self._process_key = secrets.token_bytes(32)

    def access(self, count: Count) -> Access:
        """Return what the rooms of one component need; `count` is told what becomes of their turns."""
        return Access(self._place, self._leases, self._stores.clock, count)

    async def aclose(self) -> None:
        """Give back the turns that are still held; the stores are closed after this."""
        self._leases.release()

    def _place(self) -> Place:
        kept = self._stores.rooms()
        return Place(kept.store, Keys(kept.keys, self._process_key))


class ComponentRooms:
    """The rooms of one component and one application."""

    def __init__(self, component: Component, app_id: str, access: Access) -> None:
        """Read the component's rules."""
        context = component.context
        limits = Limits(context.max_messages or USUAL_MAX_MESSAGES, context.max_tokens)
        self._rules = Rules(durations.seconds(USUAL_TTL if context.ttl is None else context.ttl), limits)
        self._owner = (component.namespace, app_id, component.name)
        self._access = access

    def room(self, context_id: str) -> Room:
        """Return the room of an id: any text.

        Raises:
            InvalidParameters: when it is empty, or longer than 256 characters.
        """
        if not 0 < len(context_id) <= MAX_ID_CHARS:
            raise InvalidParameters(f"a context id has 1 to {MAX_ID_CHARS} characters")
        return Room(tag_of(*self._owner, context_id), self._rules, self._access)

    def numbers(self, context_id: str) -> Numbers:
        """Return a room's vault, for one request."""
        return self.room(context_id).numbers()

    async def read(self, context_id: str) -> Reading:
        """Return what a room holds, as `Room.read` does."""
        return await self.room(context_id).read()

    async def erase(self, context_id: str) -> bool:
        """Forget a room, as `Room.erase` does."""
        return await self.room(context_id).erase()
