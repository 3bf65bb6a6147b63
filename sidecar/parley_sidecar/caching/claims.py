"""Claims: one flight for equal requests of all the processes that share a store.

Who misses takes the key's lease, or learns who has it and waits for that flight's end. The lease is renewed while the
flight lasts, so that a process that dies is replaced; what a claim ends with goes to all who wait, in one step.
"""

import asyncio
import itertools
import secrets
from typing import Final

from parley_sidecar.caching.shelves import CountSkip
from parley_sidecar.edges import survived
from parley_sidecar.errors import StoreUnavailable
from parley_sidecar.stores import Stores
from parley_sidecar.stores.protocol import LEASE_S, RENEW_S, Store, Taken

_PROCESS: Final = secrets.token_hex(16).encode()
_numbers: Final = itertools.count()
"""A token is no secret, and needs to be nobody else's only: a random one each time would cost a system call."""


class Claim:
    """One flight's claim on its key."""

    def __init__(self, stores: Stores, shared: Store, key: bytes, count_skip: CountSkip) -> None:
        self._stores = stores
        self._shared = shared
        self._key = key
        self._count_skip = count_skip
        self._token = b"%b-%d" % (_PROCESS, next(_numbers))
        self._is_held: bool | None = False
        """None while the store has not answered: the lease may be this one's."""
        self._is_over = False
        self._timer: asyncio.TimerHandle | None = None
        self.has_waited = False
        """Whether another process had the lease."""

    async def settle(self, limit_s: float) -> bytes | None:
        """Return what is there, or what another process's flight ended with; None when this one is to fly.

        `limit_s` is what is left of the time after which the request goes on without the store.
        """
        self._is_held = None
        try:
            taken = await self._shared.take(self._key, self._token, LEASE_S, limit_s=limit_s)
            if taken.value is None and taken.holder != self._token:
                taken = await self._follow(taken)
        except StoreUnavailable:
            self._stores.failed("take")
            return None
        self._is_held = taken.value is None
        if self._is_held:
            self._renew_later()
        return taken.value

    def end(self, value: bytes | None = None, keep_s: float = 0.0) -> None:
        """Give the lease back, and the value to all who wait; it is kept for `keep_s` seconds. Nobody waits for that.

        What was not claimed, because the store could not say, is kept too.
        """
        if self._is_over:
            return
        self._is_over = True
        if self._timer:
            self._timer.cancel()
        if self._is_held is not False:
            self._stores.background(survived(self._finish(value, keep_s), "flight's end could not be told"))
        elif value is not None and keep_s > 0:
            self._stores.background(survived(self._keep(value, keep_s), "answer could not be kept"))

    async def _follow(self, taken: Taken) -> Taken:
        """Wait for the end of another process's flight, or for its lease."""
        self.has_waited = True
        async with self._shared.watch(self._key) as watch:
            while taken.value is None and taken.holder != self._token:
                awaited = taken.holder or b""
                taken = await self._shared.take(self._key, self._token, LEASE_S, awaited)
                if taken.value is None and taken.holder != self._token:
                    await watch.next(RENEW_S)  # and look, should the message have got lost
        return taken

    def _renew_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(RENEW_S, self._renew_now)

    def _renew_now(self) -> None:
        self._stores.background(survived(self._renew(), "lease could not be renewed"))

    async def _renew(self) -> None:
        try:
            is_held = await self._shared.renew(self._key, self._token, LEASE_S)
        except StoreUnavailable:
            self._stores.failed("renew")
            is_held = True  # it may still be: the end will tell
        if self._is_over:
            return
        if is_held:
            self._renew_later()
        else:
            self._lose()

    def _lose(self) -> None:
        """Go on without the lease, and keep nothing: somebody else answers for the key now."""
        self._is_over = True
        self._count_skip("lease_lost")

    async def _finish(self, value: bytes | None, keep_s: float) -> None:
        try:
            was_held = await self._shared.finish(self._key, self._token, value, keep_s)
        except StoreUnavailable:
            self._stores.failed("finish")
            return
        if was_held or value is None or keep_s <= 0:
            return
        if self._is_held:
            self._count_skip("lease_lost")
        else:
            await self._keep(value, keep_s)

    async def _keep(self, value: bytes, keep_s: float) -> None:
        try:
            await self._shared.set(self._key, value, keep_s)
        except StoreUnavailable:
            self._stores.failed("set")
