"""Leadership: one replica writes, the holder of a Lease. Held: the writer tasks run. Lost: they are cancelled.

The rules are those of client-go's leader election: a Lease is free when its record has not changed for its duration, by
the clock of whoever looks, so that skewed clocks do no harm. A holder stops writing well before that.
"""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from parley_operator import kube
from parley_operator.edges import succeeded
from parley_operator.errors import NotFound, OperatorError
from parley_operator.health import Pulse
from parley_operator.kube import Kube, Object

DURATION_S: Final = 15
"""How long a Lease is respected without being renewed. Source: client-go's defaults, as the two below."""
RENEW_DEADLINE_S: Final = 10.0
RETRY_S: Final = 2.0
TRY_LIMIT_S: Final = 5.0
"""How long one try to acquire or renew may take; a holder's try ends with its renew deadline."""
JUST_AFTER_S: Final = 0.1
"""How long after the end of another's time a standby tries: a leader that was killed is replaced soon."""
CANCEL_LIMIT_S: Final = 5.0
"""A writer that cannot be stopped in this time is ended with its process."""

Move = Literal["acquire", "renew", "wait"]
Whose = Literal["ours", "theirs", "unknown"]
Lead = Callable[[], Awaitable[None]]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Timing:
    """By which clock the Lease's times run, and how long this replica waits of its own accord, in seconds."""

    clock: Callable[[], float] = time.monotonic
    retry_s: float = RETRY_S
    try_limit_s: float = TRY_LIMIT_S
    cancel_limit_s: float = CANCEL_LIMIT_S


@dataclass(slots=True)
class Observed:
    """A Lease's record as this replica last saw it change."""

    record: Object
    since: float
    """When, by this replica's monotonic clock, in seconds."""


def duration_s(spec: Object) -> float:
    """Return how long a Lease is respected, in seconds. Pure."""
    return float(spec.get("leaseDurationSeconds") or DURATION_S)


def decide(spec: Object, identity: str, unchanged_s: float) -> Move:
    """Say what to do about a Lease whose record has not changed for `unchanged_s` seconds. Pure."""
    holder = spec.get("holderIdentity")
    if holder == identity:
        return "renew"
    if not holder or unchanged_s > duration_s(spec):
        return "acquire"
    return "wait"


def taken(spec: Object, identity: str, now: datetime, move: Move) -> Object:
    """Return the Lease's record after a move of ours. Pure."""
    time_text = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    transitions = int(spec.get("leaseTransitions") or 0) + (move == "acquire")
    return {
        "holderIdentity": identity,
        "leaseDurationSeconds": DURATION_S,
        "acquireTime": time_text if move == "acquire" else spec.get("acquireTime", time_text),
        "renewTime": time_text,
        "leaseTransitions": transitions,
    }


def end_process() -> None:
    """End at once, without waiting for what does not stop: a new leader may write from now on."""
    os._exit(1)


class Leadership:
    """Holds the Lease while `run` runs and nobody else does."""

    def __init__(
        self,
        api: Kube,
        lease: tuple[str, str],
        identity: str,
        timing: Timing = Timing(),
        give_up: Callable[[], None] = end_process,
    ) -> None:
        """Compete as `identity` for a Lease, by namespace and name; call `give_up` if writers do not stop when told."""
        self._api = api
        self._namespace, self._name = lease
        self._identity = identity
        self._timing = timing
        self._clock = timing.clock
        self._give_up = give_up
        self._observed: Observed | None = None
        self._renewed = float("-inf")
        self._writers: asyncio.Task[bool] | None = None
        self.pulse = Pulse(timing.clock)
        """Tries for the Lease; one that reads or renews it is a success."""

    @property
    def is_held(self) -> bool:
        """Whether this replica leads."""
        return self._writers is not None

    def remaining_s(self) -> float:
        """Return how long a write of the leader may take: what is left until the renew deadline, in seconds."""
        return max(0.0, self._renewed + RENEW_DEADLINE_S - self._clock())

    async def run(self, lead: Lead) -> None:
        """Try for the Lease until cancelled, run `lead` while it is held, and give it back at the end.

        A `lead` that ends by itself, or fails, is begun anew at the next renewal.
        """
        try:
            while True:
                whose = await self._try()
                if whose == "ours":
                    self._begin(lead)
                elif self.is_held and (whose == "theirs" or not self.remaining_s()):
                    await self._end("lease lost")
                await asyncio.sleep(min(self._timing.retry_s, self._next_s()))
        finally:
            if self.is_held:
                await self._end("lease given back")
                await self._release()

    def _next_s(self) -> float:
        """Return the seconds until something happens by itself: our deadline, or the end of another's time."""
        if self.is_held:
            return self.remaining_s()
        if self._observed is None:
            return self._timing.retry_s
        left_s = self._observed.since + duration_s(self._observed.record) - self._clock()
        return left_s + JUST_AFTER_S if left_s > 0 else self._timing.retry_s

    async def _try(self) -> Whose:
        """Acquire or renew, and say whose it is; unknown when the API server does not answer, or refuses."""
        self.pulse.note_try()
        limit_s = self._timing.try_limit_s
        if self.is_held:
            limit_s = min(limit_s, self.remaining_s())
        try:
            async with asyncio.timeout(limit_s):
                whose = await self._move()
        except (OperatorError, TimeoutError) as error:
            logger.warning("lease not renewed" if self.is_held else "lease not read", extra={"reason": str(error)})
            return "unknown"
        self.pulse.note_success()
        return whose

    async def _move(self) -> Whose:
        asked = self._clock()
        lease = await self._lease()
        spec = lease.get("spec") or {}
        if self._observed is None or self._observed.record != spec:
            self._observed = Observed(spec, asked)
        move = decide(spec, self._identity, asked - self._observed.since)
        if move == "wait":
            return "theirs"
        await self._api.replace(self._path, {**lease, "spec": taken(spec, self._identity, datetime.now(UTC), move)})
        self._renewed = asked
        return "ours"

    @property
    def _path(self) -> str:
        return kube.lease(self._namespace, self._name)

    async def _lease(self) -> Object:
        try:
            return await self._api.get(self._path)
        except NotFound:
            body: dict[str, Any] = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": self._name, "namespace": self._namespace},
            }
            return await self._api.create(kube.lease(self._namespace), body)

    def _begin(self, lead: Lead) -> None:
        if self._writers is None or self._writers.done():
            logger.info("lease held" if self._writers is None else "writers begun anew", extra=self._who)
            self._writers = asyncio.ensure_future(succeeded(lead(), "writers failed"))

    async def _end(self, event: str) -> None:
        """Stop the writers; a process whose writers do not stop must not go on beside a new leader's."""
        logger.info(event, extra=self._who)
        writers, self._writers = self._writers, None
        if writers is None:
            return
        writers.cancel()
        done, _ = await asyncio.wait([writers], timeout=self._timing.cancel_limit_s)
        if not done:
            logger.critical("the writers of a lost lease do not stop", extra=self._who)
            self._give_up()

    @property
    def _who(self) -> dict[str, str]:
        return {"identity": self._identity}

    async def _release(self) -> None:
        """Let a successor have the Lease at once."""
        try:
            async with asyncio.timeout(self._timing.try_limit_s):
                lease = await self._api.get(self._path)
                spec = lease.get("spec") or {}
                if spec.get("holderIdentity") == self._identity:
                    await self._api.replace(self._path, {**lease, "spec": {**spec, "holderIdentity": ""}})
        except (OperatorError, TimeoutError) as error:
            logger.warning("lease not given back", extra={"reason": str(error)})
