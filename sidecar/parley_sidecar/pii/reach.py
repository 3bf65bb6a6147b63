"""Every text of a request that leaves the process, so that none is forgotten. Used by `hiding`.

What stays is what a vendor or the caller's program must find as it was: names of models, tools, functions and
properties, and the ids of tool calls.
"""

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from parley_sidecar.model import Answer, ConverseRequest, Message, ResponseFormat, Tool, ToolCall
from parley_sidecar.pii.arguments import Rewrite, in_json
from parley_sidecar.pii.schemas import in_schema, in_value

RewriteOf = Callable[[Message], Rewrite | None]
"""Says how a message's texts are rewritten; None leaves them."""


def in_request(request: ConverseRequest, of_message: RewriteOf, rest: Rewrite | None) -> ConverseRequest:
    """Return a request with its texts rewritten: message by message, and by `rest` whatever else it has."""
    messages = tuple(
        message if (rewrite := of_message(message)) is None else in_message(message, rewrite)
        for message in request.messages
    )
    if rest is None:
        return replace(request, messages=messages)
    return replace(
        request,
        messages=messages,
        tools=tuple(_tool(tool, rest) for tool in request.tools),
        response_format=request.response_format and _format(request.response_format, rest),
        parameters=request.parameters and in_parameters(request.parameters, rest),
    )


def in_message(message: Message, rewrite: Rewrite) -> Message:
    """Return a message with its texts rewritten; the name of a tool's result is the tool's, and stays.

    A participant's name is rewritten as any text: no vendor takes a token's brackets in a name, and so each provider
    tells it in the text, where the model may repeat it and it can be put back.
    """
    name = message.name if message.role == "tool" or not message.name else rewrite(message.name, "")
    return replace(message, text=rewrite(message.text, ""), name=name, tool_calls=in_calls(message.tool_calls, rewrite))


def in_calls(calls: tuple[ToolCall, ...], rewrite: Rewrite) -> tuple[ToolCall, ...]:
    """Return tool calls with their arguments rewritten."""
    return tuple(replace(call, arguments=in_json(call.arguments, rewrite)) for call in calls)


def in_answer(answer: Answer, rewrite: Rewrite) -> Answer:
    """Return an answer with its texts rewritten."""
    choices = (
        replace(choice, text=rewrite(choice.text, ""), tool_calls=in_calls(choice.tool_calls, rewrite))
        for choice in answer.choices
    )
    return replace(answer, choices=tuple(choices))


def in_parameters(parameters: Mapping[str, object], rewrite: Rewrite) -> Mapping[str, object]:
    """Return custom fields with their strings rewritten, also those of `metadata`, which Dapr forwards."""
    return {name: in_value(value, rewrite, name) for name, value in parameters.items()}


def _tool(tool: Tool, rewrite: Rewrite) -> Tool:
    description = tool.description and rewrite(tool.description, "")
    parameters = None if tool.parameters is None else in_schema(tool.parameters, rewrite)
    return replace(tool, description=description, parameters=parameters)


def _format(wanted: ResponseFormat, rewrite: Rewrite) -> ResponseFormat:
    """Return the format; no vendor takes a token as its name, so one that would hold one gives way to the usual."""
    name = wanted.name if rewrite(wanted.name, "") == wanted.name else ResponseFormat().name
    schema = None if wanted.schema is None else in_schema(wanted.schema, rewrite)
    return replace(wanted, name=name, schema=schema, description=wanted.description and rewrite(wanted.description, ""))
