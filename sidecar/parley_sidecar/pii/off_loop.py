"""Work on text that is too long for the event loop. Used by `layers.scrub` and `streams`."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def scanned(characters: int, limit: int, scan: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a scan of so many characters says: at once if they are fewer than the limit, from a thread if not."""
    if characters < limit:
        return scan(*args, **kwargs)
    return await asyncio.to_thread(scan, *args, **kwargs)
