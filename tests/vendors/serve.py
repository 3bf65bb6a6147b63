"""All vendors' stand-ins in one process: real HTTP servers, each as strict on its wire form as its vendor documents.

`python tests/vendors/serve.py --port 8000`. Each module beside this one that has a `TYPE` is a vendor; its `app`
answers below `/<TYPE>`, or `/<MOUNT>` where a type has several vendors, and what it was asked is kept for the tests:

    GET /<TYPE>/last    {"path", "headers", "body"} of the last request; `path` with its query, below `/<TYPE>`
    GET /<TYPE>/count   {"count", "open"}: requests since the start, and those that are being answered now
"""

import argparse
import asyncio
import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent.parent))  # started by its path, it still finds `tests`

CutError = import_module("tests.vendors.faults").CutError


@dataclass(slots=True)
class Record:
    """What one vendor was asked."""

    count: int = 0
    open: int = 0
    last: dict[str, Any] = field(default_factory=dict)


class Recorded:
    """A vendor's app, with its record; a call ends when its caller leaves."""

    def __init__(self, inner: ASGIApp, record: Record) -> None:
        self.inner = inner
        self.record = record

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note the request, and pass it on."""
        if scope["type"] != "http":
            return
        body = await _body(receive)
        self.record.last = {"path": _path(scope), "headers": _headers(scope), "body": _read(body)}
        self.record.count += 1
        self.record.open += 1
        try:
            await self._answer(scope, body, receive, send)
        finally:
            self.record.open -= 1

    async def _answer(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        told = [{"type": "http.request", "body": body, "more_body": False}]
        never = asyncio.Event()

        async def replay() -> Any:
            if not told:
                await never.wait()
            return told.pop()

        answer = asyncio.create_task(_quietly(self.inner(scope, replay, send)))
        left = asyncio.create_task(_left(receive))
        await asyncio.wait({answer, left}, return_when=asyncio.FIRST_COMPLETED)
        for task in (answer, left):
            task.cancel()
        (cut, _) = await asyncio.gather(answer, left, return_exceptions=True)
        if isinstance(cut, CutError):
            raise cut


async def _quietly(work: Any) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await work


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _body(receive: Receive) -> bytes:
    pieces = []
    more = True
    while more:
        message = await receive()
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(pieces)


def _path(scope: Scope) -> str:
    raw = scope.get("raw_path", scope["path"].encode()).decode("latin-1")
    path = raw.removeprefix(scope.get("root_path", ""))
    query = scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("latin-1")


def vendors() -> Iterator[ModuleType]:
    """Import every vendor, in the order of their names."""
    for path in sorted(FOLDER.glob("*.py")):
        if path.stem not in {"serve", "__init__"}:
            module = import_module(f"tests.vendors.{path.stem}")
            if hasattr(module, "TYPE"):
                yield module


def mount(module: ModuleType) -> str:
    """Return where a vendor's paths begin."""
    return str(getattr(module, "MOUNT", module.TYPE))


def _routes(module: ModuleType) -> Iterator[BaseRoute]:
    record = Record()

    async def last(_: Request) -> JSONResponse:
        return JSONResponse(record.last)

    async def count(_: Request) -> JSONResponse:
        return JSONResponse({"count": record.count, "open": record.open})

    yield Route(f"/{mount(module)}/last", last)
    yield Route(f"/{mount(module)}/count", count)
    yield Mount(f"/{mount(module)}", Recorded(module.app, record))


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    app = Starlette(routes=[route for module in vendors() for route in _routes(module)])
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="critical", access_log=False, lifespan="off")


if __name__ == "__main__":
    main()
