"""Server-sent events as they come from a provider: a bounded splitter of our own, and an iterator over it.

Providers that stream text read with it. Source: the HTML standard, 9.2.6 "Interpreting an event stream".
"""

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final, Self

from parley_sidecar.errors import ProviderGarbled

MAX_LINE_BYTES: Final = 4 * 1024 * 1024
"""The longest line, and the most data of one event: a provider cannot make us hold more."""
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `data` may hold an answer: never log it."""

    name: str
    """`message` where the server names none."""
    data: bytes = field(repr=False)


def events(chunks: AsyncIterator[bytes]) -> AsyncIterator[Event]:
    """Iterate the events in a body that comes in pieces of any size; an event without its empty line is none.

    Raises:
        ProviderGarbled: when a line, or the data of an event, is over 4 MiB.
    """
    return _Events(chunks)


class _Events:
    """No generator, so that nothing is left to be finalized when its reader stops early."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._splitter = Splitter()
        self._ready: deque[Event] = deque()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._ready:
            self._ready.extend(self._splitter.feed(await anext(self._chunks)))
        return self._ready.popleft()


class Splitter:
    """Bytes in, complete events out."""

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._after_return = False
        self._began = False
        self._name = ""
        self._data: list[bytes] = []
        self._data_bytes = 0

    def feed(self, chunk: bytes) -> list[Event]:
        """Take the next piece, and return the events that are complete with it.

        Raises:
            ProviderGarbled: when a line, or the data of an event, is over 4 MiB.
        """
        return [event for line in self._lines(chunk) if (event := self._take(line)) is not None]

    def _lines(self, chunk: bytes) -> list[bytes]:
        """Return the lines that end in `chunk`; a line ends with CR LF, LF or CR, CR LF even in two pieces."""
        if self._after_return and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        if chunk:
            self._after_return = chunk.endswith(b"\r")
        end = max(chunk.rfind(b"\n"), chunk.rfind(b"\r")) + 1
        if not end:
            self._hold(chunk)
            return []
        lines = b"".join([*self._held, chunk[:end]]).splitlines()
        self._held, self._held_bytes = [], 0
        self._hold(chunk[end:])
        return lines

    def _hold(self, piece: bytes) -> None:
        self._held.append(piece)
        self._held_bytes += len(piece)
        if self._held_bytes > MAX_LINE_BYTES:
            raise _too_long()

    def _take(self, line: bytes) -> Event | None:
        """Take a line in; an empty one completes the event."""
        if not self._began:
            self._began, line = True, line.removeprefix(_BOM)
        if not line:
            return self._complete()
        name, _, value = line.partition(b":")
        if name == b"data":
            self._add(value.removeprefix(b" "))
        elif name == b"event":
            self._name = value.removeprefix(b" ").decode("utf-8", "replace")
        return None

    def _add(self, data: bytes) -> None:
        self._data.append(data)
        self._data_bytes += len(data) + 1
        if self._data_bytes > MAX_LINE_BYTES:
            raise _too_long()

    def _complete(self) -> Event | None:
        event = Event(self._name or "message", b"\n".join(self._data)) if self._data else None
        self._name, self._data, self._data_bytes = "", [], 0
        return event


def _too_long() -> ProviderGarbled:
    return ProviderGarbled("an event of the provider's stream is too long")
