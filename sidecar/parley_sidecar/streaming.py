"""From a reply to server-sent events: what every door that streams does alike, whatever its events look like.

A door gives its `Renderer`; `connection.respond_events` sends what `frames` yields.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final, Protocol

from parley_sidecar.drafts import replayed
from parley_sidecar.edges import contained
from parley_sidecar.errors import ParleyError
from parley_sidecar.model import Answer, Delta, Reply, Stream

EVENT_STREAM: Final = b"text/event-stream"


class Renderer(Protocol):
    """A door's events, each as complete frames; b"" where it has none."""

    def delta(self, delta: Delta) -> bytes:
        """Render a piece of the answer."""
        ...

    def complete(self, answer: Answer) -> bytes:
        """Render the end: what the pieces did not say, such as usage."""
        ...

    def error(self, error: ParleyError) -> bytes:
        """Render what broke the stream; a caller never meets a silent cut."""
        ...


async def frames(reply: Reply, renderer: Renderer) -> AsyncGenerator[bytes, None]:
    """Yield a reply's frames, the last of them its end or its error; the stream is closed whatever happens."""
    if isinstance(reply, Answer):
        for delta in replayed(reply):
            yield renderer.delta(delta)
        yield renderer.complete(reply)
        return
    try:
        async for frame in _streamed(reply, renderer):
            yield frame
    except ParleyError as error:
        yield renderer.error(error)
    finally:
        await reply.aclose()


async def _streamed(stream: Stream, renderer: Renderer) -> AsyncIterator[bytes]:
    deltas = aiter(stream)
    while (delta := await contained(anext(deltas, None), "converse stream failed")) is not None:
        yield renderer.delta(delta)
    yield renderer.complete(stream.answer)


def accepts_events(accept: bytes | None) -> bool:
    """Say whether an Accept header asks for server-sent events by name. Source: RFC 9110 12.5.1, without weights."""
    if not accept:
        return False
    return any(kind.partition(b";")[0].strip().lower() == EVENT_STREAM for kind in accept.split(b","))
