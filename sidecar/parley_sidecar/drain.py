"""The end of the process, in order: not ready, still serving until it is quiet, then refusing, finishing what runs.

Called by `run`. In a pod the application ends before its sidecar, and what it asks while ending is answered.
"""

import asyncio
from typing import Final

from parley_sidecar.door import Traffic

QUIET_S: Final = 1.0
"""How long nothing may be asked until nothing more is expected."""
POLL_S: Final = 0.05


async def until_quiet(traffic: Traffic, limit_s: float, hurry: asyncio.Event) -> None:
    """Be unready, and serve on until nothing was asked for a second, or for `limit_s` seconds."""
    traffic.ready = False
    clock = asyncio.get_running_loop().time
    end = clock() + limit_s
    started, quiet_since = traffic.started, clock()
    while not hurry.is_set() and clock() < end and clock() - quiet_since < QUIET_S:
        await asyncio.sleep(POLL_S)
        if traffic.active or traffic.started != started:
            started, quiet_since = traffic.started, clock()


async def finish(traffic: Traffic, hurry: asyncio.Event) -> None:
    """Refuse new requests and wait for the running ones, which end by their components' timeouts at the latest."""
    traffic.ready = traffic.open = False
    while traffic.active and not hurry.is_set():  # noqa: ASYNC110 - the hot path counts, it sets no events
        await asyncio.sleep(POLL_S)
