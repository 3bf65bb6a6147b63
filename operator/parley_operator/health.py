"""Health: the process judges itself, for `/livez` and for the metrics that tell ages.

Two questions are kept apart. Is it alive: does it still try? Only that may end in a restart, by the kubelet, when
`/livez` answers 503. Is it well: does what it tries succeed? That is shown by metrics alone. An API server that is
lost, slow, or refuses us makes every success old and no try: a restart would heal nothing and lose what is published.

| judge | alive while                                  | shown                                    |
|-------|----------------------------------------------|------------------------------------------|
| loop  | its clock ticks no later than LOOP_LIMIT_S   | how late it ticked in the last minute    |
| watch | kopf asks, whatever it is answered           | since it was answered, or told something |
| queue | work ends while work is due, well or badly   | how long the oldest key has been due     |
| lease | it is tried for, whoever holds it            | since it was read or renewed             |
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

TICK_S: Final = 1.0
TICKS: Final = 60
"""How many ticks the shown lateness looks back."""
LOOP_LIMIT_S: Final = 10.0
"""A loop that is later than this cannot keep its Lease."""
WATCH_LIMIT_S: Final = 240.0
"""Twice the time after which a stuck watch is begun anew: that did not help."""
QUEUE_LIMIT_S: Final = 180.0
"""No call to the API server takes longer than 10 s, and no key more than a few of them."""
LEASE_LIMIT_S: Final = 60.0
"""It is tried for every 2 s, and a try ends after 5 s."""

Clock = Callable[[], float]


@dataclass(slots=True)
class Pulse:
    """When something was last tried, and when it last succeeded; may be told and read from any thread."""

    clock: Clock = time.monotonic
    tried: float = field(init=False)
    """By `clock`, in seconds; at first when it was made."""
    succeeded: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin now: nothing is overdue at the start."""
        self.tried = self.succeeded = self.clock()

    def note_try(self) -> None:
        """Note that it is tried."""
        self.tried = self.clock()

    def note_success(self) -> None:
        """Note that it succeeded, which is a try too."""
        self.tried = self.succeeded = self.clock()

    def idle_s(self) -> float:
        """Return the seconds since it was last tried."""
        return max(0.0, self.clock() - self.tried)

    def age_s(self) -> float:
        """Return the seconds since it last succeeded."""
        return max(0.0, self.clock() - self.succeeded)


class LoopLag:
    """How late an event loop comes to what is due in it, measured by a task that ticks in it."""

    def __init__(self, clock: Clock = time.monotonic, tick_s: float = TICK_S) -> None:
        self._clock = clock
        self._tick_s = tick_s
        self._due: float | None = None
        self._late: deque[float] = deque(maxlen=TICKS)

    async def tick(self) -> None:
        """Tick until cancelled."""
        while True:
            self._due = self._clock() + self._tick_s
            await asyncio.sleep(self._tick_s)
            self._late.append(self._overdue_s())

    def now_s(self) -> float:
        """Return how late the last tick was, or the next one already is, in seconds."""
        return max(self._overdue_s(), *list(self._late)[-1:], 0.0)

    def worst_s(self) -> float:
        """Return the most of it within the last minute: what a scrape would miss."""
        return max(self._overdue_s(), *list(self._late), 0.0)

    def _overdue_s(self) -> float:
        return 0.0 if self._due is None else max(0.0, self._clock() - self._due)


@dataclass(frozen=True, slots=True)
class Judge:
    """Reads one age and holds it against its limit."""

    name: str
    complaint: str
    """What is wrong above the limit; `{age_s}` stands for the seconds."""
    age_s: Callable[[], float]
    limit_s: float

    def verdict(self) -> str | None:
        """Return a sentence if the limit is passed."""
        age_s = self.age_s()
        return f"{self.name}: {self.complaint.format(age_s=f'{age_s:.0f}')}" if age_s > self.limit_s else None


def verdicts(judges: Iterable[Judge]) -> tuple[str, ...]:
    """Return the sentences of all judges that complain; none: the process is alive."""
    return tuple(sentence for judge in judges if (sentence := judge.verdict()))
