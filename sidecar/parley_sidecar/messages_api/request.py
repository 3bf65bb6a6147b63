"""From a request to the body of the Messages API; called by `providers.anthropic`.

The API knows the roles user and assistant, which alternate. System and developer messages go to `system`, in their
order, wherever they stood. A user's name, for which the API has no place, is put before the text, so that the model can
tell the participants apart; an assistant's is left out, for the model would write it too. Source: the Messages API's
reference.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from parley_sidecar.errors import InvalidParameters
from parley_sidecar.model import ConverseRequest, Message, NamedTool, ResponseFormat, Tool, ToolCall, ToolChoice

OWN_FIELDS: Final = frozenset(
    {
        "messages", "model", "system", "stream", "max_tokens", "temperature", "tools", "tool_choice", "output_config",
        "output_format",
    }
)  # fmt: skip
"""Fields of the body that are Parley's to set; `parameters` may not name them."""
SHORT_CACHE_S: Final = 300.0
"""The shorter of the two lives that the API's prompt cache has; whatever is longer asks for an hour.

Source: the reference of `cache_control`, whose `ttl` is 5m or 1h.
"""
OPENING: Final = "."
"""What the user says first in a conversation that an assistant begins, as the API's first turn is a user's."""

_ENCODER: Final = msgspec.json.Encoder()
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])

Block = dict[str, Any]


def to_body(request: ConverseRequest, model: str, max_tokens: int) -> bytes:
    """Return the body of a request; a model that the request names replaces `model`.

    Raises:
        InvalidParameters: when it asks for what the API does not have, or `parameters` name a field that is ours.
    """
    body: dict[str, Any] = {
        "model": request.overrides.model or model,
        "max_tokens": max_tokens,
        "messages": _turns(request.messages),
        **_parameters(request.parameters),
        **_instructions(request.messages),
        **_tools(request.tools, request.tool_choice),
    }
    if request.response_format is not None:
        body["output_config"] = {"format": _format(request.response_format)}
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.wants_stream:
        body["stream"] = True
    if request.prompt_cache_retention_s:
        _mark(body, request.prompt_cache_retention_s)
    return _ENCODER.encode(body)


def _parameters(parameters: Mapping[str, object]) -> Mapping[str, object]:
    """Return the custom fields; of `metadata`, which Dapr forwards as it is, the API takes `user_id` alone."""
    if taken := OWN_FIELDS.intersection(parameters):
        raise InvalidParameters(f"parameters may not name {', '.join(sorted(taken))}")
    metadata = parameters.get("metadata")
    if not isinstance(metadata, Mapping):
        return parameters
    others = {name: value for name, value in parameters.items() if name != "metadata"}
    return {**others, "metadata": {"user_id": metadata["user_id"]}} if "user_id" in metadata else others


def _turns(messages: Sequence[Message]) -> list[Block]:
    """Return the turns, each with all the blocks of its role up to the other's next."""
    turns: list[Block] = []
    for role, blocks in _said(messages):
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    if not turns:
        raise InvalidParameters("the Messages API needs a message of a user")
    for turn in turns:
        turn["content"].sort(key=_is_no_result)
    if turns[-1]["role"] == "assistant":
        _trim(turns[-1]["content"][-1])
    if turns[0]["role"] == "assistant":
        turns.insert(0, {"role": "user", "content": [_text(OPENING)]})
    return turns


def _said(messages: Sequence[Message]) -> Iterator[tuple[str, list[Block]]]:
    for message in messages:
        if message.role in {"system", "developer"}:
            continue
        if message.role == "assistant":
            role, blocks = "assistant", [*_texts(message.text), *map(_call, message.tool_calls)]
        else:
            role, blocks = "user", [_result(message)] if message.role == "tool" else _spoken(message)
        if blocks:
            yield role, blocks


def _trim(block: Block) -> None:
    """Take the blanks off the end of what the model is to go on with: the API refuses them there."""
    if block["type"] == "text":
        block["text"] = block["text"].rstrip()


def _is_no_result(block: Block) -> bool:
    """Sort the results to the front, where the API wants them; the rest keeps its order."""
    return bool(block["type"] != "tool_result")


def _texts(text: str) -> list[Block]:
    """Return the text as a block, or none where it is blank: the API refuses that."""
    return [_text(text)] if text.strip() else []


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def _spoken(message: Message) -> list[Block]:
    blocks = _texts(message.text)
    return [_text(f"{message.name}: {message.text}")] if blocks and message.name else blocks


def _call(call: ToolCall) -> Block:
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": _object(call)}


def _object(call: ToolCall) -> msgspec.Raw:
    """Return the arguments as they were written, so that no number loses a digit."""
    text = call.arguments.strip() or "{}"
    try:
        _OBJECT.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        raise InvalidParameters(f"the arguments of the call of {call.name} are not a JSON object") from None
    return msgspec.Raw(text.encode())


def _result(message: Message) -> Block:
    if not message.tool_call_id:
        raise InvalidParameters("a tool's result must say which call it answers")
    result = {"type": "tool_result", "tool_use_id": message.tool_call_id}
    return {**result, "content": message.text} if message.text.strip() else result


def _instructions(messages: Sequence[Message]) -> Block:
    said = (message.text for message in messages if message.role in {"system", "developer"})
    blocks = [block for text in said for block in _texts(text)]
    return {"system": blocks} if blocks else {}


def _tools(tools: Sequence[Tool], choice: ToolChoice | None) -> Block:
    if tools:
        listed = {"tools": [_tool(tool) for tool in tools]}
        return listed if choice is None else {**listed, "tool_choice": _choice(choice)}
    if choice in {None, "auto", "none"}:
        return {}
    raise InvalidParameters("a tool choice needs tools to choose from")


def _tool(tool: Tool) -> Block:
    block: Block = {"name": tool.name, "input_schema": _input_schema(tool)}
    if tool.description is not None:
        block["description"] = tool.description
    if tool.strict is not None:
        block["strict"] = tool.strict
    return block


def _input_schema(tool: Tool) -> Block:
    """Return the schema whole, with the `type` that the API requires where it says none."""
    return {"type": "object", **(tool.parameters or {"properties": {}})}


def _choice(choice: ToolChoice) -> Block:
    if isinstance(choice, NamedTool):
        return {"type": "tool", "name": choice.name}
    return {"type": "any" if choice == "required" else choice}


def _format(wanted: ResponseFormat) -> Block:
    """Return a format, which always binds the model strictly; a description goes into a schema that has none.

    Any JSON object will do is no format of the API's, and telling the model in words would promise nothing.
    """
    if wanted.schema is None:
        raise InvalidParameters("the Messages API answers JSON by a schema only: give the response format a schema")
    described = {} if wanted.description is None else {"description": wanted.description}
    return {"type": "json_schema", "schema": {**described, **wanted.schema}}


def _mark(body: Block, retention_s: float) -> None:
    """Have the instructions kept, or else the tools, which stay the same from turn to turn; and the turns up to now."""
    control = {"type": "ephemeral", "ttl": "5m" if retention_s <= SHORT_CACHE_S else "1h"}
    prefix = body.get("system") or body.get("tools") or []
    for block in (*prefix[-1:], body["messages"][-1]["content"][-1]):
        block["cache_control"] = control
