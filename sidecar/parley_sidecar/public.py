"""The app on all interfaces, for the kubelet and Prometheus: liveness, readiness, metrics, and no converse route.

Without a framework, as the converse routes: Starlette's would be in memory for three pages.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from parley_sidecar.connection import respond
from parley_sidecar.door import Traffic
from parley_sidecar.instruments import CONTENT_TYPE, exposition
from parley_sidecar.metrics import Metrics

TEXT: Final = "text/plain; charset=utf-8"

Page = Callable[[], Awaitable[tuple[int, str, bytes]]]
"""Returns status, media type and body."""


def create_public_app(traffic: Traffic, metrics: Metrics) -> ASGIApp:
    """Return the app; `traffic.ready` decides what /readyz says."""

    async def healthz() -> tuple[int, str, bytes]:
        return 200, TEXT, b"ok\n"

    async def readyz() -> tuple[int, str, bytes]:
        return (200, TEXT, b"ok\n") if traffic.ready else (503, TEXT, b"draining\n")

    async def shown() -> tuple[int, str, bytes]:
        return 200, CONTENT_TYPE, await exposition(metrics.families())

    async def unknown() -> tuple[int, str, bytes]:
        return 404, TEXT, b"not found\n"

    pages: dict[str, Page] = {"/healthz": healthz, "/readyz": readyz, "/metrics": shown}

    async def app(scope: Scope, _: Receive, send: Send) -> None:
        page = pages.get(scope["path"], unknown) if scope["method"] in {"GET", "HEAD"} else unknown
        status, media_type, body = await page()
        await respond(send, status, ((b"content-type", media_type.encode()),), body)

    return app
