"""A replica in the test's own process as far as it reads and publishes: its queue, its lists, its watches."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from parley_operator.handlers import Pace
from parley_operator.kube import Kube
from parley_operator.operate import Operator
from tests.operator.serving import eventually, settings
from tests.operator.world import Plant


@contextlib.asynccontextmanager
async def following(plant: Plant, api: Kube, pace: Pace, **different: Any) -> AsyncIterator[Operator]:
    """Run it inside the block, with these settings different."""
    operator = Operator(api, settings(plant, **different), pace)
    tasks = [asyncio.create_task(work) for work in (operator.queue.run(), operator._watch())]
    try:
        await eventually("the first list", lambda: operator.published.synced)
        await eventually("our watch", lambda: operator.watchers[0].is_watching)
        yield operator
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        operator.own.close()
