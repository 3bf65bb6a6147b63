"""Following one kind of component: watched as soon as it can be, and again whenever a watch is over.

Never idle for ever: a watch that ends, or falls silent, is begun anew, without a restart of the process, which sidecars
hang on. What it missed meanwhile is listed.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from parley_operator.edges import succeeded
from parley_operator.errors import OperatorError, RetryWillNotHelp
from parley_operator.handlers import Watcher
from parley_operator.health import Pulse
from parley_operator.kube import Kube
from parley_operator.metrics import Metrics

logger = logging.getLogger(__name__)


class Following:
    """Keeps one kind's watch running."""

    def __init__(self, api: Kube, watcher: Watcher, resync: Callable[[], Awaitable[None]], metrics: Metrics) -> None:
        """Keep `watcher` running; `resync` lists what it may have missed."""
        self._api = api
        self._watcher = watcher
        self._resync = resync
        self._metrics = metrics

    async def run(self) -> None:
        """Follow until cancelled."""
        await self._until_it_is_there()
        while True:
            await self._watch()
            self._metrics.watch_restarts.inc()
            logger.warning("watch is over, and begins anew", extra={"resource": self._watcher.kind.plural})
            await asyncio.sleep(self._watcher.pace.pause_s)
            await self._until_it_is_there()
            await succeeded(self._resync(), "components not listed")

    async def _watch(self) -> None:
        """Watch until the watch ends, or is stuck."""
        stuck_s, begun = self._watcher.pace.stuck_s, Pulse()
        watch = asyncio.create_task(self._watcher.run())
        try:
            while not watch.done() and min(self._watcher.pulse.idle_s(), begun.idle_s()) < stuck_s:
                await asyncio.wait([watch], timeout=stuck_s / 10)
        finally:
            watch.cancel()
            await asyncio.wait([watch])

    async def _until_it_is_there(self) -> None:
        """Look for the resource, without which kopf would wait for ever; a guest's may come late, or never."""
        said = ""
        while True:
            try:
                return await self._look()
            except OperatorError as error:
                self._watcher.pulse.note_try()  # it is us who wait, and the next watch has its time
                if str(error) != said:
                    said = str(error)
                    logger.warning("components cannot be watched yet", extra={"reason": said})
                may_be_long = self._watcher.kind.is_guest and isinstance(error, RetryWillNotHelp)
                await asyncio.sleep(self._watcher.pace.guest_absent_s if may_be_long else self._watcher.pace.absent_s)

    async def _look(self) -> None:
        for path in self._watcher.kind.paths(self._watcher.namespaces):
            await self._api.get(path, {"limit": "1"})
