"""What kubectl tells of a component: an Event for its fault, and one when it is over. By the leader alone.

Ours or Dapr's: on the latter, which is never written, it is all there is beside the metric.
"""

import time
from collections.abc import Callable, Mapping
from typing import Final

from parley_operator.events import Chronicle, Event, Events, Subject, this_minute
from parley_operator.reconcile import Outcome
from parley_operator.workqueue import Key

ROUND_S: Final = 2.0


class ComponentEvents:
    """Compares what is known of all components with what was told; make a new one for each term as leader."""

    def __init__(
        self,
        outcomes: Mapping[Key, Outcome],
        events: Events,
        limit_s: Callable[[], float],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._outcomes = outcomes
        self._events = events
        self._limit_s = limit_s
        self._clock = clock
        self._chronicle = Chronicle(events, limit_s, clock)
        self._faulty: set[Subject] = set()

    async def once(self) -> None:
        """Tell what is new; raises `errors.RetryMayHelp` when the API server cannot be asked."""
        present = {Subject.of(outcome.document): outcome.judged.fault for outcome in list(self._outcomes.values())}
        faults = {subject: fault for subject, fault in present.items() if fault}
        over = sorted((self._faulty & present.keys()) - faults.keys(), key=lambda subject: subject.uid)
        self._faulty = faults.keys() | set(over)
        await self._chronicle.tell(Event(subject, fault.reason, fault.message) for subject, fault in faults.items())
        for subject in over:
            await self._events.tell(recovered(subject, self._clock()), self._limit_s())
            self._faulty.discard(subject)


def recovered(subject: Subject, now: float) -> Event:
    """Tell that a component is good again; `now` is Unix time. Pure."""
    return Event(subject, "Ready", "the component is good again and published", "Normal", this_minute(now))
