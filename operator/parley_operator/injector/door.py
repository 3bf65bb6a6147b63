"""Who is let in: how many reviews at once, and none when the process is about to stop.

A review that is not let in is told to come back in a second: the API server does so up to three times within its
timeout, and reaches another replica. That beats a queue which outlives the timeout.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

Closed = Literal["in_flight", "draining"]


class Door:
    """Counts who is inside. Served by one event loop, so it needs no lock."""

    def __init__(self, max_in_flight: int) -> None:
        self.max_in_flight = max_in_flight
        self.in_flight = 0
        self.leaving = False
        """Readiness is off; what still comes is served, and told to connect elsewhere next time."""
        self.closed = False
        """What still comes is sent away."""

    def why_closed(self) -> Closed | None:
        """Return why nobody more is let in, or None."""
        if self.closed:
            return "draining"
        return "in_flight" if self.in_flight > self.max_in_flight else None

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Count one in, and out again."""
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1
