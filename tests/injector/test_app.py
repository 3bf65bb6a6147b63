"""The webhook's HTTP, on the real app."""

import asyncio
import json
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from prometheus_client import generate_latest

from parley_operator.injector.app import Injector, create_app, create_public_app
from parley_operator.injector.body import MAX_BODY_BYTES
from parley_operator.injector.certificate import ServedCertificate
from parley_operator.injector.door import Door
from parley_operator.injector.metrics import Metrics
from parley_operator.injector.settings import Settings
from tests.injector.world import ENABLED, SETTINGS, Authority, container, pod, review

JSON = {"content-type": "application/json"}
Reply = httpx2.Response


def made(directory: Path, settings: Settings = SETTINGS, *, max_in_flight: int = 8) -> Injector:
    """Return an injector with a certificate of its own."""
    Authority().issue(directory)
    certificate = ServedCertificate(directory)
    certificate.refresh()
    return Injector(settings, certificate, Door(max_in_flight), Metrics())


async def post(
    injector: Injector, content: Any, path: str = "/inject", headers: dict[str, str] = JSON
) -> httpx2.Response:
    """Post a body to the webhook."""
    transport = httpx2.ASGITransport(create_app(injector), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="https://webhook") as client:
        return await client.post(path, content=content, headers=headers)


async def get(injector: Injector, path: str) -> httpx2.Response:
    """Get a page beside the webhook."""
    transport = httpx2.ASGITransport(create_public_app(injector))
    async with httpx2.AsyncClient(transport=transport, base_url="http://public") as client:
        return await client.get(path)


def asked(document: Any = None, **fields: Any) -> bytes:
    """Return the body of a review."""
    return json.dumps(review(pod() if document is None else document, **fields)).encode()


def counted(injector: Injector, result: str, reason: str = "") -> float | None:
    """Return how often the metric counted this."""
    labels = {"result": result, "reason": reason}
    return injector.metrics.registry.get_sample_value("parley_injector_requests_total", labels)


async def test_a_review_is_answered(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As JSON with the uid; it is counted, timed and logged without a word of the pod's own."""
    injector = made(tmp_path)
    document = pod(containers=[container(env=[{"name": "PASSWORD", "value": "hunter2"}])])

    with caplog.at_level(logging.INFO, "parley_operator"):
        reply = await post(injector, asked(document))

    assert (200, "application/json") == (reply.status_code, reply.headers["content-type"])
    assert "705ab4f5-6393-11e8-b7cc-42010a800002" == reply.json()["response"]["uid"]
    assert 1 == counted(injector, "injected")
    assert 1 == injector.metrics.registry.get_sample_value("parley_injector_duration_seconds_count")
    (record,) = caplog.records
    assert ("shop", "shop-", False) == (
        record.__dict__["namespace"],
        record.__dict__["pod"],
        record.__dict__["dry_run"],
    )
    assert "hunter2" not in str(record.__dict__)


async def test_the_sidecar_trusts_what_the_mounted_secret_says(tmp_path: Path) -> None:
    """The bundle of the certificate's own Secret goes into the pod, the newest one."""
    injector = made(tmp_path)
    new = Authority("new")
    bundle = Authority("old").pem + new.pem
    new.issue(tmp_path, bundle=bundle)
    injector.certificate.refresh()

    reply = await post(injector, asked())

    patch = msgspec.json.decode(msgspec.json.decode(reply.content, type=Answered).response.patch)
    (added,) = [operation["value"] for operation in patch if operation["path"] == "/spec/initContainers/0"]
    assert {"name": "PARLEY_TRUST_ANCHORS", "value": bundle} in added["env"]


class Patched(msgspec.Struct):
    """A response with a patch."""

    patch: bytes


class Answered(msgspec.Struct):
    """An answer with a patch."""

    response: Patched


async def test_the_second_path_is_for_labelled_namespaces(tmp_path: Path) -> None:
    """The same pod, without an annotation, is skipped on the first path and injected on the second."""
    injector = made(tmp_path)
    body = asked(pod({"parley.dev/app-id": "shop"}))

    await post(injector, body, "/inject")
    await post(injector, body, "/inject-namespace")

    assert (1, 1) == (counted(injector, "skipped", "not_opted_in"), counted(injector, "injected"))


async def test_a_mistake_is_logged_as_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An operator of the cluster finds it, by its reason."""
    injector = made(tmp_path)

    with caplog.at_level(logging.WARNING):
        await post(injector, asked(pod({**ENABLED, "parley.dev/log-level": "loud"})))

    assert ["bad_annotation"] == [str(record.__dict__["reason"]) for record in caplog.records]
    assert 1 == counted(injector, "failed", "bad_annotation")


async def test_a_dry_run_is_answered_alike(tmp_path: Path) -> None:
    """There are no side effects to leave out."""
    injector = made(tmp_path)

    reply = await post(injector, asked(dryRun=True))

    assert reply.json()["response"]["allowed"]


@pytest.mark.parametrize(
    ("content", "headers", "status", "reason"),
    [
        (b"{", JSON, 400, "malformed"),
        (asked(uid=7), JSON, 400, "malformed"),
        (asked("no pod"), JSON, 400, "malformed"),
        (asked(), {"content-type": "text/plain"}, 415, "content_type"),
        (asked(), {"content-type": ""}, 415, "content_type"),
        (b" " * (MAX_BODY_BYTES + 1), JSON, 413, "too_large"),
    ],
)
async def test_bad_requests_are_refused_with_a_sentence(
    content: bytes, headers: dict[str, str], status: int, reason: str, tmp_path: Path
) -> None:
    """And counted by reason; the next one is served."""
    injector = made(tmp_path)

    reply = await post(injector, content, headers=headers)

    assert (status, "text/plain; charset=utf-8") == (reply.status_code, reply.headers["content-type"])
    assert reply.text.strip()
    assert 1 == counted(injector, "refused", reason)
    assert (
        200 == (await post(injector, asked(), headers={"content-type": "application/json; charset=utf-8"})).status_code
    )


async def test_the_largest_body_is_read(tmp_path: Path) -> None:
    """Three MiB are the API server's own limit."""
    body = asked()

    reply = await post(made(tmp_path), body + b" " * (MAX_BODY_BYTES - len(body)))

    assert 200 == reply.status_code


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/inject", 405), ("POST", "/", 404), ("GET", "/docs", 404)]
)
async def test_there_is_nothing_else(method: str, path: str, status: int, tmp_path: Path) -> None:
    """No docs, no other paths, no other methods."""
    transport = httpx2.ASGITransport(create_app(made(tmp_path)))
    async with httpx2.AsyncClient(transport=transport, base_url="https://webhook") as client:
        assert status == (await client.request(method, path)).status_code


async def test_overload_is_told_to_come_back(tmp_path: Path) -> None:
    """Of many at once, those above the limit get 503 with Retry-After at once, the others are served."""
    injector = made(tmp_path, max_in_flight=3)

    replies = await asyncio.gather(*(post(injector, asked()) for _ in range(5)))

    assert [200, 200, 200, 503, 503] == sorted(reply.status_code for reply in replies)
    assert {"1"} == {reply.headers["retry-after"] for reply in replies if reply.status_code == 503}
    assert 2 == counted(injector, "overloaded", "in_flight")
    assert 0 == injector.door.in_flight == injector.metrics.registry.get_sample_value("parley_injector_in_flight")


async def test_leaving_it_serves_and_asks_callers_to_connect_elsewhere(tmp_path: Path) -> None:
    """Readiness is off; who still comes is served, on a connection that ends."""
    injector = made(tmp_path)
    assert 200 == (await get(injector, "/readyz")).status_code

    injector.door.leaving = True

    reply = await post(injector, asked())
    assert (200, "close") == (reply.status_code, reply.headers["connection"])
    assert 503 == (await get(injector, "/readyz")).status_code
    assert 200 == (await get(injector, "/healthz")).status_code


async def test_a_closed_door_sends_away(tmp_path: Path) -> None:
    """At once, and the API server tries another replica."""
    injector = made(tmp_path)
    injector.door.leaving = injector.door.closed = True

    reply = await post(injector, asked())

    assert (503, "1", "close") == (reply.status_code, reply.headers["retry-after"], reply.headers["connection"])
    assert 1 == counted(injector, "overloaded", "draining")


async def test_without_a_good_certificate_it_is_not_ready(tmp_path: Path) -> None:
    """None yet, or an expired one: the API server would only fail on it."""
    nowhere = Injector(SETTINGS, ServedCertificate(tmp_path / "nowhere"), Door(1), Metrics())
    Authority().issue(tmp_path, lifetime=timedelta(hours=-1))
    expired = Injector(SETTINGS, ServedCertificate(tmp_path), Door(1), Metrics())
    expired.certificate.refresh()

    assert 503 == (await get(nowhere, "/readyz")).status_code == (await get(expired, "/readyz")).status_code


async def test_metrics_are_prometheus_text(tmp_path: Path) -> None:
    """All series are there; the process's own, too."""
    injector = made(tmp_path)
    await post(injector, asked())

    reply = await get(injector, "/metrics")

    assert reply.headers["content-type"].startswith("text/plain; version=")
    assert 'parley_injector_requests_total{reason="",result="injected"} 1.0' in reply.text
    assert "process_resident_memory_bytes" in reply.text
    assert generate_latest(injector.metrics.registry)


async def test_a_fault_of_ours_is_500_and_counted(tmp_path: Path) -> None:
    """Settings that no file can hold stand for it; the failure policy then decides about the pod."""
    broken = msgspec.structs.replace(SETTINGS, cpu_limit_when_required="broken")
    injector = made(tmp_path, broken)
    limited = pod(containers=[container(resources={"limits": {"cpu": "1"}})])

    reply = await post(injector, asked(limited))

    assert (500, "the injector failed\n") == (reply.status_code, reply.text)
    assert 1 == counted(injector, "error")
    assert 0 == injector.door.in_flight
