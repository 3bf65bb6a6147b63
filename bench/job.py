"""What the load generator is told and what it answers; both sides of the pipe between `load` and `processes`."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

PLACE: Final = "########"
"""Where a job's body takes the number of its prompt; as many digits, so that all bodies have one length."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What to ask: `connections` times `each` requests of one form."""

    port: int
    others: Sequence[int] = ()
    """Ports that take their turns with the first one, connection by connection."""
    path: str
    body: str = ""
    """JSON, with PLACE in the prompt; empty: the path is fetched."""
    headers: Mapping[str, str] = {}
    """What is sent besides those that every request has."""
    connections: int = 1
    each: int = 1
    first: int = 0
    """The first prompt's number."""
    distinct: int = 0
    """Prompts come round again after this many; 0: each is new."""
    per_s: float = 0.0
    """Requests of all connections together; 0: each asks again as soon as it is answered."""
    authorities: str = ""
    """The file of those that must have signed the server's certificate; empty: no TLS."""
    expected: str = ""
    """What every answer must hold, in its head or body."""
    events: int = 0
    """How many server-sent events every answer has at least, between which the gaps are taken; 0: it is no stream."""
    ending: str = ""
    """What the last of a stream's events must hold."""


class StreamTimes(msgspec.Struct, frozen=True, kw_only=True):
    """When the events of a job's streams came."""

    first_p50_us: float
    """From the request to the first event."""
    first_p99_us: float
    gap_p50_us: float
    """Between one of the job's number of events and the next."""
    gap_p99_us: float


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a job. With a `failure` the figures say nothing."""

    requests: int
    duration_s: float
    p50_us: float
    p99_us: float
    max_us: float = 0.0
    stream: StreamTimes | None = None
    failure: str = ""
