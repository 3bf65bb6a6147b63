"""From a converse request to the body of Bedrock's Converse and ConverseStream, which are alike. Pure.

Converse knows the roles user and assistant, which alternate. System and developer messages go to `system`, wherever
they stood. A user's name, for which there is no place, is put before the text, so that the model can tell the
participants apart; an assistant's is left out, for the model would write it too. Blank texts are refused there, so none
is sent.
Source: the API reference of Amazon Bedrock Runtime, 2023-09-30.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from parley_sidecar.errors import InvalidParameters
from parley_sidecar.model import ConverseRequest, Message, NamedTool, ResponseFormat, Tool, ToolCall, ToolChoice

Block = dict[str, Any]
"""A content block, or a part of one: a JSON object with one member that says what it is."""

CONVERSE_FIELDS: Final = frozenset({"guardrailConfig", "performanceConfig", "requestMetadata", "serviceTier"})
"""Parameters that are fields of Converse; the rest are the model's, under `additionalModelRequestFields`."""
INFERENCE_FIELDS: Final[Mapping[str, str]] = {
    "topP": "topP",
    "top_p": "topP",
    "stopSequences": "stopSequences",
    "stop": "stopSequences",
}
"""Parameters that stand in `inferenceConfig`, in Converse's spelling and in OpenAI's."""
OWN_FIELDS: Final = frozenset(
    {
        "messages", "system", "model", "modelId", "stream", "temperature", "max_tokens", "maxTokens", "tools",
        "tool_choice", "toolConfig", "response_format", "outputConfig", "additionalModelRequestFields",
    }
)  # fmt: skip
"""Fields that are Parley's to set, here or in a model's own body; `parameters` may not name them."""
OPENING: Final = "."
"""What the user says first in a conversation that an assistant begins, as the first turn must be a user's."""
MAX_TEMPERATURE: Final = 1.0
"""Source: InferenceConfiguration."""
SHORT_RETENTION_S: Final = 300.0
"""How long a cache point lasts where it says nothing. Source: CachePointBlock, CacheTTL."""

_ENCODER: Final = msgspec.json.Encoder()
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_CACHING: Final = re.compile(r"claude|nova|^arn:")
"""Models with a prompt cache; an ARN may stand for one. Source: Bedrock's user guide, "Prompt caching"."""
_LONG_CACHING: Final = re.compile(r"claude-[a-z]+-(?:4-(?:[5-9]|[1-9][0-9])|[5-9]|[1-9][0-9])(?![0-9])")
"""Models whose cache can last an hour: Claude 4.5 and later. Source: as above."""


def to_wire(request: ConverseRequest, model: str, usual_max_tokens: int | None) -> bytes:
    """Return the body of a request; `usual_max_tokens` is the component's limit.

    Raises:
        InvalidParameters: for what Bedrock cannot be asked.
    """
    if taken := OWN_FIELDS.intersection(request.parameters):
        raise InvalidParameters(f"parameters may not name {', '.join(sorted(taken))}")
    point = cache_point(request.prompt_cache_retention_s, model)
    body: Block = {
        "messages": turns(request.messages),
        "system": [block for message in request.messages if _instructs(message) for block in _texts(message.text)],
        "inferenceConfig": _inference(request, usual_max_tokens),
        "toolConfig": tool_config(request.tools, request.tool_choice, request.messages),
        "outputConfig": request.response_format and _output(request.response_format),
        "additionalModelRequestFields": dict(_models_own(request.parameters)),
    }
    if point and body["system"]:
        body["system"].append(point)
    if point:
        body["messages"][-1]["content"].append(point)
    body |= {name: value for name, value in request.parameters.items() if name in CONVERSE_FIELDS}
    return _ENCODER.encode({name: value for name, value in body.items() if value})


def turns(messages: Iterable[Message]) -> list[Block]:
    """Return the turns, each with all blocks of its role up to the other's next.

    Raises:
        InvalidParameters: when neither a user nor an assistant says anything.
    """
    said: list[Block] = []
    for message in messages:
        role = "assistant" if message.role == "assistant" else "user"
        blocks = [] if _instructs(message) else _content(message)
        if blocks and said and said[-1]["role"] == role:
            said[-1]["content"].extend(blocks)
        elif blocks:
            said.append({"role": role, "content": blocks})
    if not said:
        raise InvalidParameters("Bedrock needs a message of a user")
    for turn in said:
        turn["content"].sort(key=_is_no_result)
    if said[0]["role"] == "assistant":
        said.insert(0, {"role": "user", "content": [{"text": OPENING}]})
    return said


def tool_config(tools: Sequence[Tool], choice: ToolChoice | None, messages: Iterable[Message]) -> Block | None:
    """Return the tools and the choice among them.

    Converse has no choice that forbids tools, and wants the tools of a conversation that used any: then they stay, or
    are named anew, without a choice. Source: Bedrock's user guide, "Call a tool with the Converse API".
    """
    if not tools and choice not in {None, "auto", "none"}:
        raise InvalidParameters("a tool must be called, but no tools are given")
    used = {call.name: None for message in messages for call in message.tool_calls}
    if choice == "none" and not used:
        return None
    offered = [_tool(tool) for tool in tools] or [_tool(Tool(name)) for name in used]
    config: Block = {"tools": offered}
    if tools and choice is not None and choice != "none":
        config["toolChoice"] = _choice(choice)
    return config if offered else None


def cache_point(retention_s: float | None, model: str) -> Block | None:
    """Return the block behind which a model's own cache of the prompt ends; None for a model that has no such cache.

    It lasts five minutes, or an hour where more is asked and the model has that.
    """
    if retention_s is None or retention_s <= 0 or not _CACHING.search(model):
        return None
    if retention_s > SHORT_RETENTION_S and _LONG_CACHING.search(model):
        return {"cachePoint": {"type": "default", "ttl": "1h"}}
    return {"cachePoint": {"type": "default"}}


def _instructs(message: Message) -> bool:
    return message.role in {"system", "developer"}


def _content(message: Message) -> list[Block]:
    if message.role == "tool":
        return [_result(message)]
    if message.role == "assistant":
        return [*_texts(message.text), *map(_call, message.tool_calls)]
    named = f"{message.name}: {message.text}" if message.name else message.text
    return _texts(named) if message.text.strip() else []


def _texts(text: str) -> list[Block]:
    return [{"text": text}] if text.strip() else []


def _is_no_result(block: Block) -> bool:
    """Sort the results to the front, where some models want them; the rest keeps its order."""
    return "toolResult" not in block


def _result(message: Message) -> Block:
    if not message.tool_call_id:
        raise InvalidParameters("the result of a tool must name the call that it answers")
    return {"toolResult": {"toolUseId": message.tool_call_id, "content": _texts(message.text)}}


def _call(call: ToolCall) -> Block:
    return {"toolUse": {"toolUseId": call.id, "name": call.name, "input": _object(call)}}


def _object(call: ToolCall) -> msgspec.Raw:
    """Return the arguments as they were written, so that no number loses a digit."""
    text = call.arguments.strip() or "{}"
    try:
        _OBJECT.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        raise InvalidParameters(f"the arguments of the call of {call.name} are not a JSON object") from None
    return msgspec.Raw(text.encode())


def _tool(tool: Tool) -> Block:
    schema = {"type": "object", **(tool.parameters or {"properties": {}})}  # the type is required, and may be left out
    spec: Block = {"name": tool.name, "inputSchema": {"json": schema}}
    if tool.description:
        spec["description"] = tool.description
    if tool.strict:
        spec["strict"] = True
    return {"toolSpec": spec}


def _choice(choice: ToolChoice) -> Block:
    if isinstance(choice, NamedTool):
        return {"tool": {"name": choice.name}}
    return {"any": {}} if choice == "required" else {"auto": {}}


def _inference(request: ConverseRequest, usual_max_tokens: int | None) -> Block:
    config: Block = {}
    for name, value in request.parameters.items():
        if field := INFERENCE_FIELDS.get(name):
            config[field] = [value] if name == "stop" and isinstance(value, str) else value
    most = usual_max_tokens if request.max_tokens is None else request.max_tokens
    if most is not None and most > 0:
        config["maxTokens"] = most
    if request.temperature is not None:
        config["temperature"] = _temperature(request.temperature)
    return config


def _temperature(temperature: float) -> float:
    if temperature > MAX_TEMPERATURE:
        raise InvalidParameters("temperature is at most 1 on Bedrock")
    return temperature


def _output(form: ResponseFormat) -> Block:
    """Return the format of the answer, whose schema is JSON text here."""
    if form.schema is None:
        raise InvalidParameters("Bedrock has no format for any JSON object: the response format needs a schema")
    definition = {"schema": _ENCODER.encode(form.schema).decode(), "name": form.name}
    if form.description:
        definition["description"] = form.description
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": definition}}}


def _models_own(parameters: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in parameters.items():
        if name not in CONVERSE_FIELDS and name not in INFERENCE_FIELDS:
            yield name, value
