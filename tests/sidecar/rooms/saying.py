"""Short words for what is said in a chat room."""

from parley_sidecar.model import Answer, Choice, ConverseRequest, Message, ToolCall, Trace, Usage
from parley_sidecar.pii.vault import Vault
from parley_sidecar.rooms.records import TurnRecord, said


def system(text: str) -> Message:
    """Instruct."""
    return Message("system", text)


def user(text: str) -> Message:
    """Ask."""
    return Message("user", text)


def assistant(text: str, *call_ids: str) -> Message:
    """Answer, and call tools."""
    return Message("assistant", text, tool_calls=tuple(ToolCall(call_id, "look") for call_id in call_ids))


def result(call_id: str, text: str = "found") -> Message:
    """Give a tool's result."""
    return Message("tool", text, "look", tool_call_id=call_id)


def answer(text: str, *call_ids: str, prompt_tokens: int = 0) -> Answer:
    """Return an answer as a provider gives it."""
    return Answer((Choice(text, tool_calls=assistant(text, *call_ids).tool_calls),), Usage(prompt_tokens, 1))


def turn(*asked: Message, to: Answer) -> TurnRecord:
    """Return a turn as it is stored."""
    return TurnRecord(1.0, said(asked, to))


def request(*messages: Message, context_id: str | None = "room", vault: Vault | None = None) -> ConverseRequest:
    """Return a request in a room, as it comes from the scrub layer that may have read the room's vault."""
    return ConverseRequest(messages, Trace("1"), context_id=context_id, vault=vault)
