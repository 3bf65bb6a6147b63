"""The injector's two HTTP apps: the webhook that the API server calls, and health and metrics beside it.

The API server posts reviews of pods that opted in themselves to /inject, and of those whose namespace did to
/inject-namespace: so the injector never has to read a namespace.
"""

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec
from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from parley_operator.injector.body import RefusedError, read_body
from parley_operator.injector.certificate import ServedCertificate
from parley_operator.injector.door import Door
from parley_operator.injector.metrics import Metrics
from parley_operator.injector.review import MalformedReviewError, Result, judge_request, read_review, write_review
from parley_operator.injector.settings import Settings

INJECT_PATH: Final = "/inject"
INJECT_NAMESPACE_PATH: Final = "/inject-namespace"
_COME_BACK: Final = {"retry-after": "1"}
_LAST: Final = {"connection": "close"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Injector:
    """What both apps share."""

    settings: Settings
    certificate: ServedCertificate
    door: Door
    metrics: Metrics

    @property
    def is_ready(self) -> bool:
        """Say whether the API server should send reviews here."""
        return not self.door.leaving and self.certificate.is_good(datetime.now(UTC))

    async def answer(self, request: Request, *, by_namespace: bool) -> Response:
        """Answer one review, or say why not."""
        began = time.perf_counter()
        with self.door.entered(), self.metrics.in_flight.track_inprogress():
            await asyncio.sleep(0)  # what arrived in the same turn of the loop is counted before any of it is worked on
            try:
                response = await self._answer(request, by_namespace=by_namespace)
            except RefusedError as error:
                self._count("refused", error.reason)
                response = PlainTextResponse(f"{error}\n", error.status)
        self.metrics.duration_s.observe(time.perf_counter() - began)
        if self.door.leaving:
            response.headers.update(_LAST)
        return response

    async def _answer(self, request: Request, *, by_namespace: bool) -> Response:
        if closed := self.door.why_closed():
            self._count("overloaded", closed)
            return PlainTextResponse("come back in a second\n", 503, _COME_BACK)
        body = await read_body(request)
        try:
            return self._judge(body, by_namespace=by_namespace)
        except MalformedReviewError as error:
            raise RefusedError(400, "malformed", str(error)) from error

    def _judge(self, body: bytes, *, by_namespace: bool) -> Response:
        review = read_review(body)
        settings = msgspec.structs.replace(self.settings, trust_anchors=self.certificate.trust_anchors)
        pod, verdict = judge_request(review, settings, by_namespace=by_namespace)
        self._count(verdict.result, verdict.reason or "")
        facts = {"namespace": review.namespace, "pod": pod, "reason": verdict.reason, "dry_run": bool(review.dry_run)}
        loud = verdict.result in {Result.FAILED, Result.DENIED}
        _log.log(logging.WARNING if loud else logging.INFO, "pod %s", verdict.result, extra=facts)
        return Response(write_review(review.uid, verdict), media_type="application/json")

    def _count(self, result: str, reason: str) -> None:
        self.metrics.requests.labels(result, reason).inc()


def create_app(injector: Injector) -> FastAPI:
    """Return the webhook: two paths, no docs, nothing else."""
    app = FastAPI(openapi_url=None)

    @app.post(INJECT_PATH)
    async def inject(request: Request) -> Response:
        return await injector.answer(request, by_namespace=False)

    @app.post(INJECT_NAMESPACE_PATH)
    async def inject_namespace(request: Request) -> Response:
        return await injector.answer(request, by_namespace=True)

    @app.exception_handler(Exception)
    async def failed(*_: object) -> Response:
        injector.metrics.requests.labels("error", "").inc()
        return PlainTextResponse("the injector failed\n", 500)

    return app


def create_public_app(injector: Injector) -> FastAPI:
    """Return health and metrics, on plain HTTP: for the kubelet and for Prometheus."""
    app = FastAPI(openapi_url=None)

    @app.get("/healthz")
    async def healthz() -> Response:
        return PlainTextResponse("ok\n")

    @app.get("/readyz")
    async def readyz() -> Response:
        return PlainTextResponse("ok\n") if injector.is_ready else PlainTextResponse("not ready\n", 503)

    @app.get("/metrics")
    def metrics() -> Response:
        """Render in a worker thread: a scrape never waits in the loop."""
        return Response(generate_latest(injector.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return app
