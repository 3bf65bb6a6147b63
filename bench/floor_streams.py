"""The floor server's streams: a StreamingResponse that passes the provider's bytes through. `floor` mounts it.

POST /stream/MODEL    decode, ask the provider's model for a stream, pass on what comes
"""

from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from parley_sidecar.http_client import HttpClient

EVENTS: Final = "text/event-stream"
_HEADERS: Final = {"Authorization": "Bearer bench", "Content-Type": "application/json", "Accept": EVENTS}
_ENCODER: Final = msgspec.json.Encoder()


class FloorStreams:
    """The route, with the sidecar's own HTTP client."""

    def __init__(self, client: HttpClient, url: str, prompt: Callable[[bytes], str]) -> None:
        """Ask at the provider's `url` what `prompt` reads from a body."""
        self._client = client
        self._url = url
        self._prompt = prompt

    def routes(self) -> list[Route]:
        """Return what `floor` mounts."""
        return [Route("/stream/{model}", self.stream, methods=["POST"])]

    async def stream(self, request: Request) -> Response:
        """Answer what the provider streams."""
        messages = [{"role": "user", "content": self._prompt(await request.body())}]
        asked = {"model": request.path_params["model"], "messages": messages, "stream": True}
        body = _ENCODER.encode(asked | {"stream_options": {"include_usage": True}})
        return StreamingResponse(self._passed(body), media_type=EVENTS)

    async def _passed(self, body: bytes) -> AsyncIterator[bytes]:
        async with self._client.exchange(self._url, _HEADERS, body) as exchange:
            async for piece in exchange.chunks():
                yield piece
