"""The app on all interfaces, for the kubelet and Prometheus: liveness, readiness, metrics, and no converse route."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from parley_sidecar.door import Traffic
from parley_sidecar.instruments import CONTENT_TYPE, exposition
from parley_sidecar.metrics import Metrics


def create_public_app(traffic: Traffic, metrics: Metrics) -> Starlette:
    """Return the app; `traffic.ready` decides what /readyz says."""

    async def healthz(_: Request) -> Response:
        return Response("ok\n", media_type="text/plain")

    async def readyz(_: Request) -> Response:
        ready = traffic.ready
        return Response("ok\n" if ready else "draining\n", 200 if ready else 503, media_type="text/plain")

    async def shown(_: Request) -> Response:
        return Response(await exposition(metrics.families()), media_type=CONTENT_TYPE)

    return Starlette(
        routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", shown)],
    )
