"""Components from the operator: a WebSocket that brings a whole snapshot at each change, and takes back what runs.

Whatever goes wrong leaves the components as they are. Each reason is logged once until a snapshot arrives again.
"""

import asyncio
import itertools
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from parley_crds.component import Component
from parley_crds.names import STREAM_PATH
from parley_crds.stream import (
    MAX_MESSAGE_BYTES,
    MAX_PROVIDERS,
    PING_INTERVAL_S,
    Acknowledgement,
    ProviderHealth,
    Snapshot,
    StoreSection,
)
from parley_sidecar import edges
from parley_sidecar.errors import ParleyError
from parley_sidecar.http_client import HttpClient, RefusedError
from parley_sidecar.registry import Registry
from parley_sidecar.settings import Settings
from parley_sidecar.sources import last_good
from parley_sidecar.sources.snapshots import completed, decode
from parley_sidecar.stores import Stores

if TYPE_CHECKING:
    from parley_sidecar.http.websocket import WebSocket

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
LONGEST_ASKED_S: Final = 60.0
"""The longest wait that the operator may ask for."""
LOOK_S: Final = 0.5
"""How often to see whether something about a provider's health changed."""
TELL_S: Final = 2.0
"""The shortest time between two messages that only tell of that."""
MAX_REASON: Final = 512
"""Characters of a reason in an acknowledgement. Source: parley_crds.stream."""
REFUSALS: Final = {
    401: "the operator does not accept this pod's token",
    403: "the operator does not let this pod in: its token is not bound to it, or it was not injected",
    503: "the operator is not ready yet, or too busy",
}

_log = logging.getLogger(__name__)


def pause_s(failures: int, chance: Callable[[], float] = random.random) -> float:
    """Return the seconds until the next attempt: doubling, half of it by chance, so that pods fall out of step."""
    whole = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * (1 << min(failures, 16)))
    return whole * (0.5 + chance() / 2)


def asked_pause_s(asked_s: float, own_s: float) -> float:
    """Return the seconds until the next attempt where the operator asked for some: those, and a part by chance."""
    return max(own_s, min(asked_s, LONGEST_ASKED_S) + min(own_s, 1.0))


@dataclass(frozen=True, slots=True)
class Pace:
    """How patient a stream is."""

    pause_s: Callable[[int], float] = pause_s
    """Seconds until the next attempt, by the number of failed ones before it."""
    open_timeout_s: float = 10.0
    """Until the stream stands, the operator's TokenReview included."""
    look_s: float = LOOK_S
    tell_s: float = TELL_S
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    """How to wait for the next attempt."""


class StreamSource:
    """The operator's stream to this pod."""

    def __init__(
        self,
        settings: Settings,
        http: HttpClient,
        registry: Registry,
        stores: Stores,
        pace: Pace = Pace(),
    ) -> None:
        self._settings = settings
        self._http = http
        self._registry = registry
        self._stores = stores
        self._pace = pace
        self._trust_anchors = settings.trust_anchors
        self._running: Mapping[str, Component] = {}
        self._failed: Mapping[str, str] = {}
        self._hash = ""
        self._said = ""
        self._taken_count = 0
        self._asked_s = 0.0
        self._told: Mapping[str, ProviderHealth] | None = None

    @property
    def left_out(self) -> Mapping[str, str]:
        """The components of the last snapshot that could not be loaded."""
        return self._failed

    async def start(self) -> None:
        """Run what the container before this one kept; without it the API says 503 until the first snapshot."""
        path = self._settings.last_good_file
        if path is None:
            return
        try:
            kept = await asyncio.to_thread(last_good.read, path)
            if kept is not None:
                await self._apply(decode(kept, self._running))
        except (OSError, ValueError) as error:
            self._say(f"the last good snapshot cannot be used: {_words(error)}")

    async def run(self) -> None:
        """Stay connected until cancelled."""
        failures = 0
        while True:
            taken = self._taken_count
            await edges.survived(self._attempt(), "the operator's stream failed")
            failures = 0 if self._taken_count > taken else failures + 1
            own_s = self._pace.pause_s(failures)
            await self._pace.sleep(asked_pause_s(self._asked_s, own_s) if self._asked_s else own_s)

    async def _attempt(self) -> None:
        """Connect and follow until the connection ends, and say why it did."""
        self._asked_s, self._told = 0.0, None
        try:
            await self._follow()
            self._say("the operator closed the connection")
        except RefusedError as error:
            self._asked_s = error.retry_after_s or 0.0
            self._say(REFUSALS.get(error.status, f"the operator refused with status {error.status}"))
        except (ParleyError, OSError) as error:
            self._say(_words(error))

    async def _follow(self) -> None:
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(self._pace.open_timeout_s):
                opening = self._http.websocket(
                    f"{self._settings.operator_url}{STREAM_PATH}",
                    token=self._token(),
                    ca_pem=self._trust_anchors,
                    heartbeat_s=PING_INTERVAL_S,
                    max_bytes=MAX_MESSAGE_BYTES,
                )
                socket = await stack.enter_async_context(opening)
            telling = asyncio.create_task(edges.survived(self._tell(socket), "the operator was not told"))
            stack.callback(telling.cancel)
            async for text in socket.messages():
                await self._answer(socket, await self._taken(text))

    async def _answer(self, socket: "WebSocket", health: str) -> None:
        """Say what runs after the last message, and how the providers do."""
        self._told = self._registry.ailing()
        failed = {name: reason[:MAX_REASON] for name, reason in self._failed.items()}
        providers = dict(itertools.islice(self._told.items(), MAX_PROVIDERS))
        answer = Acknowledgement(ack=self._hash, failed=failed, health=health, providers=providers)
        await socket.send(answer.model_dump_json())

    async def _tell(self, socket: "WebSocket") -> None:
        """Say it again when the providers do otherwise than was said, not too often; not before the first answer."""
        while True:
            await asyncio.sleep(self._pace.look_s)
            if self._told is not None and self._told != self._registry.ailing():
                await self._answer(socket, "ok")
                await asyncio.sleep(self._pace.tell_s)

    def _token(self) -> str:
        """Read the token anew: the kubelet replaces it before it expires."""
        return self._settings.token_file.read_text("utf-8").strip() if self._settings.token_file else ""

    async def _taken(self, text: str) -> str:
        """Apply a snapshot and keep it, and return `ok`; one that cannot be read changes nothing, and that is said."""
        before = self._hash
        try:
            read = decode(text, self._running)
        except ValueError as error:
            self._say(f"the operator sent {error}")
            return f"ignored {error}"[:MAX_REASON]
        await self._apply(read)
        self._said = ""
        self._taken_count += 1
        if self._hash != before:
            await self._keep(completed(text.encode(), read[0]))
        return "ok"

    async def _apply(self, read: tuple[Snapshot, Mapping[str, str]]) -> None:
        """Run a snapshot that was read, and remember what of it could not be."""
        snapshot, unreadable = read
        await self._use(snapshot.store)
        self._failed = {**await self._registry.replace(snapshot.components), **unreadable}
        self._running = {component.name: component for component in snapshot.components}
        self._trust_anchors = snapshot.trust_anchors or self._trust_anchors
        if snapshot.hash != self._hash:
            self._hash = snapshot.hash
            facts = {"components": self._registry.names(), "failed": self._failed, "snapshot": snapshot.hash}
            _log.log(logging.WARNING if self._failed else logging.INFO, "components loaded", extra=facts)

    async def _use(self, section: StoreSection) -> None:
        try:
            await self._stores.use(section)
        except ValueError:  # its words may hold the URL
            _log.warning("the shared store cannot be used", extra={"reason": "its URL, its authority or a key is none"})

    async def _keep(self, snapshot: bytes) -> None:
        path = self._settings.last_good_file
        if path is None:
            return
        try:
            await asyncio.to_thread(last_good.write, path, snapshot)
        except OSError as error:
            self._say(f"the last good snapshot cannot be kept: {_words(error)}")

    def _say(self, reason: str) -> None:
        if reason != self._said:
            self._said = reason
            _log.warning("no new components", extra={"reason": reason})


def _words(error: Exception) -> str:
    """Return what may be logged of an error: the system's words, or ours."""
    if isinstance(error, TimeoutError):
        return "the operator did not answer in time"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error).replace("the provider", "the operator")  # the HTTP client knows nobody else
