"""Lines to one server: what is asked within one turn of the event loop goes over one of them, in one packet.

redis-py makes the connections, signs in on them and reads the answers. Taking each command through its client and its
pool, with a packet of its own, costs twice the CPU time for one that is alone, and three times for sixteen at once
(measured). In a cluster each command goes its own way, for its node must be found.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ReadOnlyError, RedisError, ResponseError

MAX_LINES: Final = 32
"""What is asked beyond them waits for its turn."""
MAX_TOGETHER: Final = 64
"""So that one answer does not become too long for all who wait for it."""

Word = str | bytes | int
Ask = Callable[..., Awaitable[Any]]
"""Takes a limit in seconds and the words of a command; what it answers has no type."""
Asked = tuple[bytes, "asyncio.Future[Any]"]

_pack: Callable[[tuple[Word, ...]], bytes] = hiredis.pack_command  # type: ignore[assignment] # it says one word only


class Lines:
    """Asks one server, over as many connections as are needed at once."""

    def __init__(self, make: Callable[[], AbstractConnection], limit_s: float) -> None:
        """Take what makes a connection, not connected yet; `limit_s` is for the answers to one packet."""
        self._make = make
        self._limit_s = limit_s
        self._asked: list[Asked] = []
        self._idle: list[AbstractConnection] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, limit_s: float, *words: Word) -> Any:
        """Return the answer to a command.

        Raises:
            RedisError, OSError: what redis-py raises; TimeoutError when there is no answer within `limit_s` seconds.
        """
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        if not self._asked:
            loop.call_soon(self._send)
        self._asked.append((_pack(words), answer))
        alarm = loop.call_later(limit_s, _give_up, answer)
        try:
            return await answer
        finally:
            alarm.cancel()

    async def aclose(self) -> None:
        """Close every connection; who still waits is told that the time is over."""
        while self._asked:
            _give_up(self._asked.pop()[1])
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for line in self._idle:
            await line.disconnect()

    def _send(self) -> None:
        """Serve what has been asked, as far as there are lines; the others go on with it when they are through."""
        loop = asyncio.get_running_loop()
        while self._asked and len(self._tasks) < MAX_LINES:
            task = loop.create_task(self._serve(self._taken()))
            self._tasks.add(task)
            task.add_done_callback(partial(self._ended, loop.call_later(self._limit_s, task.cancel)))

    def _ended(self, alarm: asyncio.TimerHandle, task: "asyncio.Task[None]") -> None:
        alarm.cancel()
        self._tasks.discard(task)
        self._send()

    def _taken(self) -> Sequence[Asked]:
        taken, self._asked = self._asked[:MAX_TOGETHER], self._asked[MAX_TOGETHER:]
        return [asked for asked in taken if not asked[1].done()]

    async def _serve(self, batch: Sequence[Asked]) -> None:
        """Settle one batch, on a line that is free or a new one."""
        line = self._idle.pop() if self._idle else self._make()
        fault: Exception | None = TimeoutError()  # for it is cancelled when its time is over
        try:
            fault = await self._exchanged(line, batch)
        except (RedisError, OSError) as error:
            fault = error
        finally:
            if fault:
                for _, answer in batch:
                    _fail(answer, fault)
                await line.disconnect(nowait=True)
                await self._leave()
        self._idle.append(line)

    async def _exchanged(self, line: AbstractConnection, batch: Sequence[Asked]) -> Exception | None:
        """Send all and settle each; return a refusal that says that this is not the server it was, if there was one."""
        fault: Exception | None = None
        if line.is_connected and await line.can_read():  # closed by the server while it was idle
            await line.disconnect()
        await line.connect()  # type: ignore[no-untyped-call] # so redis-py
        await line.send_packed_command(b"".join([command for command, _ in batch]))
        for _, answer in batch:
            try:
                value = await line.read_response()
            except ResponseError as error:
                _fail(answer, error)
                fault = error if isinstance(error, ReadOnlyError) else fault
            else:
                if not answer.done():
                    answer.set_result(value)
        return fault

    async def _leave(self) -> None:
        """Give up the lines that are idle: they lead to the server of before."""
        idle, self._idle = self._idle, []
        for line in idle:
            await line.disconnect(nowait=True)


def _fail(answer: "asyncio.Future[Any]", fault: Exception) -> None:
    if not answer.done():
        answer.set_exception(fault)


def _give_up(answer: "asyncio.Future[Any]") -> None:
    _fail(answer, TimeoutError())
