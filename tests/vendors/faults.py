"""What a vendor's stand-in does wrong when it is told to: the model's name says what, the same for every vendor.

    status-<code>   an error in the vendor's form; 429 with Retry-After: 7
    garbage         an answer that is not the vendor's form; in a stream, an event that is not
    cut             the connection closes in the middle of the answer
    slow-<ms>       nothing is sent for so long
    hang            nothing is ever sent
    silent          a stream stops after its first event, and stays open

A vendor's app answers with `whole` or `streamed`, and both look at the name. `length`, `filtered` and `empty` are
answers in the vendor's own words, so the vendor's app makes them. Every fault's body holds `LEAK`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Final

import msgspec
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

LEAK: Final = "sk-vendor-secret"
"""Stands in the body of every fault, so that a test sees when a body gets out."""
RETRY_AFTER_S: Final = 7
GARBAGE: Final = f"<html>{LEAK}</html>".encode()

ErrorForm = Callable[[int, str], Mapping[str, Any]]
"""Make a vendor's error body of a status and a message."""


class CutError(Exception):
    """The server closes the connection in the middle of an answer."""


class Cut(Response):
    """Half of a body whose whole length was promised, or the first pieces of a stream; then the connection closes."""

    def __init__(self, pieces: Iterable[bytes], headers: Mapping[str, str], media_type: str) -> None:
        super().__init__(None, 200, dict(headers), media_type)
        self.raw_headers = [(name, value) for name, value in self.raw_headers if name != b"content-length"]
        self.pieces = tuple(pieces)

    async def __call__(self, _: Scope, __: Receive, send: Send) -> None:
        """Send what there is, and fail."""
        length = (b"content-length", str(2 * len(self.pieces[0]) + 2).encode())
        headers = [*self.raw_headers, *([length] if len(self.pieces) == 1 else [])]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for piece in self.pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        raise CutError


async def before(model: str, error: ErrorForm) -> Response | None:
    """Wait as the model says, and return the fault that it asks for, if it is one."""
    if model == "hang":
        await asyncio.Event().wait()
    if model.startswith("slow-"):
        await asyncio.sleep(int(model.removeprefix("slow-")) / 1000)
    if model.startswith("status-"):
        status = int(model.removeprefix("status-"))
        headers = {"retry-after": str(RETRY_AFTER_S)} if status == 429 else {}
        return json(error(status, f"told to fail, by {LEAK}"), status, headers)
    return None


def json(body: object, status: int = 200, headers: Mapping[str, str] = {}) -> Response:
    """Return a JSON answer."""
    return Response(msgspec.json.encode(body), status, dict(headers), "application/json")


async def whole(model: str, body: object, error: ErrorForm) -> Response:
    """Return a complete answer, or what the model's name puts in its place."""
    if fault := await before(model, error):
        return fault
    if model == "garbage":
        return Response(GARBAGE, media_type="text/html")
    if model == "cut":
        encoded = msgspec.json.encode(body)
        return Cut([encoded[: len(encoded) // 2]], {}, "application/json")
    return json(body)


async def streamed(
    model: str,
    pieces: Iterable[bytes],
    error: ErrorForm,
    garbage: bytes = b"data: " + GARBAGE + b"\n\n",
    media_type: str = "text/event-stream",
) -> Response:
    """Return the pieces of a stream, or what the model's name puts in their place; `garbage` is not of its form."""
    if fault := await before(model, error):
        return fault
    sent = tuple(pieces)
    if model == "garbage":
        return StreamingResponse(_each([garbage]), media_type=media_type)
    if model == "cut":
        return Cut(sent[: max(2, len(sent) // 2)], {}, media_type)
    return StreamingResponse(_each(sent, stays=model == "silent"), media_type=media_type)


async def _each(pieces: Iterable[bytes], *, stays: bool = False) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
        if stays:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
