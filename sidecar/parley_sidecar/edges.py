"""The one place of the sidecar that catches what nobody foresaw: routes, background writes and reloads stand behind it.

A layer or a provider never does: what it cannot answer passes through to here.
"""

import logging
from collections.abc import Awaitable
from typing import TypeVar

from parley_sidecar.errors import ParleyError, Unforeseen

T = TypeVar("T")

logger = logging.getLogger(__name__)


async def contained(work: Awaitable[T], event: str) -> T:
    """Await `work`, so that whoever calls meets `ParleyError` and nothing else; cancellation passes.

    The log gets `event` with the fault's type and place, never its text, which may hold a prompt or a key.

    Raises:
        ParleyError: what `work` raised, or `Unforeseen` in place of a fault of our own.
    """
    try:
        return await work
    except ParleyError:
        raise
    except Exception as error:  # the sidecar's only broad one: an edge must answer, and the process must go on
        logger.error(event, exc_info=error)  # noqa: TRY400 - the formatter leaves its text out
        raise Unforeseen("a fault of the sidecar; its log says where") from None


async def survived(work: Awaitable[object], event: str) -> bool:
    """Await `work` that nobody waits for, and say whether it went well; whatever it raised is logged with `event`."""
    try:
        await contained(work, event)
    except Unforeseen:
        return False  # logged already
    except ParleyError as error:
        logger.warning(event, extra={"reason": error.face.reason, "detail": error.message})
        return False
    return True
