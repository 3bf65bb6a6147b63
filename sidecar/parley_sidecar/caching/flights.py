"""Flights: one call to the provider for all equal requests of this process that are under way.

A flight runs as a task of its own, so that nobody's leaving ends it for the others. It pumps the reply into one list of
deltas; each passenger reads at its own pace, and the pump waits for the fastest. It ends when nobody is left.
"""

import asyncio
import copy
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final, Protocol

from msgspec.structs import replace

from parley_sidecar.edges import contained, survived
from parley_sidecar.errors import CircuitOpen, DeadlinePassed, Draining, Overloaded, ParleyError
from parley_sidecar.model import Answer, ConverseRequest, Delta, Reply, Stream, Trace

MAX_FLIGHT: Final = 1024 * 1024
"""Characters of text and tool calls beyond which a flight takes nobody more, and its answer is not for others."""
OWN_REFUSALS: Final = (Overloaded, CircuitOpen)
"""Refusals that the provider had no part in: who only waited tries for itself, once."""

Ending = Answer | ParleyError | None
"""How a flight ended; None is one that everybody left."""


class Journey(Protocol):
    """What a flight does, step by step."""

    async def fly(self, request: ConverseRequest) -> Reply:
        """Return the reply, wherever it comes from."""
        ...

    def outgrow(self) -> None:
        """Take note that the answer is too large for others."""
        ...

    async def land(self, trace: Trace, ending: Ending) -> None:
        """Keep the answer, or tell others the fault, before the passengers hear of it."""
        ...


@dataclass(slots=True, eq=False)
class Seat:
    """One passenger: how many deltas it has read; all that there will be, if it wants the whole answer."""

    trace: Trace
    place: int


class Flight:
    """One call, and those who wait for it."""

    def __init__(self, request: ConverseRequest, journey: Journey, gone: Callable[["Flight"], None]) -> None:
        """Prepare to ask as `request` asks, but not bound by its deadline; `gone` hears when nobody may board."""
        asked = request.trace
        self.trace = Trace(asked.request_id, asked.api, cache=asked.cache)
        self.deltas: list[Delta] = []
        self.news, self.landed = asyncio.Event(), asyncio.Event()
        self._request = replace(request, trace=self.trace)
        self._journey = journey
        self._gone = gone
        self._ending: Ending = None
        self._seats: dict[Seat, None] = {}
        self._leader: Seat | None = None
        """The one that the call is counted for; when it leaves, the next."""
        self._size = 0
        self._hunger = asyncio.Event()
        self.task = asyncio.create_task(self._run())
        self.task.add_done_callback(lambda _: self._over())  # one that is cancelled at once never runs

    async def join(self, request: ConverseRequest) -> Reply:
        """Wait for the answer, or for its first delta where `request` wants a stream.

        Raises:
            DeadlinePassed: when the caller's own time is over.
            ParleyError: what the flight ended with.
        """
        seat = Seat(request.trace, 0 if request.wants_stream else sys.maxsize)
        self._seats[seat] = None
        self._leader = self._leader or seat
        self._hunger.set()
        is_boarded = False
        try:
            if not request.wants_stream:
                await self.wait(seat, self.landed)
            elif not self.deltas:
                await self.wait(seat, self.news)
            self.note(seat)
            reply = Passage(self, seat) if request.wants_stream and self.deltas else self.answer()
            is_boarded = not isinstance(reply, Answer)
        finally:
            if not is_boarded:
                self.leave(seat)
        return reply

    async def wait(self, seat: Seat, event: asyncio.Event) -> None:
        """Wait for news, or for the landing; a follower's wait is its time for the provider."""
        loop, trace = asyncio.get_running_loop(), seat.trace
        began_s = loop.time()
        try:
            if trace.deadline_s is None:
                await event.wait()
            else:
                async with asyncio.timeout_at(trace.deadline_s):
                    await event.wait()
        except TimeoutError:
            raise DeadlinePassed("the time that the caller gave is over") from None
        finally:
            if self._leader is seat:
                trace.provider_s = self.trace.provider_s
            else:
                trace.provider_s += loop.time() - began_s

    def note(self, seat: Seat) -> None:
        """Write into a passenger's trace what became of the flight so far."""
        trace, status = seat.trace, self.trace.cache
        trace.answered_by = self.trace.answered_by
        if self._leader is seat or (status and status.hit):
            trace.cache = status
        elif trace.cache:
            trace.cache = replace(trace.cache, collapsed=True)

    def answer(self) -> Answer:
        """Return what the flight ended with, once it has landed; raises its error, a copy for each passenger."""
        if isinstance(self._ending, Answer):
            return self._ending
        if self._ending is None:
            raise Draining("the sidecar is about to stop")
        raise copy.copy(self._ending)

    def read(self) -> None:
        """Let the pump go on: somebody has read all that is there, perhaps."""
        self._hunger.set()

    def leave(self, seat: Seat) -> None:
        """Give up a seat; the last one ends the flight."""
        self._seats.pop(seat, None)
        if self.landed.is_set():
            return
        if self._leader is seat:
            self._leader = next(iter(self._seats), None)
        if not self._seats:
            self._gone(self)
            self.task.cancel()

    async def ended(self) -> None:
        """Wait until nothing is held any more, if nobody is left."""
        if not self._seats:
            await asyncio.wait([self.task])

    async def _run(self) -> None:
        try:
            self._ending = await contained(self._flown(), "flight failed")
        except ParleyError as error:
            self._ending = error
        finally:
            await survived(self._journey.land(self.trace, self._ending), "flight could not land")
            self._over()

    async def _flown(self) -> Answer:
        reply = await self._journey.fly(self._request)
        if isinstance(reply, Answer):
            return reply
        try:
            return await self._pumped(reply)
        finally:
            await reply.aclose()

    async def _pumped(self, stream: Stream) -> Answer:
        async for delta in stream:
            self.deltas.append(delta)
            self._grow(delta)
            self._wake()
            while not self._is_read():
                self._hunger.clear()
                await self._hunger.wait()
        return stream.answer

    def _grow(self, delta: Delta) -> None:
        before = self._size
        self._size += len(delta.text) + sum(len(piece.arguments) for piece in delta.tool_calls)
        if before <= MAX_FLIGHT < self._size:
            self._gone(self)
            self._journey.outgrow()

    def _is_read(self) -> bool:
        there = len(self.deltas)
        return any(seat.place >= there for seat in self._seats)

    def _wake(self) -> None:
        self.news.set()
        self.news.clear()

    def _over(self) -> None:
        self._gone(self)
        self.landed.set()
        self.news.set()  # and stays so


class Passage:
    """A passenger's stream: the deltas so far, then each as it comes."""

    def __init__(self, flight: Flight, seat: Seat) -> None:
        self._flight = flight
        self._seat = seat
        self._is_complete = False

    @property
    def answer(self) -> Answer:
        """The whole answer; raises RuntimeError before the last delta was read."""
        if not self._is_complete:
            raise RuntimeError("the stream was not read to its end")
        return self._flight.answer()

    async def __aiter__(self) -> AsyncIterator[Delta]:
        """Iterate the deltas; raises what the flight ended with, or DeadlinePassed when the caller's time is over."""
        flight, seat = self._flight, self._seat
        while True:
            while seat.place < len(flight.deltas):
                delta = flight.deltas[seat.place]
                seat.place += 1
                flight.read()
                yield delta
            if flight.landed.is_set():
                break
            await flight.wait(seat, flight.news)
        flight.note(seat)
        flight.answer()
        self._is_complete = True

    async def aclose(self) -> None:
        """Leave; the last one waits until the call has ended."""
        self._flight.leave(self._seat)
        await self._flight.ended()


class Flights:
    """The flights of a process, by key."""

    def __init__(self) -> None:
        self._open: dict[bytes, Flight] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def has(self, key: bytes) -> bool:
        """Say whether a request of this key would find a flight to wait for."""
        return key in self._open

    async def fly(self, key: bytes, request: ConverseRequest, depart: Callable[[], Journey]) -> Reply:
        """Join the flight of a key, or start it; raises what it ends with.

        Who finds that another one's was refused by this process itself takes over, or joins who did.
        """
        if request.trace.deadline_s is not None and request.trace.deadline_s <= asyncio.get_running_loop().time():
            raise DeadlinePassed("the time that the caller gave is over")
        flight = self._open.get(key)
        if flight is not None:
            try:
                return await flight.join(request)
            except OWN_REFUSALS:
                flight = self._open.get(key)
        if flight is None:
            flight = self._start(key, request, depart())
        return await flight.join(request)

    async def aclose(self) -> None:
        """End all."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _start(self, key: bytes, request: ConverseRequest, journey: Journey) -> Flight:
        def gone(flight: Flight) -> None:
            if self._open.get(key) is flight:
                del self._open[key]

        flight = self._open[key] = Flight(request, journey, gone)
        self._tasks.add(flight.task)
        flight.task.add_done_callback(self._tasks.discard)
        return flight
