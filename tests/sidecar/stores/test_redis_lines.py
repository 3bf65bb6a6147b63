"""Lines to a server: what is asked at once goes together, and each gets its own answer, whatever becomes of the others.

What a dead, frozen, replaced or refusing server does is in test_redis_faults.py and test_redis_failover.py.
"""

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from redis.asyncio.connection import Connection
from redis.exceptions import RedisError, ResponseError

from parley_sidecar.stores.redis_lines import MAX_LINES, MAX_TOGETHER, Lines
from tests.conftest import eventually
from tests.sidecar.own_redis import OwnRedis, own_redis

LIMIT_S = 30
"""Longer than any stall of the machine."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRedis]:
    """A server that only these tests ask."""
    with own_redis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
async def lines(server: OwnRedis) -> AsyncIterator[Lines]:
    """Lines to it."""
    made = Lines(lambda: Connection(host="127.0.0.1", port=server.port, socket_timeout=None), LIMIT_S)
    yield made
    await made.aclose()


def packets(server: OwnRedis) -> int:
    """Return how many the server has read until now, this question's own included."""
    found = re.search(r"total_reads_processed:(\d+)", server.say("info", "stats"))
    assert found
    return int(found[1])


async def asked_of(server: OwnRedis, ask: Callable[[], Awaitable[object]]) -> int:
    """Return how many packets the server read of what is asked."""
    await ask()  # what it takes to connect
    before, between = packets(server), packets(server)
    await ask()
    return packets(server) - between - (between - before)


@pytest.mark.parametrize(("count", "expected"), [(1, 1), (MAX_TOGETHER, 1), (2 * MAX_TOGETHER + 1, 3)])
async def test_what_is_asked_in_one_turn_of_the_loop_goes_together(
    server: OwnRedis, lines: Lines, count: int, expected: int
) -> None:
    """So much at most in one packet."""
    answers: list[Any] = []

    async def ask() -> None:
        answers[:] = await asyncio.gather(*(lines.ask(LIMIT_S, "ECHO", str(number)) for number in range(count)))

    assert expected == await asked_of(server, ask)
    assert [b"%d" % number for number in range(count)] == answers


async def test_a_refusal_is_only_its_own(lines: Lines) -> None:
    """Those before and behind it are answered, over the same line."""
    await lines.ask(LIMIT_S, "SET", "text", b"word")
    asked = (lines.ask(LIMIT_S, *words) for words in (("GET", "text"), ("INCR", "text"), ("GET", "text")))
    before, refusal, behind = await asyncio.gather(*asked, return_exceptions=True)

    assert (b"word", ResponseError, b"word") == (before, type(refusal), behind)


@pytest.mark.parametrize("moment", ["before it is sent", "afterwards"])
async def test_who_leaves_takes_nobody_along(server: OwnRedis, lines: Lines, moment: str) -> None:
    """Those that were asked together are answered, and so is who asks next on that line."""
    await lines.ask(LIMIT_S, "PING")
    server.send(signal.SIGSTOP)
    tasks = [asyncio.create_task(lines.ask(LIMIT_S, "ECHO", str(number))) for number in range(3)]
    for _ in range(1 if moment == "before it is sent" else 10):
        await asyncio.sleep(0)
    tasks[1].cancel()
    server.send(signal.SIGCONT)
    answers = await asyncio.gather(*tasks, return_exceptions=True)

    assert [bytes, asyncio.CancelledError, bytes] == [type(answer) for answer in answers]
    assert (b"0", b"2", b"next") == (answers[0], answers[2], await lines.ask(LIMIT_S, "ECHO", "next"))


async def test_each_has_its_own_limit(server: OwnRedis, lines: Lines) -> None:
    """Who has little time left waits no longer; the others do, and are answered."""
    await lines.ask(LIMIT_S, "PING")
    server.send(signal.SIGSTOP)
    patient = asyncio.create_task(lines.ask(LIMIT_S, "ECHO", "late"))
    with pytest.raises(TimeoutError):
        await lines.ask(0.01, "ECHO", "never")
    server.send(signal.SIGCONT)

    assert b"late" == await patient


async def test_a_packet_that_is_not_answered_in_time_ends(server: OwnRedis) -> None:
    """Also for those who would wait longer; the line is made anew, for its answers would be somebody else's."""
    lines = Lines(lambda: Connection(host="127.0.0.1", port=server.port, socket_timeout=None), 0.2)
    await lines.ask(LIMIT_S, "PING")
    server.send(signal.SIGSTOP)
    late = await asyncio.gather(*(lines.ask(LIMIT_S, "ECHO", "late") for _ in range(2)), return_exceptions=True)
    server.send(signal.SIGCONT)

    answer = None
    while answer is None:
        with suppress(RedisError, TimeoutError):  # the machine is slow
            answer = await lines.ask(LIMIT_S, "ECHO", "other")
    await lines.aclose()

    assert b"other" == answer
    assert [TimeoutError, TimeoutError] == [type(each) for each in late]


async def test_a_fault_ends_all_lines_of_before(server: OwnRedis) -> None:
    """Also those that were idle: they lead to the server that has just failed."""
    lines = Lines(lambda: Connection(host="127.0.0.1", port=server.port, socket_timeout=None), 0.2)

    async def two() -> set[int]:
        """Return which connections are used by two that ask at different times."""
        first = asyncio.create_task(lines.ask(LIMIT_S, "CLIENT", "ID"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return {await lines.ask(LIMIT_S, "CLIENT", "ID"), await first}

    before = await two()
    with pytest.raises(TimeoutError):
        await lines.ask(LIMIT_S, "BLPOP", "nothing", 0)
    after = await two()
    await lines.aclose()

    assert (2, 2) == (len(before), len(after))
    assert max(before) < min(after)


async def test_what_finds_no_line_free_waits_for_its_turn(server: OwnRedis, lines: Lines) -> None:
    """There are only so many connections, however much is asked at different times."""
    blocked = []
    for _ in range(MAX_LINES + 5):
        blocked.append(asyncio.create_task(lines.ask(LIMIT_S, "BLPOP", "nothing", 0)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # each in a packet of its own
    await eventually(lambda: _is_blocked(server, MAX_LINES))
    for _ in blocked:
        server.say("rpush", "nothing", "something")
    answers = await asyncio.gather(*blocked)

    assert [[b"nothing", b"something"]] * len(blocked) == answers


def _is_blocked(server: OwnRedis, number: int) -> bool:
    return f"blocked_clients:{number}\n" in server.say("info", "clients")


async def test_closing_ends_what_nobody_waits_for(server: OwnRedis) -> None:
    """A command whose asker has left does not keep its line; who still waits is told."""
    lines = Lines(lambda: Connection(host="127.0.0.1", port=server.port, socket_timeout=None), LIMIT_S)
    left, waiting = (asyncio.create_task(lines.ask(LIMIT_S, "BLPOP", "nothing", 0)) for _ in range(2))
    await eventually(lambda: _is_blocked(server, 1))
    left.cancel()
    unsent = asyncio.create_task(lines.ask(LIMIT_S, "ECHO", "late"))
    await asyncio.sleep(0)
    await lines.aclose()

    for task in (waiting, unsent):
        with pytest.raises(TimeoutError):
            await task
    await eventually(lambda: _is_blocked(server, 0))
