"""The webhook's process: TLS, a changed certificate, an orderly end."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx2

from parley_operator.injector.settings import Settings
from parley_operator.injector.webhook import serve
from tests.conftest import free_port, until
from tests.injector.process import PROGRAM, read, running
from tests.injector.world import SETTINGS, Authority, pod, review


def test_it_serves_over_tls_and_ends_on_sigterm(tmp_path: Path) -> None:
    """Ready, asked, told to end: it leaves with status 0."""
    with running(tmp_path) as injector:
        status, _, answer = injector.post(review(pod()))

        assert (200, True) == (status, answer["response"]["allowed"])
        assert {("injected", ""): 1} == injector.counts()
        assert injector.certificate_expiry_s() > 1.7e9
        assert "parley_certificate_not_before_timestamp_seconds 1." in injector.get("/metrics")[1]
        assert (200, "ok\n") == injector.get("/healthz")
    assert 0 == injector.process.returncode


def test_while_draining_it_serves_and_is_not_ready(tmp_path: Path) -> None:
    """After SIGTERM readiness goes, and reviews are answered until the drain time is over, each connection once."""
    with running(tmp_path, drainSeconds=4) as injector:
        injector.process.send_signal(signal.SIGTERM)
        until("readiness off", lambda: injector.get("/readyz")[0] == 503)

        status, headers, _ = injector.post(review(pod()))

        assert (200, "close") == (status, headers["connection"])
        assert injector.process.poll() is None
    assert 0 == injector.process.returncode


def test_without_a_usable_settings_file_it_does_not_start(tmp_path: Path) -> None:
    """It ends with a sentence that names the file and the field."""
    file = tmp_path / "injector.json"
    file.write_text('{"image": "i"}', encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PARLEY_INJECTOR_SETTINGS": str(file)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert 1 == done.returncode
    assert f"{file}: Object missing required field `operatorUrl`" in done.stderr


def test_a_taken_port_ends_it(tmp_path: Path) -> None:
    """The kubelet starts it again; it does not sit there looking alive."""
    with running(tmp_path) as first:
        file = first.directory / "injector.json"
        environment = {**os.environ, "PARLEY_INJECTOR_SETTINGS": str(file)}

        done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, stdout=subprocess.DEVNULL, check=False)

    assert done.returncode


async def test_before_there_is_a_certificate_it_lives_and_is_not_ready(tmp_path: Path) -> None:
    """The leader may still be making it; then it becomes ready by itself, and ends when told."""
    port, metrics_port, stop = free_port(), free_port(), asyncio.Event()
    settings = Settings(
        image=SETTINGS.image,
        operator_url=SETTINGS.operator_url,
        host="127.0.0.1",
        port=port,
        metrics_port=metrics_port,
        tls_directory=str(tmp_path),
        drain_seconds=0,
    )
    serving = asyncio.create_task(serve(settings, stop))
    url = f"http://127.0.0.1:{metrics_port}"
    async with httpx2.AsyncClient(transport=httpx2.AsyncHTTPTransport(retries=20)) as client:
        assert 200 == (await client.get(f"{url}/healthz")).status_code
        assert 503 == (await client.get(f"{url}/readyz")).status_code

        Authority().issue(tmp_path)
        await asyncio.to_thread(until, "readiness", lambda: read(f"{url}/readyz")[0] == 200)

    stop.set()
    await serving


def test_the_process_imports_no_kubernetes_client() -> None:
    """Neither kopf nor a client of the API, nor the HTTP client they need: it has no use for rights."""
    program = "import sys, parley_operator.injector.webhook; print(*sorted({m.split('.')[0] for m in sys.modules}))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert set() == {"kopf", "kubernetes", "aiohttp", "parley_sidecar"} & set(done.stdout.split())
