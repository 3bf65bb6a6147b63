"""The injector as a process of its own, on loopback, with settings and certificates in a directory."""

import contextlib
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import free_port, until
from tests.injector.world import Authority

PROGRAM = "from parley_operator.injector.webhook import main; main()"


@dataclass(frozen=True, slots=True)
class Running:
    """A running injector."""

    process: subprocess.Popen[bytes]
    authority: Authority
    directory: Path
    port: int
    metrics_port: int

    @property
    def url(self) -> str:
        """Return the webhook's root."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def tls(self) -> Path:
        """Return the directory of its certificate."""
        return self.directory / "tls"

    def get(self, path: str) -> tuple[int, str]:
        """Return status and body of a page beside the webhook."""
        return read(f"http://127.0.0.1:{self.metrics_port}{path}")

    def counts(self) -> dict[tuple[str, str], int]:
        """Return how many reviews had which result and reason; only what was counted is in it."""
        sample = re.compile(r'parley_injector_requests_total\{reason="(\w*)",result="(\w+)"\} ([0-9.]+)')
        _, text = self.get("/metrics")
        return {(result, reason): int(float(number)) for reason, result, number in sample.findall(text)}

    def certificate_expiry_s(self) -> float:
        """Return when the certificate it serves expires."""
        _, text = self.get("/metrics")
        (number,) = re.findall(r"^parley_certificate_expiry_timestamp_seconds (\S+)$", text, re.MULTILINE)
        return float(number)

    def post(self, body: Any) -> tuple[int, dict[str, str], Any]:
        """Post a review to /inject on a new connection: status, headers, body."""
        context = ssl.create_default_context(cadata=self.authority.pem)
        request = urllib.request.Request(
            f"{self.url}/inject", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, context=context, timeout=30) as reply:
            return reply.status, dict(reply.headers), json.load(reply)


def read(url: str) -> tuple[int, str]:
    """Return status and body of a page; a status that is an error is no exception."""
    try:
        with urllib.request.urlopen(url, timeout=30) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@contextlib.contextmanager
def running(directory: Path, **settings: Any) -> Iterator[Running]:
    """Start an injector and wait until it is ready; end it in an orderly way."""
    authority, port, metrics_port = Authority(), free_port(), free_port()
    authority.issue(directory / "tls")
    least = {
        "image": "parley-sidecar:1.0.0",
        "operatorUrl": "https://parley-operator.parley-system.svc:443",
        "host": "127.0.0.1",
        "port": port,
        "metricsPort": metrics_port,
        "tlsDirectory": str(directory / "tls"),
        "drainSeconds": 0,
    }
    file = directory / "injector.json"
    file.write_text(json.dumps({**least, **settings}), encoding="utf-8")
    environment = {**os.environ, "PARLEY_INJECTOR_SETTINGS": str(file)}
    with subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment) as process:
        try:
            started = Running(process, authority, directory, port, metrics_port)
            until("the injector", lambda: started.get("/readyz")[0] == 200)
            yield started
        finally:
            process.send_signal(signal.SIGTERM)
