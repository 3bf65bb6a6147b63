"""The end of a process: when it is quiet, and when it is done."""

import asyncio

from parley_sidecar.door import Traffic
from parley_sidecar.drain import finish, until_quiet


async def test_it_serves_on_until_nothing_was_asked_for_a_while() -> None:
    """It is unready at once, still takes requests, and ends by itself."""
    traffic = Traffic()
    quiet = asyncio.create_task(until_quiet(traffic, 60, asyncio.Event()))
    await asyncio.sleep(0)

    assert (False, True, False) == (traffic.ready, traffic.open, quiet.done())
    async with asyncio.timeout(30):
        await quiet
    assert traffic.open


async def test_traffic_keeps_it_serving_until_the_limit() -> None:
    """A request that does not end cannot hold it for longer than the drain time."""
    traffic = Traffic(active=1)
    async with asyncio.timeout(30):
        await until_quiet(traffic, 1.5, asyncio.Event())

    assert (1, False) == (traffic.active, traffic.ready)


async def test_a_late_request_begins_the_wait_anew() -> None:
    """What came between two looks counts too."""
    traffic, hurry = Traffic(), asyncio.Event()
    quiet = asyncio.create_task(until_quiet(traffic, 60, hurry))
    for _ in range(30):
        traffic.started += 1
        await asyncio.sleep(0.05)

    assert not quiet.done()
    hurry.set()
    await quiet


async def test_running_requests_are_finished_and_new_ones_refused() -> None:
    """The door closes first; the end waits for the last answer."""
    traffic = Traffic(active=1)
    finishing = asyncio.create_task(finish(traffic, asyncio.Event()))
    await asyncio.sleep(0.2)

    assert (False, False, False) == (traffic.open, traffic.ready, finishing.done())
    traffic.active = 0
    async with asyncio.timeout(30):
        await finishing


async def test_a_hurry_waits_for_nobody() -> None:
    """The second signal ends both waits."""
    traffic, hurry = Traffic(active=1), asyncio.Event()
    hurry.set()
    async with asyncio.timeout(30):
        await until_quiet(traffic, 60, hurry)
        await finish(traffic, hurry)

    assert 1 == traffic.active
