"""The messages of OpenAI's chat completions -> the model's; `openai_request` calls it.

Source: OpenAI's chat completions reference, `messages`. What is no text is refused, fields of a message that are not
named here are ignored, since clients send back whole messages that they got.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from parley_sidecar.errors import InvalidParameters, MissingInputs
from parley_sidecar.model import Message, Role, ToolCall
from parley_sidecar.wire.openai_reply import CalledFunction

MAX_SHOWN: Final = 64
"""As much of a caller's word as an error repeats."""
OpenAIRole = Literal["developer", "system", "user", "assistant", "tool", "function"]


class Part(msgspec.Struct):
    """A piece of a message's content."""

    type: str
    text: str | None = None
    refusal: str | None = None


class Call(msgspec.Struct):
    """A tool call of an assistant."""

    id: str
    type: str = "function"
    function: CalledFunction | None = None


class Turn(msgspec.Struct):
    """A message, whoever speaks."""

    role: OpenAIRole
    content: str | list[Part] | None = None
    name: str | None = None
    refusal: str | None = None
    tool_calls: list[Call] | None = None
    tool_call_id: str | None = None
    function_call: Any = None
    audio: Any = None


def wrong(sentence: str, place: str) -> InvalidParameters:
    """Return a refusal that names its field as msgspec names those of a wrong type, so that both get a `param`."""
    return InvalidParameters(located(sentence, place))


def located(sentence: str, place: str) -> str:
    """Return a sentence with the field that it is about."""
    return f"{sentence} - at `$.{place}`"


def messages(turns: Sequence[Turn], *, scrub: bool) -> tuple[Message, ...]:
    """Return the messages; the result of a tool gets the name of the tool that was called.

    Raises:
        MissingInputs: when there are none.
        InvalidParameters: when one holds what is no text, or lacks what its role needs.
    """
    if not turns:
        raise MissingInputs(located("at least one message is needed", "messages"))
    return tuple(_messages(turns, scrub=scrub))


def _messages(turns: Sequence[Turn], *, scrub: bool) -> Iterator[Message]:
    called: dict[str, str] = {}
    for number, turn in enumerate(turns):
        place = f"messages[{number}]"
        role = _role(turn, place)
        calls = tuple(_calls(turn, place))
        called |= {call.id: call.name for call in calls}
        yield Message(
            role=role,
            text=_text(turn, place),
            name=_name(turn, called),
            tool_calls=calls,
            tool_call_id=turn.tool_call_id if role == "tool" else None,
            scrub=scrub,
        )


def _role(turn: Turn, place: str) -> Role:
    if turn.role == "function":
        raise wrong("messages of the role function are deprecated: use the role tool", f"{place}.role")
    if turn.function_call is not None:
        raise wrong("function_call is deprecated: use tool_calls", f"{place}.function_call")
    if turn.audio is not None:
        raise wrong("only text is taken, not audio", f"{place}.audio")
    if turn.role == "tool" and not turn.tool_call_id:
        raise wrong("a tool's result needs the id of its call", f"{place}.tool_call_id")
    if turn.role != "assistant" and turn.tool_calls:
        raise wrong("only an assistant has tool calls", f"{place}.tool_calls")
    return turn.role


def _name(turn: Turn, called: Mapping[str, str]) -> str | None:
    if turn.role == "tool" and not turn.name:
        return called.get(turn.tool_call_id or "")
    return turn.name or None


def _calls(turn: Turn, place: str) -> Iterator[ToolCall]:
    for number, call in enumerate(turn.tool_calls or ()):
        if call.type != "function" or call.function is None:
            raise wrong("only tool calls of the type function are taken", f"{place}.tool_calls[{number}]")
        yield ToolCall(call.id, call.function.name, call.function.arguments)


def _text(turn: Turn, place: str) -> str:
    content = turn.content
    if isinstance(content, str):
        return content
    if content is None:
        if turn.role != "assistant" or not (turn.tool_calls or turn.refusal):
            raise wrong("a message needs content", f"{place}.content")
        return turn.refusal or ""
    return "\n".join(_part(part, f"{place}.content[{number}]") for number, part in enumerate(content))


def _part(part: Part, place: str) -> str:
    text = part.text if part.type == "text" else part.refusal if part.type == "refusal" else None
    if text is None:
        raise wrong(f"only text is taken, not a part of the type {part.type[:MAX_SHOWN]}", place)
    return text
