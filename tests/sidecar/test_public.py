"""What the kubelet and Prometheus see."""

import pytest

from tests.sidecar.running import component, sidecar


async def test_a_sidecar_lives_and_is_ready() -> None:
    """A sidecar is live and ready from the start, whatever the host it is called by."""
    async with sidecar() as running:
        replies = [await running.public.get(path) for path in ("/healthz", "/readyz")]

    assert [200, 200] == [reply.status_code for reply in replies]


async def test_a_draining_sidecar_is_not_ready() -> None:
    """While it drains it lives, and is not ready."""
    async with sidecar() as running:
        running.door.traffic.ready = False
        replies = [await running.public.get(path) for path in ("/healthz", "/readyz")]

    assert [(200, "ok\n"), (503, "draining\n")] == [(reply.status_code, reply.text) for reply in replies]


async def test_metrics_are_shown() -> None:
    """What was asked is counted, in Prometheus' text format."""
    async with sidecar(component()) as running:
        await running.alpha1({"inputs": ["hi"]})
        reply = await running.public.get("/metrics")
        samples = await running.samples()

    assert "text/plain; version=0.0.4; charset=utf-8" == reply.headers["content-type"]
    assert 1 == samples['parley_requests_total{component="echo",api="alpha1",outcome="ok"}']


async def test_a_probe_may_ask_for_the_head_alone() -> None:
    """HEAD is answered as GET is."""
    async with sidecar() as running:
        reply = await running.public.head("/readyz")

    assert 200 == reply.status_code


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1.0-alpha1/conversation/echo/converse"), ("GET", "/v1.0/metadata"), ("POST", "/healthz")],
)
async def test_nothing_else_is_here(method: str, path: str) -> None:
    """Nobody outside the pod can converse, or look around."""
    async with sidecar(component()) as running:
        reply = await running.public.request(method, path, json={"inputs": ["hi"]})

    assert 404 == reply.status_code
