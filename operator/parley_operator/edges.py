"""The one place of the operator that catches what nobody foresaw; the work queue and endless tasks stand behind it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from parley_operator.errors import OperatorError

logger = logging.getLogger(__name__)


async def succeeded(work: Awaitable[None], event: str) -> bool:
    """Await `work` and say whether it ended well; cancellation passes.

    The log gets `event` with the fault's type and place, never its text, which may hold an object's content: only our
    own errors are known to have a safe one.
    """
    try:
        await work
    except OperatorError as error:
        logger.warning(event, extra={"fault": type(error).__name__, "reason": str(error)})
        return False
    except Exception as error:
        logger.warning(event, extra={"fault": type(error).__name__}, exc_info=error)
        return False
    return True


async def contained(work: Awaitable[None], event: str) -> bool:
    """Await `work` and say whether it ended without a fault of our own, which is logged as `succeeded` does.

    The API server's errors, and cancellation, pass.
    """
    try:
        await work
    except OperatorError:
        raise
    except Exception as error:
        logger.warning(event, extra={"fault": type(error).__name__}, exc_info=error)
        return False
    return True


async def forever(step: Callable[[], Awaitable[None]], pause_s: float, event: str) -> None:
    """Repeat `step` with pauses until cancelled, whatever goes wrong in one of them."""
    while True:
        await succeeded(step(), event)
        await asyncio.sleep(pause_s)
