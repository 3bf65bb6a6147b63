"""Callers who leave in the middle of a stream: nothing of theirs stays behind."""

import asyncio
import json
import socket
from typing import Any

import pytest

from parley_crds.component import Component
from parley_crds.resource import Resilience
from parley_sidecar.app import create_app
from parley_sidecar.door import Door
from parley_sidecar.metadata import Metadata
from parley_sidecar.registry import Registry
from parley_sidecar.serve import serving
from tests.conftest import Vendors
from tests.sidecar.running import component, surroundings

ABANDONED = 100
CHAT = {"model": "gpt", "messages": [{"role": "user", "content": "hi"}], "stream": True}
ALPHA2 = {"inputs": [{"messages": [{"ofUser": {"content": [{"text": "hi"}]}}]}]}
PATIENCE_S = 30.0


def gpt(vendors: Vendors) -> Component:
    """Return a component whose streams fall silent after their first event, with a slot for each caller and no more."""
    found = vendors.settings("conversation.openai") | {"model": "silent"}
    settings = {name.lower(): value for name, value in found.items()}
    return component("gpt", "conversation.openai", settings=settings, resilience=Resilience(concurrency=ABANDONED))


async def abandoned(port: int, path: str, body: Any) -> bytes:
    """Ask for a stream, read its first event, and leave without a word."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    content = json.dumps(body).encode()
    head = ("POST {} HTTP/1.1", "host: localhost", "accept: text/event-stream", "content-length: {}", "", "")
    writer.write("\r\n".join(head).format(path, len(content)).encode() + content)
    read = b""
    while b"data: " not in read:
        piece = await reader.read(4096)
        assert piece, read
        read += piece
    writer.transport.abort()
    return read.split(b" ")[1]


async def count_open(vendors: Vendors) -> int:
    """Return how many calls the provider is still answering."""
    return await asyncio.to_thread(vendors.open, "conversation.openai")


@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/chat/completions", CHAT), ("/v1.0-alpha2/conversation/gpt/converse", ALPHA2)],
    ids=["openai", "alpha2"],
)
async def test_a_hundred_abandoned_streams_leave_nothing(vendors: Vendors, path: str, body: Any) -> None:
    """No slot, no task and no connection stay; twice, since the second hundred needs the slots of the first."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    async with surroundings() as shared:
        registry = Registry(shared)
        assert {} == await registry.replace([gpt(vendors)])
        door = Door("shop")
        app = create_app(registry, door, shared.metrics, Metadata(registry, door), lambda: None)
        async with serving(app, [listener]) as server:
            before = len(asyncio.all_tasks())
            statuses: list[bytes] = []
            for _ in range(2):
                statuses += await asyncio.gather(*[abandoned(port, path, body) for _ in range(ABANDONED)])
                end = asyncio.get_running_loop().time() + PATIENCE_S
                while door.traffic.active or await count_open(vendors) or len(asyncio.all_tasks()) > before:
                    assert asyncio.get_running_loop().time() < end, asyncio.all_tasks()
                    await asyncio.sleep(0.02)
            connections = len(server.server_state.connections)

    in_flight = shared.metrics.in_flight.child("gpt").value
    assert ([b"200"] * 2 * ABANDONED, 0, 0) == (statuses, connections, in_flight)
    assert 2 * ABANDONED == sum(
        child.value for (_, _, outcome), child in shared.metrics.requests.children.items() if outcome == "cancelled"
    )
