"""The messages of a process's watches, over one connection of their own: opened at the first watch, closed at the end.

A connection that is lost is made anew while somebody watches. Messages may have been lost then, so every watch gets an
empty one, and looks again.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from parley_sidecar.stores.mailbox import LOST, Mailbox

QUIET_S: Final = 5.0
"""A connection without messages for so long is asked whether it still is one."""
AGAIN_FIRST_S: Final = 0.25
AGAIN_MOST_S: Final = 5.0
"""How long after a failure the connection is made anew: doubling, up to this; a new watch does not wait for it."""


@dataclass(slots=True, eq=False)
class _Channel:
    boxes: set[Mailbox] = field(default_factory=set)
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server has confirmed the subscription, or when this connection is lost."""
    was_lost: bool = False


class Watches:
    """Who watches what, and the connection that brings it."""

    def __init__(self, subscriber: Callable[[], PubSub], limit_s: float, quiet_s: float = QUIET_S) -> None:
        """Begin without a connection; `limit_s` is how long the server may take to answer."""
        self._subscriber = subscriber
        self._limit_s = limit_s
        self._quiet_s = quiet_s
        self._channels: dict[bytes, _Channel] = {}
        self._asked: set[bytes] = set()
        self._confirmed: set[bytes] = set()
        self._fault: Exception = RedisConnectionError("not connected")
        self._changed = asyncio.Event()
        self._renewed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def enter(self, channel: bytes, box: Mailbox) -> None:
        """Deliver a channel's messages to a box, from when `confirmed` has returned."""
        self._channels.setdefault(channel, _Channel()).boxes.add(box)
        self._changed.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._keep_connected())

    async def confirmed(self, limit_s: float, channel: bytes) -> None:
        """Wait until the server has confirmed the subscription.

        Raises:
            RedisError, OSError: when it cannot, or not within `limit_s` seconds.
        """
        if channel in self._confirmed:
            return
        async with asyncio.timeout(limit_s):
            await self._channels[channel].settled.wait()
        if channel not in self._confirmed:
            raise self._fault

    def leave(self, channel: bytes, box: Mailbox) -> None:
        """Deliver no more to a box."""
        entry = self._channels[channel]
        entry.boxes.discard(box)
        if not entry.boxes:
            del self._channels[channel]
            if channel in self._confirmed:
                self._changed.set()

    def renew(self) -> None:
        """Make the connection anew, if there is one: the server may be another one now."""
        self._renewed.set()

    async def aclose(self) -> None:
        """Close the connection; the watches look again, and find the store closed."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._lose(RedisConnectionError("closed"))

    async def _keep_connected(self) -> None:
        """Serve one connection after another, until one is lost while nobody watches."""
        pause_s = AGAIN_FIRST_S
        while self._channels:
            self._renewed.clear()
            try:
                await self._serve()
            except* (RedisError, OSError) as group:
                pause_s = AGAIN_FIRST_S if self._confirmed else min(2 * pause_s, AGAIN_MOST_S)
                self._changed.clear()
                self._lose(_first(group))
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._changed.wait()

    async def _serve(self) -> None:
        """Make a connection, ask for the channels that are watched, and deliver, until it fails."""
        pubsub: Any = self._subscriber()  # redis-py does not type all of it
        try:
            async with asyncio.timeout(self._limit_s):
                await pubsub.connect()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._ask(pubsub))
                tasks.create_task(self._deliver(pubsub))
                tasks.create_task(self._until_renewed())
        finally:
            await pubsub.aclose()

    async def _ask(self, pubsub: PubSub) -> NoReturn:
        """Subscribe to what somebody watches, and to nothing else.

        What is not confirmed yet is not given up either: so one confirmation at most is under way for a channel.
        """
        while True:
            self._changed.clear()
            if wanted := self._channels.keys() - self._asked:
                self._asked |= wanted
                async with asyncio.timeout(self._limit_s):
                    await pubsub.subscribe(*wanted)
            if unwanted := self._confirmed - self._channels.keys():
                self._asked -= unwanted
                self._confirmed -= unwanted
                async with asyncio.timeout(self._limit_s):
                    await pubsub.unsubscribe(*unwanted)
            await self._changed.wait()

    async def _deliver(self, pubsub: PubSub) -> NoReturn:
        """Read what comes; after a while of silence ask whether somebody is there."""
        while True:
            message = await pubsub.get_message(timeout=self._quiet_s)
            if message is None:
                async with asyncio.timeout(self._limit_s):
                    await pubsub.ping()
                    message = await pubsub.get_message(timeout=None)
            self._receive(message)

    def _receive(self, message: dict[str, Any]) -> None:
        channel = message["channel"]
        entry = self._channels.get(channel)
        if message["type"] == "message" and entry:
            _put(entry, message["data"])
        elif message["type"] == "subscribe":
            self._confirmed.add(channel)
            if entry is None:  # nobody watches any more
                self._changed.set()
                return
            entry.settled.set()
            if entry.was_lost:
                entry.was_lost = False
                _put(entry, LOST)

    async def _until_renewed(self) -> NoReturn:
        await self._renewed.wait()
        raise RedisConnectionError("to be made anew")

    def _lose(self, fault: Exception) -> None:
        """Tell all who watch, and all who wait for a confirmation, that the connection is lost."""
        self._fault = fault
        for channel, entry in self._channels.items():
            if channel in self._confirmed:
                entry.was_lost = True
                _put(entry, LOST)
            entry.settled.set()
            entry.settled = asyncio.Event()
        self._asked.clear()
        self._confirmed.clear()


def _put(entry: _Channel, message: bytes) -> None:
    for box in entry.boxes:
        box.put(message)


def _first(group: BaseExceptionGroup[RedisError | OSError]) -> Exception:
    """Return the fault that ended a connection."""
    fault = group.exceptions[0]
    return _first(fault) if isinstance(fault, BaseExceptionGroup) else fault
