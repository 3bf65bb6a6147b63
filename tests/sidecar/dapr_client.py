"""An application that uses Dapr's SDK: `python dapr_client.py sync|aio|shutdown`; test_dapr_sdk starts it.

A process of its own: the SDK registers the same protobuf names as the sidecar does. It finds the sidecar by Dapr's
variables alone, and prints what it heard as one JSON document.
"""

import asyncio
import json
import secrets
import sys
from collections.abc import Callable, Mapping
from typing import Any

from dapr.aio.clients import DaprClient as AsyncDaprClient
from dapr.clients import DaprClient
from dapr.clients.exceptions import DaprGrpcError
from dapr.clients.grpc import conversation as talk
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"result": {"type": "integer"}}, "required": ["result"]}


@talk.tool
def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"sunny in {city or 'the city'}"


def ask(text: str) -> list[talk.ConversationInputAlpha2]:
    """Return one user's message."""
    return [talk.ConversationInputAlpha2(messages=[talk.create_user_message(text)])]


def everything() -> Mapping[str, tuple[str, dict[str, Any]]]:
    """Return calls by a name for each: the client's method and its arguments."""
    schema = Struct()
    schema.update(SCHEMA)
    room = f"room-{secrets.token_hex()}"
    turns = [
        talk.create_system_message("be brief"),
        talk.create_user_message("hi"),
        talk.create_assistant_message("hello"),
        talk.create_tool_message("call_1", "weather", "sunny"),
    ]
    return {
        "alpha1": (
            "converse_alpha1",
            {
                "name": "echo",
                "inputs": [talk.ConversationInput("one"), talk.ConversationInput("two", role="system")],
                "context_id": "c-1",
                "parameters": {"n": 7, "word": "text", "on": True, "share": 0.5},
                "temperature": 0.3,
            },
        ),
        "alpha2": (
            "converse_alpha2",
            {
                "name": "echo",
                "inputs": [talk.ConversationInputAlpha2(messages=turns)],
                "context_id": "c-2",
                "parameters": {"n": 7},
                "metadata": {"team": "blue"},
                "temperature": 0.3,
                "prompt_cache_retention": Duration(seconds=86400),
            },
        ),
        "structured": (
            "converse_alpha2",
            {"name": "gpt", "inputs": ask("What is 2+2?"), "response_format": schema},
        ),
        "room": ("converse_alpha2", {"name": "room", "inputs": ask("one"), "context_id": room}),
        "room again": ("converse_alpha2", {"name": "room", "inputs": ask("two"), "context_id": room}),
        "refused": ("converse_alpha2", {"name": "nobody", "inputs": ask("hi")}),
    }


def heard(reply: Any) -> Any:
    """Return what a reply says."""
    if isinstance(reply, talk.ConversationResponseAlpha1):
        return {
            "context_id": reply.context_id,
            "results": [output.result for output in reply.outputs],
            "parameters": sorted(reply.outputs[0].parameters),
        }
    (output,) = reply.outputs
    (choice,) = output.choices
    return {
        "context_id": reply.context_id,
        "text": choice.message.content,
        "finish_reason": choice.finish_reason,
        "index": choice.index,
        "model": output.model,
        "total_tokens": output.usage.total_tokens,
    }


def told(error: Any) -> dict[str, str]:
    """Return what an error says."""
    return {"code": error.code().name, "details": error.details()}


def after_tools(asked: list[talk.ConversationInputAlpha2], reply: Any, results: list[str]) -> Any:
    """Return the whole conversation after the tools that the model asked for were run."""
    (call,) = reply.outputs[0].choices[0].message.tool_calls
    (result,) = results
    message = talk.create_tool_message(call.id, call.function.name, result)
    messages = [*asked[0].messages, *reply.to_assistant_messages(), message]
    return [talk.ConversationInputAlpha2(messages=messages)]


def described(known: Any) -> dict[str, Any]:
    """Return what the sidecar's metadata says."""
    names = [component.name for component in known.registered_components]
    return {"id": known.application_id, "names": names, "team": known.extended_metadata["team"]}


def called(reply: Any) -> tuple[str, str]:
    """Return name and arguments of the one tool that was asked for."""
    (call,) = reply.outputs[0].choices[0].message.tool_calls
    return call.function.name, call.function.arguments


def sync() -> dict[str, Any]:
    """Use the blocking client."""
    answers: dict[str, Any] = {}
    with DaprClient() as client:
        for name, (method, arguments) in everything().items():
            send: Callable[..., Any] = getattr(client, method)
            try:
                answers[name] = heard(send(**arguments))
            except DaprGrpcError as error:
                answers[name] = told(error)
        asked = ask("weather?")
        first = client.converse_alpha2(
            name="gpt", inputs=asked, tools=talk.get_registered_tools(), tool_choice="required"
        )
        results = [str(talk.execute_registered_tool(*called(first)))]
        second = client.converse_alpha2(name="gpt", inputs=after_tools(asked, first, results))
        answers["tools"] = {"called": called(first)[0], "then": heard(second)["finish_reason"]}
        client.set_metadata("team", "blue")
        known = client.get_metadata()
        answers["metadata"] = described(known)
    return answers


async def aio() -> dict[str, Any]:
    """Use the asyncio client."""
    answers: dict[str, Any] = {}
    async with AsyncDaprClient() as client:
        for name, (method, arguments) in everything().items():
            send: Callable[..., Any] = getattr(client, method)
            try:
                answers[name] = heard(await send(**arguments))
            except DaprGrpcError as error:
                answers[name] = told(error)
        asked = ask("weather?")
        first = await client.converse_alpha2(
            name="gpt", inputs=asked, tools=talk.get_registered_tools(), tool_choice="weather"
        )
        results = [str(await talk.execute_registered_tool_async(*called(first)))]
        second = await client.converse_alpha2(name="gpt", inputs=after_tools(asked, first, results))
        answers["tools"] = {"called": called(first)[0], "then": heard(second)["finish_reason"]}
        await client.set_metadata("team", "blue")
        known = await client.get_metadata()
        answers["metadata"] = described(known)
    return answers


def main(what: str) -> None:
    """Do it, and print what was heard."""
    if what == "shutdown":
        with DaprClient() as client:
            client.shutdown()
        return
    sys.stdout.write(json.dumps(sync() if what == "sync" else asyncio.run(aio())))


if __name__ == "__main__":
    main(sys.argv[1])
