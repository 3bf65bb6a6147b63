"""Whose turn it is in a chat room: one at a time, first those of this process in order, then whichever process is next.

The lease lies in the store under `tag/turn`. It is renewed while the turn lasts, and the store takes a turn only from
who holds it. Who dies keeps the others waiting for `LEASE_S` seconds at most.
"""

import asyncio
import secrets
from contextlib import suppress
from typing import Final
from weakref import WeakSet, WeakValueDictionary

from parley_sidecar.edges import survived
from parley_sidecar.errors import RoomBusy, StoreUnavailable
from parley_sidecar.stores import Stores
from parley_sidecar.stores.protocol import LEASE_S, RENEW_S, Store

POLL_S: Final = 0.25
"""How soon the end of a lease is seen that nobody gave back."""
GIVE_WAY_S: Final = 0.01
"""What a turn waits that follows another of its process, so that other processes have their turns too."""


class Line(asyncio.Lock):
    """Those in this process who want a turn of one room; they are served in order of arrival."""

    wanted = 0
    """How many have a turn or wait for one."""


class Leases:
    """The turns of this process, and who waits for one."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._lines: WeakValueDictionary[bytes, Line] = WeakValueDictionary()
        """By room, as long as somebody stands in it."""
        self._leases: WeakSet[Lease] = WeakSet()

    async def wait(self, store: Store, tag: bytes, limit_s: float, hold_s: float) -> "Lease":
        """Wait for the room's turn, for `limit_s` seconds at most; then it lasts `hold_s` seconds, if not given back.

        Raises:
            RoomBusy: when it did not come in time.
            StoreUnavailable: when the store cannot answer.
        """
        lease = Lease(self._stores, store, tag, self._lines.setdefault(tag, Line()))
        self._leases.add(lease)
        is_begun = False
        try:
            async with asyncio.timeout(limit_s):
                await lease.begin()
            is_begun = True
        except TimeoutError:
            raise RoomBusy(f"other turns of the chat room took longer than {limit_s:g} s") from None
        finally:
            if not is_begun:
                lease.release()
        lease.hold(hold_s)
        return lease

    def release(self) -> None:
        """Give back all that is still held."""
        for lease in tuple(self._leases):
            lease.release()


class Lease:
    """The right to append to one room."""

    def __init__(self, stores: Stores, store: Store, tag: bytes, line: Line) -> None:
        self.token = secrets.token_hex(16).encode()
        self._stores = stores
        self._store = store
        self._key = tag + b"/turn"
        self._line = line
        self._is_wanted = False
        self._is_held = False
        self._loop = asyncio.get_running_loop()
        self._end_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def begin(self) -> None:
        """Wait for this process's turn, then for the room's."""
        follows = self._line.wanted > 0
        self._line.wanted += 1
        self._is_wanted = True
        await self._line.acquire()
        self._is_held = True
        if follows and self._store.tier != "memory":
            await asyncio.sleep(GIVE_WAY_S)
        if await self._is_taken():
            return
        async with self._store.watch(self._key) as watch:
            while not await self._is_taken():
                await watch.next(POLL_S)

    def hold(self, hold_s: float) -> None:
        """Renew it from now on, for so many seconds."""
        self._end_s = self._loop.time() + hold_s
        self._timer = self._loop.call_later(min(RENEW_S, hold_s), self._go_on)

    def release(self) -> None:
        """Give it back, in the background; once, however often it is called."""
        if not self._is_wanted:
            return
        self._is_wanted = False
        self._line.wanted -= 1
        if self._timer:
            self._timer.cancel()
        if self._is_held:
            self._stores.background(survived(self._give_back(), "a chat room's turn could not be given back"))

    async def _is_taken(self) -> bool:
        return (await self._store.take(self._key, self.token, LEASE_S)).holder == self.token

    def _go_on(self) -> None:
        """Renew it in the background, or end it."""
        if self._loop.time() >= self._end_s:
            self.release()
            return
        self._timer = self._loop.call_later(RENEW_S, self._go_on)
        self._stores.background(survived(self._renew(), "a chat room's turn could not be renewed"))

    async def _renew(self) -> None:
        with suppress(StoreUnavailable):  # the next one may still be in time; `append` finds out
            await self._store.renew(self._key, self.token, LEASE_S)

    async def _give_back(self) -> None:
        """Let the next one in; where the store does not answer, the lease runs out by itself."""
        try:
            with suppress(StoreUnavailable):
                await self._store.finish(self._key, self.token)
        finally:
            self._line.release()
