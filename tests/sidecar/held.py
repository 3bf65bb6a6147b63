"""A provider in the test's own loop that answers when it is told to: OpenAI's chat completions, over real HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from parley_crds.component import Component
from tests.sidecar.running import component

PATIENCE_S = 60.0


@dataclass(slots=True)
class Held:
    """The provider: what it was asked, and whether it may answer."""

    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    """The bodies, in the order of their arrival; the answer to the first one is `answer 1`."""
    faults: dict[int, int] = field(default_factory=dict)
    """Which of its answers have another status than 200: the first one is 1."""
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    def component(self, name: str = "gpt", **fields: Any) -> Component:
        """Return a component that asks it, once."""
        settings = {"key": "k", "endpoint": f"{self.url}/v1", "model": "m"}
        return component(name, "conversation.openai", settings=settings, resilience={"retries": 0}, **fields)

    def said(self, number: int) -> list[tuple[str, str]]:
        """Return the messages of a request: who said what."""
        return [(message["role"], message["content"]) for message in self.asked[number]["messages"]]

    async def until_asked(self, count: int) -> None:
        """Wait until so many requests arrived."""
        async with asyncio.timeout(PATIENCE_S), self._arrived:
            await self._arrived.wait_for(lambda: len(self.asked) >= count)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, and close the connection."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
            async with self._arrived:
                self.asked.append(json.loads(await reader.readexactly(length)))
                number = len(self.asked)
                self._arrived.notify_all()
            await self.may_answer.wait()
            message = {"role": "assistant", "content": f"answer {number}"}
            body = json.dumps({"model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": message}]})
            status = self.faults.get(number, 200)
            writer.write(
                f"HTTP/1.1 {status} So\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
                f"connection: close\r\n\r\n{body}".encode()
            )
            await writer.drain()
        finally:
            writer.close()


@asynccontextmanager
async def held(*, may_answer: bool = False) -> AsyncIterator[Held]:
    """Run such a provider; it answers at once if it may."""
    provider = Held()
    if may_answer:
        provider.may_answer.set()
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield provider
    finally:
        server.close()
