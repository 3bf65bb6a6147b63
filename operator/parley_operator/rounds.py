"""The rounds: what is looked at again and again because no watch tells of it, each feeding the work queue.

`Resync` lists all components; `SecretRounds` reads the Secrets that components need, because a right to watch Secrets
by name does not exist.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

from parley_operator import kube
from parley_operator.errors import Forbidden, NotFound, OperatorError
from parley_operator.kube import Kube
from parley_operator.metrics import Metrics
from parley_operator.published import Published
from parley_operator.reconcile import Outcome
from parley_operator.workqueue import Key, WorkQueue

RESYNC_S: Final = 60.0
FIRST_TRY_S: Final = 2.0
"""Between tries of the first list, while the API server or the CRD is not there."""
FEW_SECRETS: Final = 100
FEW_S: Final = 5.0
READS_PER_S: Final = 20.0
MOST_S: Final = 60.0

logger = logging.getLogger(__name__)


class Resync:
    """Lists all components and enqueues them, and those that are known but not listed any more."""

    def __init__(
        self,
        queue: WorkQueue,
        outcomes: Mapping[Key, Outcome],
        lists: Sequence[Callable[[], Awaitable[set[Key]]]],
    ) -> None:
        """Feed `queue` from `lists`, one for each kind of component."""
        self._queue = queue
        self._outcomes = outcomes
        self._lists = lists

    async def first(self, published: Published) -> None:
        """List until it succeeds, wait until everything listed was gathered, and say that all is there."""
        keys = await self._patiently()
        await self._queue.settled(keys)
        published.mark_synced()
        logger.info("first list done", extra={"components": len(keys)})

    async def _patiently(self) -> set[Key]:
        """Do it once, as soon as it succeeds: the API server, or the CRD, may not be there yet."""
        said = ""
        while True:
            try:
                return await self.once()
            except OperatorError as error:
                if str(error) != said:
                    said = str(error)
                    logger.warning("components not listed yet", extra={"reason": said})
                await asyncio.sleep(FIRST_TRY_S)

    async def again(self) -> None:
        """Do it once more; raises `errors.OperatorError`."""
        await self.once()

    async def once(self) -> set[Key]:
        """List, enqueue, and return the keys."""
        found = [await keys() for keys in self._lists]
        keys = self._outcomes.keys() | set().union(*found)
        for key in keys:
            self._queue.add(key)
        return keys


def round_s(secrets: int) -> float:
    """Return how long a round over so many Secrets takes: 5 s for few, then 20 reads a second, 60 s at most."""
    return FEW_S if secrets <= FEW_SECRETS else min(secrets / READS_PER_S, MOST_S)


class SecretRounds:
    """Reads every needed Secret in turn and enqueues the components that need one that changed."""

    def __init__(
        self,
        api: Kube,
        queue: WorkQueue,
        outcomes: Mapping[Key, Outcome],
        metrics: Metrics,
        round_s: Callable[[int], float] = round_s,
    ) -> None:
        """Feed `queue`; a round over so many Secrets takes `round_s` seconds."""
        self._metrics = metrics
        self._api = api
        self._queue = queue
        self._outcomes = outcomes
        self._round_s = round_s

    async def once(self) -> None:
        """Make one round, spread evenly over its time; one Secret that cannot be read does not hold up the others."""
        clock = asyncio.get_running_loop().time
        needed = users(self._outcomes)
        start, pause_s = clock(), self._round_s(len(needed)) / max(1, len(needed))
        async with asyncio.TaskGroup() as reads:
            for number, ((namespace, secret), keys) in enumerate(needed.items(), 1):
                await asyncio.sleep(start + number * pause_s - clock())
                reads.create_task(self._look(namespace, secret, keys))

    async def _look(self, namespace: str, secret: str, keys: Iterable[Key]) -> None:
        try:
            version = await self._version(namespace, secret)
        except OperatorError as error:
            self._metrics.secret_errors.inc()
            logger.debug("secret not read", extra={"reason": str(error)})
            return
        for key in keys:
            outcome = self._outcomes.get(key)
            if outcome and outcome.secrets.get(secret) != version:
                self._queue.add(key)

    async def _version(self, namespace: str, secret: str) -> str | None:
        try:
            document = await self._api.get(kube.secret(namespace, secret))
        except NotFound:
            return None
        except Forbidden:
            self._metrics.secret_errors.inc()
            return None
        version: str = document["metadata"]["resourceVersion"]
        return version


def users(outcomes: Mapping[Key, Outcome]) -> Mapping[tuple[str, str], list[Key]]:
    """Return the components that need each Secret, by namespace and name of the Secret. Pure."""
    needed: dict[tuple[str, str], list[Key]] = {}
    for key, outcome in outcomes.items():
        for secret in outcome.secrets:
            needed.setdefault((key[0], secret), []).append(key)
    return needed
