"""Which stored messages go along with a request's new ones: pure.

Tool calls and their results stay together, or go together. The limits cut the oldest exchanges first, an exchange being
a question and all that followed up to the next one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from msgspec.structs import replace

from parley_sidecar.errors import InvalidParameters
from parley_sidecar.model import Message, ToolCall
from parley_sidecar.rooms.records import TurnRecord, is_instruction

BYTES_A_TOKEN: Final = 4.0
"""The usual estimate for text in UTF-8."""
LEAST_BYTES_A_TOKEN: Final = 1.0
MOST_BYTES_A_TOKEN: Final = 8.0
"""What a provider's count is believed within."""
TELLING_BYTES: Final = 512
"""A shorter prompt says nothing about bytes and tokens: what a provider adds to every message outweighs it."""

Unit = tuple[Message, ...]
"""A message; or one that calls tools, and the results."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a room is sent along."""

    messages: int
    tokens: int | None = None
    """An estimate."""


@dataclass(frozen=True, slots=True)
class History:
    """What a room holds: its turns, oldest first."""

    turns: Sequence[TurnRecord] = ()

    @property
    def messages(self) -> list[Message]:
        """All that was said, oldest first."""
        return [message for turn in self.turns for message in turn.messages]

    @property
    def bytes_a_token(self) -> float:
        """What the provider counted last, as bytes for each token; the usual estimate where it said nothing."""
        for turn in reversed(self.turns):
            if turn.prompt_tokens > 0 and turn.prompt_bytes >= TELLING_BYTES:
                return min(max(turn.prompt_bytes / turn.prompt_tokens, LEAST_BYTES_A_TOKEN), MOST_BYTES_A_TOKEN)
        return BYTES_A_TOKEN


def prompt(history: History, new: Sequence[Message], limits: Limits) -> tuple[Message, ...]:
    """Return what is sent: the instructions that begin the request, what is left of the history, the new messages.

    Raises:
        InvalidParameters: when a result among the new messages answers no call that is part of the room.
    """
    head = list(takewhile(is_instruction, new))
    rest = new[len(head) :]
    results = list(takewhile(_is_result, rest))
    units = _units(history.messages, results)
    _check_results(units, rest)
    return (*head, *_kept(units, bool(results), limits, history.bytes_a_token), *rest)


def size_bytes(messages: Sequence[Message]) -> int:
    """Return the length of what was said, in UTF-8."""
    return sum(map(_bytes, messages))


def turns_to_keep(turns: Sequence[TurnRecord], messages: int) -> int:
    """Return how many of the newest turns hold so many messages, and the calls that their first results answer."""
    count = held = 0
    for turn in reversed(turns):
        if held >= messages and not _begins_with_results(turns[len(turns) - count]):
            break
        count, held = count + 1, held + len(turn.said)
    return max(1, min(count, messages))


def _begins_with_results(turn: TurnRecord) -> bool:
    return bool(turn.said) and turn.said[0].role == "tool"


def _units(messages: Sequence[Message], new_results: Sequence[Message]) -> list[Unit]:
    """Put calls and results together; calls without a result are left out, and results without a call."""
    units: list[Unit] = []
    place = 0
    while place < len(messages):
        message = messages[place]
        results = list(takewhile(_is_result, messages[place + 1 :])) if message.tool_calls else []
        is_last = place + 1 + len(results) == len(messages)
        answers = [*results, *new_results] if is_last else results
        units += _unit(message, results, answers)
        place += 1 + len(results)
    return units


def _unit(message: Message, results: Sequence[Message], answers: Sequence[Message]) -> list[Unit]:
    """Return a message with its results, of which `answers` are all, or nothing if it says nothing."""
    if _is_result(message):
        return []
    answered = _answered(message.tool_calls, answers) if message.tool_calls else ()
    if message.role == "assistant" and not answered and not message.text:
        return []
    asked = message if answered == message.tool_calls else replace(message, tool_calls=answered)
    return [(asked, *(result for result in results if _answered(answered, [result])))]


def _answered(calls: Sequence[ToolCall], results: Sequence[Message]) -> tuple[ToolCall, ...]:
    """Return the calls that have a result; one that does not say which call it answers may answer any."""
    ids = {result.tool_call_id or "" for result in results}
    return tuple(call for call in calls if call.id in ids or "" in ids)


def _check_results(units: Sequence[Unit], new: Sequence[Message]) -> None:
    """Refuse a result whose call is not there: a provider would, in words that nobody understands."""
    calls: tuple[ToolCall, ...] = units[-1][0].tool_calls if units else ()
    for message in new:
        if not _is_result(message):
            calls = message.tool_calls
        elif not _answered(calls, [message]):
            raise InvalidParameters("a tool's result answers no call of the chat room, or none that is still stored")


def _kept(units: Sequence[Unit], has_results: bool, limits: Limits, bytes_a_token: float) -> list[Message]:  # noqa: FBT001
    """Return the newest exchanges that are within the limits."""
    room = _Room(limits.messages, None if limits.tokens is None else limits.tokens * bytes_a_token)
    exchanges = _exchanges(units)
    kept: list[Unit] = []
    while exchanges and room.takes(exchanges[-1]):
        kept = exchanges.pop() + kept
    if exchanges and not kept:
        kept = _newest(exchanges[-1], has_results, room)
    return [message for unit in kept for message in unit]


def _exchanges(units: Sequence[Unit]) -> list[list[Unit]]:
    """Split before each question: a user's message after somebody else's."""
    exchanges: list[list[Unit]] = []
    follows_question = False
    for unit in units:
        is_question = unit[0].role == "user"
        if not exchanges or (is_question and not follows_question):
            exchanges.append([])
        exchanges[-1].append(unit)
        follows_question = is_question
    return exchanges


def _newest(exchange: list[Unit], has_results: bool, room: "_Room") -> list[Unit]:  # noqa: FBT001
    """Return the question of an exchange that is too long, and as much of its end as fits.

    The call that the new messages answer is always part of it.
    """
    question = list(takewhile(lambda unit: unit[0].role == "user", exchange))
    asked = exchange[-1:] if has_results else []
    if not room.takes([*question, *asked]):
        return asked
    middle = exchange[len(question) : len(exchange) - len(asked)]
    newest = list(takewhile(lambda unit: room.takes([unit]), reversed(middle)))
    end = [*reversed(newest), *asked]
    return [*question, *end] if end else []


@dataclass(slots=True)
class _Room:
    """What may still be sent."""

    messages: int
    bytes: float | None

    def takes(self, units: Sequence[Unit]) -> bool:
        """Make room for some units, if there is enough."""
        messages = [message for unit in units for message in unit]
        left = None if self.bytes is None else self.bytes - size_bytes(messages)
        if len(messages) > self.messages or (left is not None and left < 0):
            return False
        self.messages -= len(messages)
        self.bytes = left
        return True


def _bytes(message: Message) -> int:
    calls = sum(_utf8(call.name) + _utf8(call.arguments) for call in message.tool_calls) if message.tool_calls else 0
    return _utf8(message.text) + calls + (_utf8(message.name) if message.name else 0)


def _utf8(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def _is_result(message: Message) -> bool:
    return message.role == "tool"
