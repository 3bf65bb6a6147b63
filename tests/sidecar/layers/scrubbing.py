"""What stands around a scrub layer: what it hides, what it counts, and an inner `Converse` that listens."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

from parley_crds.resource import Privacy
from parley_sidecar.drafts import Draft, begun
from parley_sidecar.http_client import HttpClient
from parley_sidecar.layers.scrub import Hiding
from parley_sidecar.model import (
    Answer,
    Choice,
    Converse,
    ConverseRequest,
    Delta,
    Message,
    Reply,
    Stream,
    Trace,
    Usage,
)
from parley_sidecar.pii.finder import Finder
from parley_sidecar.pii.vault import NumbersOf
from parley_sidecar.providers import echo


def hiding(numbers_of: NumbersOf | None = None, **privacy: Any) -> Hiding:
    """Return what a component with these privacy settings hides."""
    settings = Privacy(**privacy)
    return Hiding(settings, Finder.of(settings, HttpClient()), numbers_of)


class Counts:
    """What was counted."""

    def __init__(self) -> None:
        self.seen: Counter[tuple[str, str]] = Counter()

    def __call__(self, direction: str, kind: str, times: int) -> None:
        """Add."""
        self.seen[direction, kind] += times


class Heard:
    """A `Converse` that keeps the request and gives one reply."""

    def __init__(self, reply: Reply | None = None) -> None:
        self.requests: list[ConverseRequest] = []
        self._reply = reply or Answer((Choice("fine"),))

    async def __call__(self, request: ConverseRequest, /) -> Reply:
        """Keep, and reply."""
        self.requests.append(request)
        return self._reply


def asking(*messages: Message, scrub_answer: bool = False, wants_stream: bool = False) -> ConverseRequest:
    """Return a request with a trace of its own."""
    return ConverseRequest(messages, Trace("1"), scrub_answer=scrub_answer, wants_stream=wants_stream)


def echoing() -> Converse:
    """Return the echo provider."""
    return echo.connect(echo.Settings(), HttpClient())


async def streaming(*deltas: Delta, fault: Exception | None = None) -> Stream:
    """Return a provider's stream of these deltas, that ends in `fault` if there is one."""
    draft = Draft(usage=Usage(1, 2), model="m")

    async def pieces() -> AsyncIterator[Delta]:
        for delta in deltas:
            yield draft.add(delta)
        if fault:
            raise fault
        for index in sorted({delta.index for delta in deltas}):
            draft.finish("stop", "stop", index)

    return await begun(pieces(), draft)  # type: ignore[arg-type]  # an async generator, which its annotation hides


async def read(stream: Reply) -> list[Delta]:
    """Return all deltas of a stream."""
    assert not isinstance(stream, Answer)
    return [delta async for delta in stream]


def texts(deltas: Sequence[Delta], index: int = 0) -> str:
    """Return the text of one choice."""
    return "".join(delta.text for delta in deltas if delta.index == index)
