"""One connection to a provider: a request goes out, its answer comes in. Used by `pool`; knows httptools.

The answer is parsed where its bytes arrive. Who waits for it is woken once where the whole is wanted, and for each
piece where it streams.
"""

import asyncio
from typing import Final, Protocol, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from parley_sidecar.errors import ParleyError, ProviderGarbled, ProviderUnavailable
from parley_sidecar.http.answer import Answer
from parley_sidecar.http.heads import Headers
from parley_sidecar.http.urls import Origin

MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024
"""The largest answer that is read from a provider in one piece."""
MAX_HEAD_BYTES: Final = 64 * 1024
"""The most that is read on without a byte of a body: of a head, of trailers, of interim answers one after the other."""
HIGH_WATER_BYTES: Final = 256 * 1024
"""How much of a stream is held for a reader that is slow; beyond it, nothing more is read from the connection."""
_LOWEST: Final = 100
_FINAL: Final = 200
"""Statuses below it announce another answer. Source: RFC 9110 15.2."""


class Owner(Protocol):
    """Who has connections, and hears what becomes of them."""

    def made(self, connection: "Connection") -> None:
        """Take one that stands."""

    def keep(self, connection: "Connection") -> None:
        """Take one back that can carry another request."""

    def gone(self, connection: "Connection") -> None:
        """Let go of one that is closed."""


class Connection(asyncio.Protocol):
    """Carries one request at a time."""

    def __init__(self, origin: Origin, owner: Owner, stale_s: float) -> None:
        """Take where it goes, who has it, and how soon after a request a close is one that crossed it."""
        self.origin = origin
        self.idle_since_s = 0.0
        """The loop's time of the last answer's end."""
        self._owner = owner
        self._stale_s = stale_s
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._parser = HttpResponseParser(self)
        self._answer: Answer | None = None
        self._raw: list[tuple[bytes, bytes]] = []
        self._is_lasting = False
        self._is_reused = False
        self._is_paused = False
        self._sent_s = 0.0

    @property
    def is_closing(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._transport.is_closing()

    def send(self, request: bytes, *, is_streamed: bool) -> Answer:
        """Send a request, and return the answer that will come."""
        answer = self._answer = Answer(self, self._loop.create_future(), is_streamed=is_streamed)
        self._sent_s = self._loop.time()
        self._transport.write(request)
        return answer

    def close(self) -> None:
        """End it at once, whatever is under way."""
        self._transport.abort()

    def resume(self) -> None:
        """Go on reading, where that was stopped."""
        if self._is_paused and not self.is_closing:
            self._is_paused = False
            self._transport.resume_reading()

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own has no class in common with it
        self._owner.made(self)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and see what it makes of the answer."""
        answer = self._answer
        if answer is None:  # nobody asked
            self.close()
            return
        held_bytes = answer.held_bytes
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._is_lasting = False
            if not answer.is_complete:
                self._fail(answer, _garbled())
                return
        if answer.held_bytes > MAX_ANSWER_BYTES and not answer.is_streamed:
            self._fail(answer, _garbled())
        elif answer.is_complete:
            self._finish(answer)
        else:
            self._go_on(answer, len(data) if answer.held_bytes == held_bytes else 0)

    def eof_received(self) -> None:
        """Take the end of the connection for that of a body without a length; the transport closes itself."""
        answer = self._answer
        if answer is not None and answer.status and not answer.has_length:
            answer.is_complete = True
            self._is_lasting = False
            self._finish(answer)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - what was the matter makes no difference
        """Say that the answer will not come any more."""
        self._owner.gone(self)
        del self._parser  # each holds the other
        answer = self._answer
        if answer is None:
            return
        is_untouched = not answer.status and not answer.quiet_bytes
        answer.is_stale = self._is_reused and is_untouched and self._loop.time() - self._sent_s <= self._stale_s
        what = "'s answer was cut off" if answer.status else " broke the connection"
        self._fail(answer, ProviderUnavailable(f"the provider{what}"))

    # What the parser calls

    def on_message_begin(self) -> None:
        """Expect one answer to a request."""
        if self._answer is None or self._answer.is_complete:
            raise HttpParserError("more than was asked for")
        self._raw = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a line of the head, or a trailer."""
        self._raw.append((name, value))

    def on_headers_complete(self) -> None:
        """Take the head, unless it is an interim one."""
        status = self._parser.get_status_code()
        if status < _LOWEST or self._answer is None:
            raise HttpParserError("not a status")
        if status >= _FINAL:
            self._answer.status = status
            self._answer.headers = Headers(self._raw)
            self._is_lasting = self._parser.should_keep_alive()
        self._raw = []  # trailers are no headers

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        if self._answer is not None:
            self._answer.pieces.append(body)
            self._answer.held_bytes += len(body)

    def on_message_complete(self) -> None:
        """Take note of the end."""
        if self._answer is not None and self._answer.status:
            self._answer.is_complete = True

    # What becomes of an answer

    def _go_on(self, answer: Answer, quiet_bytes: int) -> None:
        """Wait for more of an answer that has just brought so many bytes and none of a body, or 0 where it had some."""
        answer.quiet_bytes = answer.quiet_bytes + quiet_bytes if quiet_bytes else 0
        if answer.quiet_bytes > MAX_HEAD_BYTES:
            self._fail(answer, _garbled())
        elif answer.is_streamed and answer.status:
            if answer.held_bytes > HIGH_WATER_BYTES and not self._is_paused:
                self._is_paused = True
                self._transport.pause_reading()
            answer.wake()

    def _finish(self, answer: Answer) -> None:
        self._answer = None
        if self._is_lasting and not self._transport.get_write_buffer_size():
            self._is_reused = True
            self.idle_since_s = self._loop.time()
            self._owner.keep(self)
        else:
            self.close()
        answer.wake()

    def _fail(self, answer: Answer, fault: ParleyError) -> None:
        self._answer = None
        answer.fault = fault
        self.close()
        answer.wake()


def _garbled() -> ProviderGarbled:
    return ProviderGarbled("the provider's answer is not HTTP, or too long")
