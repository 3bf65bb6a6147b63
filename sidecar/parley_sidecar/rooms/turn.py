"""One turn of a chat room: from reading its history to storing the answer, while nobody else has a turn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from msgspec.structs import replace

from parley_sidecar.errors import RoomLost
from parley_sidecar.model import Answer, ConverseRequest, Message, RoomVault
from parley_sidecar.rooms import cut, records, vault
from parley_sidecar.rooms.leases import Lease
from parley_sidecar.rooms.opened import Opened
from parley_sidecar.rooms.records import is_instruction
from parley_sidecar.stores.protocol import Keep

TurnOutcome = Literal["stored", "unstored", "busy", "lost"]
"""`unstored`: the provider failed, the caller left, or the store could not be reached."""


class Count(Protocol):
    """What is told of turns; implemented by `metrics`."""

    def count_turn(self, outcome: TurnOutcome) -> None:
        """Count a turn that is over."""
        ...

    def count_room_wait(self, wait_s: float) -> None:
        """Count how long a turn waited for those before it."""
        ...


@dataclass(frozen=True, slots=True)
class Rules:
    """How a component keeps its rooms."""

    ttl_s: float
    """How long after its last turn."""
    limits: cut.Limits


class Turn:
    """The only turn of a room for the time being; whoever has it releases it."""

    def __init__(self, room: Opened, rules: Rules, lease: Lease, count: Count, clock: Callable[[], float]) -> None:
        self.history = cut.History(room.turns())
        self._room = room
        self._rules = rules
        self._lease = lease
        self._count = count
        self._clock = clock
        self._outcome: TurnOutcome = "unstored"
        self._is_over = False

    def request(self, request: ConverseRequest) -> ConverseRequest:
        """Return the request as the provider gets it: with the history, and its answer cached in the room alone.

        Raises:
            InvalidParameters: when it has the result of a tool call that is not part of the room, or is too long.
            RoomLost: when the room was erased after its vault was read for this request.
        """
        if request.vault:
            self._meet(request.vault)
        records.check_size(cut.size_bytes([message for message in request.messages if not is_instruction(message)]))
        messages = cut.prompt(self.history, request.messages, self._rules.limits)
        return replace(request, messages=messages, partition=self._room.partition())

    async def append(self, asked: ConverseRequest, sent: ConverseRequest, answer: Answer) -> None:
        """Store what was asked and answered; the room lives on from now.

        Raises:
            InvalidParameters: when that is too much for one turn.
            RoomLost: when the room was erased, or the turn taken over.
            StoreUnavailable: when the store does not answer.
        """
        turn = self._record(asked.messages, sent, answer)
        room, revision = self._room, self._room.record.revision
        blob = room.seal_turn(revision + 1, records.pack(turn))
        turns = cut.turns_to_keep([*self.history.turns, turn], self._rules.limits.messages)
        keep = Keep(self._rules.ttl_s, turns)
        if not await room.store.append(room.tag, self._lease.token, revision, blob, keep):
            self._outcome = "lost"
            raise RoomLost("the chat room was erased, or taken over by another turn, during this one")
        self._outcome = "stored"

    def release(self) -> None:
        """Let the next turn begin; once, however often it is called."""
        if not self._is_over:
            self._is_over = True
            self._count.count_turn(self._outcome)
            self._lease.release()

    def _meet(self, known: RoomVault) -> None:
        """Add what the turns before this one hid after the request had read the vault: the answer may speak of it."""
        room = self._room
        if known.epoch != room.sealing.epoch:
            self._outcome = "lost"
            raise RoomLost("the chat room was erased during this turn")
        if known.size < len(room.record.values):
            known.add(vault.values(room))

    def _record(self, asked: Sequence[Message], sent: ConverseRequest, answer: Answer) -> records.TurnRecord:
        is_telling = answer.usage is not None and not sent.tools  # tools are counted too, and are no messages
        tokens = answer.usage.prompt_tokens if answer.usage and is_telling else 0
        said = records.said(asked, answer)
        return records.TurnRecord(self._clock(), said, tokens, cut.size_bytes(sent.messages))
