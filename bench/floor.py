"""The floor server: the least that the sidecar's work can cost with the same server, JSON, HTTP and Redis libraries.

`processes` starts it as `python -m bench.floor`. Three routes take and give Dapr's alpha2 form, and do nothing that a
product must: no door, no request id, no metrics, no error mapping, no time limit, no layers.

    POST /bare       decode, build the answer, encode
    POST /provider   the same with an answer of the provider, through the sidecar's HTTP client
    POST /aiohttp    the same through aiohttp, which shows what that client saves
    POST /redis      SHA-256 of the body, GET through redis-py, the stored bytes as they are
    GET  /ready      204
    POST /stream/M   what the provider's model M streams, passed on (`floor_streams`)
"""

import argparse
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import msgspec
import redis.asyncio as redis_py
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.floor_streams import FloorStreams
from parley_sidecar.http_client import HttpClient

if TYPE_CHECKING:
    from aiohttp import ClientSession


class Part(msgspec.Struct):
    """A piece of a message's content."""

    text: str


class Turn(msgspec.Struct):
    """A message's content."""

    content: list[Part]


class OneOf(msgspec.Struct, rename={"user": "ofUser"}):
    """A user's message."""

    user: Turn


class Input(msgspec.Struct):
    """Messages."""

    messages: list[OneOf]


class Asked(msgspec.Struct):
    """A request's body."""

    inputs: list[Input]

    def text(self) -> str:
        """Return the prompt."""
        return self.inputs[0].messages[0].user.content[0].text


class Message(msgspec.Struct):
    """A message of OpenAI's, or of an answer of Dapr's."""

    content: str
    role: str = "assistant"


class Choice(msgspec.Struct):
    """A choice of OpenAI's."""

    message: Message
    finish_reason: str = "stop"


class Usage(msgspec.Struct):
    """Tokens of OpenAI's."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


class Completion(msgspec.Struct):
    """An answer of OpenAI's."""

    choices: list[Choice]
    usage: Usage
    model: str


ASKED: Final = msgspec.json.Decoder(Asked)
COMPLETION: Final = msgspec.json.Decoder(Completion)
ENCODER: Final = msgspec.json.Encoder()
JSON: Final = "application/json"
HEADERS: Final = {"Authorization": "Bearer bench", "Content-Type": JSON, "Accept": JSON}
TTL_S: Final = 3600


class Floor:
    """The routes, and the clients that they use."""

    def __init__(self, standin: str, redis_url: str) -> None:
        self._url = f"{standin}/v1/chat/completions"
        self._redis = redis_py.Redis.from_url(redis_url)
        self._http = HttpClient()
        self._session: ClientSession | None = None

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Close the clients at the end."""
        yield
        await self._redis.aclose()
        await self._http.aclose()
        if self._session is not None:
            await self._session.close()

    async def bare(self, request: Request) -> Response:
        """Answer what was asked."""
        asked = ASKED.decode(await request.body())
        return Response(answer(asked.text(), Usage(), "bare"), media_type=JSON)

    async def provider(self, request: Request) -> Response:
        """Answer what the provider says."""
        body = question(ASKED.decode(await request.body()))
        reply = await self._http.post(self._url, HEADERS, body)
        return Response(completed(reply.body), media_type=JSON)

    async def aiohttp(self, request: Request) -> Response:
        """Answer what the provider says."""
        body = question(ASKED.decode(await request.body()))
        session = self._session or self._opened()
        async with session.post(self._url, headers=HEADERS, data=body, allow_redirects=False) as reply:
            return Response(completed(await reply.read()), media_type=JSON)

    def _opened(self) -> "ClientSession":
        """Load aiohttp when it is first asked for, so that it is in nobody's start and memory."""
        import aiohttp  # noqa: PLC0415

        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self._session

    async def redis(self, request: Request) -> Response:
        """Answer what is stored; what is not is answered and stored."""
        body = await request.body()
        key = b"floor:" + hashlib.sha256(body).digest()
        found = await self._redis.get(key)
        if found is not None:
            return Response(found, headers={"cache-status": "hit"}, media_type=JSON)
        made = answer(ASKED.decode(body).text(), Usage(), "bare")
        await self._redis.set(key, made, ex=TTL_S)
        return Response(made, headers={"cache-status": "miss"}, media_type=JSON)

    async def ready(self, _: Request) -> Response:
        """Say that the server is up."""
        return Response(status_code=204)

    def streams(self) -> FloorStreams:
        """Return the routes of streams."""
        return FloorStreams(self._http, self._url, lambda body: ASKED.decode(body).text())


def question(asked: Asked) -> bytes:
    """Return what the provider is asked."""
    return ENCODER.encode({"model": "bench", "messages": [Message(asked.text(), "user")]})


def completed(body: bytes) -> bytes:
    """Return an answer of the provider's in Dapr's form."""
    completion = COMPLETION.decode(body)
    return answer(completion.choices[0].message.content, completion.usage, completion.model)


def answer(text: str, usage: Usage, model: str) -> bytes:
    """Return an answer in Dapr's form: numbers of tokens are text."""
    tokens = {
        "completionTokens": str(usage.completion_tokens),
        "promptTokens": str(usage.prompt_tokens),
        "totalTokens": str(usage.total_tokens),
    }
    choice = {"finishReason": "stop", "message": {"content": text}}
    return ENCODER.encode({"outputs": [{"choices": [choice], "model": model, "usage": tokens}]})


def create_app(floor: Floor) -> Starlette:
    """Return the app: plain routes."""
    routes = [
        Route("/bare", floor.bare, methods=["POST"]),
        Route("/provider", floor.provider, methods=["POST"]),
        Route("/aiohttp", floor.aiohttp, methods=["POST"]),
        Route("/redis", floor.redis, methods=["POST"]),
        Route("/ready", floor.ready),
        *floor.streams().routes(),
    ]
    return Starlette(routes=routes, lifespan=floor.lifespan)


def main() -> None:
    """Read the addresses and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--standin", required=True, help="the root of the provider stand-in")
    parser.add_argument("--redis", required=True, help="the URL of a Redis server")
    chosen = parser.parse_args()
    app = create_app(Floor(chosen.standin, chosen.redis))
    uvicorn.run(
        app, port=chosen.port, loop="uvloop", http="httptools", ws="none", access_log=False, log_level="warning"
    )


if __name__ == "__main__":
    main()
