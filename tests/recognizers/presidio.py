"""Presidio analyzer's REST API over a small dictionary of names, strict about what it is asked: a real HTTP server.

`python tests/recognizers/presidio.py --port 8000`. Source: presidio-analyzer/app.py and its API's description.

    GET  /health              as documented
    POST /analyze             as documented, of one text or of a list of them
    GET  /record              {"asked": texts in order, "most": analyses at the same time, "last": the last body}
    POST /<fault>/analyze     what goes wrong: see `FAULTS`
"""

import argparse
import asyncio
import contextlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

ROOT: Final = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))  # started by its path, it still finds `tests`

NAMES: Final = {
    "PERSON": ("Ann Lee", "Ann", "Жанна Д'Арк", "José Núñez"),
    "LOCATION": ("Zurich", "Bahnhofstrasse 1, 8001 Zurich", "New York"),
    "DATE_TIME": ("tomorrow",),
}
FIELDS: Final = {
    "text": (str, list), "language": (str,), "entities": (list,), "score_threshold": (int, float),
    "correlation_id": (str,), "return_decision_process": (bool,), "ad_hoc_recognizers": (list,), "context": (list,),
    "allow_list": (list,), "allow_list_match": (str,), "regex_flags": (int,),
}  # fmt: skip
SURE: Final = 0.85
UNSURE: Final = 0.4
"""How sure it is of a name of one word."""
THOUGHT_S: Final = 0.05
"""How long an analysis takes."""
LEAK: Final = "what the recognizer says of Ann Lee"
"""Stands in the body of every fault, so that a test sees when a body gets out."""


class Record:
    """What it was asked."""

    asked: list[str]
    most: int
    now: int
    last: Any

    def __init__(self) -> None:
        self.asked, self.most, self.now, self.last = [], 0, 0, None


class CutError(Exception):
    """The server closes the connection."""


class Cut(Response):
    """Half an answer; then the connection closes."""

    async def __call__(self, _: Scope, __: Receive, send: Send) -> None:
        """Send what there is, and fail."""
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]})
        await send({"type": "http.response.body", "body": b"[", "more_body": True})
        raise CutError


def finding(start: int, end: int, kind: str = "PERSON", score: float = SURE) -> dict[str, Any]:
    """Return one finding, as documented."""
    return {"analysis_explanation": None, "end": end, "entity_type": kind, "score": score, "start": start}


FAULTS: Final[dict[str, Response]] = {
    "down": JSONResponse({"error": LEAK}, 503),
    "garbage": PlainTextResponse(f"<html>{LEAK}</html>"),
    "object": JSONResponse({"error": LEAK}),
    "batch": JSONResponse([[finding(0, 1)]]),
    "bare": JSONResponse([{"start": 0, "end": 3}]),
    "negative": JSONResponse([finding(-3, 2)]),
    "beyond": JSONResponse([finding(0, 100_000)]),
    "backwards": JSONResponse([finding(2, 1)]),
    "empty": JSONResponse([finding(1, 1)]),
    "deep": PlainTextResponse("[" * 100_000),
    "latin": PlainTextResponse(b'[{"entity_type": "\xe9"}]'),
    "long": PlainTextResponse("[" + " " * (5 * 1024 * 1024) + "]"),
    "moved": JSONResponse([], 307, {"Location": "/analyze"}),
    "unasked": JSONResponse([finding(0, 3, "CREDIT_CARD"), finding(0, 3, "PERSON", 0.1)]),
}
"""By path; besides them, `cut` closes the connection, `cut-once` only the first time, and `hang` never answers."""


def analyzed(text: str, entities: list[str], threshold: float) -> list[dict[str, Any]]:
    """Return the names in a text, with the places of a Python string."""
    found = (
        finding(match.start(), match.end(), kind, SURE if " " in name else UNSURE)
        for kind, names in NAMES.items()
        if not entities or kind in entities
        for name in names
        for match in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text)
    )
    return [one for one in found if one["score"] >= threshold]


def wrong(body: Any) -> str | None:
    """Return what is wrong with a body, or None."""
    if not isinstance(body, dict) or not body.get("text"):
        return "No text provided"
    if not body.get("language"):
        return "No language provided"
    for name, value in body.items():
        if name not in FIELDS or not isinstance(value, FIELDS[name]):
            return f"the field {name} is not documented so"
    if body["language"] not in {"en", "de"}:
        return "No matching recognizers were found to serve the request."
    return None


def create_app() -> Starlette:
    """Return the server, with a record of its own."""
    record = Record()
    cut: set[str] = set()

    async def analyze(request: Request) -> Response:
        if request.headers.get("content-type") != "application/json":
            return JSONResponse({"error": "Did not attempt to load JSON data"}, 415)
        body = record.last = json.loads(await request.body())
        if fault := wrong(body):
            return JSONResponse({"error": fault}, 500)
        texts = body["text"] if isinstance(body["text"], list) else [body["text"]]
        record.asked += texts
        record.now += 1
        record.most = max(record.most, record.now)
        await asyncio.sleep(THOUGHT_S)
        record.now -= 1
        answers = [analyzed(text, body.get("entities") or [], body.get("score_threshold") or 0) for text in texts]
        return JSONResponse(answers if isinstance(body["text"], list) else answers[0])

    async def faulty(request: Request) -> Response:
        fault = request.path_params["fault"]
        while fault == "hang" and not await request.is_disconnected():
            await asyncio.sleep(THOUGHT_S)
        if fault == "cut-once" and fault in cut:
            return await analyze(request)
        cut.add(fault)
        return FAULTS[fault] if fault in FAULTS else Cut()

    async def health(_: Request) -> Response:
        return PlainTextResponse("Presidio Analyzer service is up")

    async def recorded(_: Request) -> Response:
        answer = JSONResponse({"asked": record.asked, "most": record.most, "last": record.last})
        record.asked, record.most = [], 0
        return answer

    return Starlette(
        routes=[
            Route("/health", health),
            Route("/analyze", analyze, methods=["POST"]),
            Route("/record", recorded),
            Route("/{fault}/analyze", faulty, methods=["POST"]),
        ]
    )


@contextlib.contextmanager
def running() -> Iterator[str]:
    """Run one in a process of its own; the block gets its root URL."""
    from tests.conftest import free_port, listens, started, until  # noqa: PLC0415 - the server itself needs none of it

    port = free_port()
    with started([sys.executable, __file__, "--port", str(port)]):
        until("the recognizer", lambda: listens(port))
        yield f"http://127.0.0.1:{port}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    uvicorn.run(create_app(), host="127.0.0.1", port=port, log_level="critical", timeout_graceful_shutdown=1)
