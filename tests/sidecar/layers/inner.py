"""What stands inside of a layer under test: an inner `Converse` that follows a script, and streams that do."""

import asyncio
from collections.abc import AsyncIterator

from parley_sidecar.model import Answer, Choice, ConverseRequest, Delta, Message, Overrides, Reply, Stream, Trace

ANSWER = Answer((Choice("hi"),))

Act = Answer | Stream | BaseException | float
"""Return it, raise it, or be silent for so many seconds and go on with the next one."""


def asking(*, deadline_s: float | None = None, overrides: Overrides | None = None) -> ConverseRequest:
    """Return a request with a trace of its own."""
    trace = Trace("1", deadline_s=deadline_s)
    return ConverseRequest((Message("user", "hello"),), trace, overrides=overrides or Overrides(), wants_stream=True)


class Scripted:
    """Does one act after the other, and the last one for ever; keeps what it was asked."""

    def __init__(self, *acts: Act) -> None:
        self._acts = list(acts)
        self.asked: list[ConverseRequest] = []
        self.cancelled = 0

    async def __call__(self, request: ConverseRequest, /) -> Reply:
        """Answer as the script says."""
        self.asked.append(request)
        while True:
            act = self._acts.pop(0) if len(self._acts) > 1 else self._acts[0]
            if isinstance(act, BaseException):
                raise act
            if not isinstance(act, float | int):
                return act
            try:
                await asyncio.sleep(act)
            except asyncio.CancelledError:
                self.cancelled += 1
                raise


class Streaming:
    """A stream that follows a script: words are deltas, numbers are pauses in seconds, errors are raised."""

    def __init__(self, *acts: str | float | BaseException) -> None:
        self._acts = acts
        self._complete = False
        self.closed = 0

    @property
    def answer(self) -> Answer:
        """The words together."""
        if not self._complete:
            raise RuntimeError("the stream was not read to its end")
        return Answer((Choice("".join(act for act in self._acts if isinstance(act, str))),))

    async def __aiter__(self) -> AsyncIterator[Delta]:
        """Iterate the words."""
        for act in self._acts:
            if isinstance(act, BaseException):
                raise act
            if isinstance(act, str):
                yield Delta(act)
            else:
                await asyncio.sleep(act)
        self._complete = True

    async def aclose(self) -> None:
        """Take note."""
        self.closed += 1


def streamed(reply: Reply) -> Stream:
    """Return a reply that must be a stream."""
    assert not isinstance(reply, Answer)
    return reply


async def read(reply: Reply) -> str:
    """Read a stream to its end."""
    return "".join([delta.text async for delta in streamed(reply)])
