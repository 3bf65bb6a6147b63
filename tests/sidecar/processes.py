"""A sidecar as a process of its own, started by the real command: what a person or an injector would start."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import Standin, free_port, until

EXAMPLES = Path(__file__).resolve().parents[2] / "examples/components"
COMMAND = (sys.executable, "-m", "parley_sidecar")


@dataclass(slots=True)
class Reply:
    """What the sidecar answered."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(slots=True)
class Process:
    """A running `parley run`, and what it printed."""

    popen: "subprocess.Popen[str]"
    directory: Path
    http_port: int
    grpc_port: int
    metrics_port: int

    @property
    def log(self) -> list[dict[str, Any]]:
        """The events on stdout so far; lines that are no JSON are an application's."""
        lines = (self.directory / "stdout").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    @property
    def stdout(self) -> str:
        """Everything on stdout so far."""
        return (self.directory / "stdout").read_text()

    @property
    def stderr(self) -> str:
        """Everything on stderr so far."""
        return (self.directory / "stderr").read_text()

    def events(self, event: str) -> list[dict[str, Any]]:
        """Return the log's events of one kind."""
        return [entry for entry in self.log if entry["event"] == event]

    def until_up(self) -> None:
        """Wait until it serves."""
        until("the sidecar", lambda: self.popen.poll() is not None or self.events("sidecar is up"))
        assert self.popen.poll() is None, self.stderr

    def ask(self, name: str = "echo", body: object = None, headers: Mapping[str, str] = {}) -> Reply:
        """Ask in the early form."""
        path = f"/v1.0-alpha1/conversation/{name}/converse"
        return self.request(self.http_port, path, json.dumps(body or {"inputs": ["hello"]}).encode(), headers)

    def get(self, path: str) -> Reply:
        """Read a path of the public port."""
        return self.request(self.metrics_port, path)

    def request(
        self,
        port: int,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] = {},
        method: str | None = None,
    ) -> Reply:
        """Make a request, whatever its status."""
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, dict(headers), method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return Reply(reply.status, dict(reply.headers), parsed(reply.read()))
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, dict(error.headers), parsed(error.read()))

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Send a signal."""
        self.popen.send_signal(number)

    def ended(self) -> int:
        """Wait for the end and return the exit code."""
        return self.popen.wait(60)


def parsed(body: bytes) -> Any:
    """Read JSON where it is JSON."""
    try:
        return json.loads(body)
    except ValueError:
        return body.decode()


@contextmanager
def parley_run(
    directory: Path, *arguments: str, environ: Mapping[str, str] = {}, command: Sequence[str] = ()
) -> Iterator[Process]:
    """Start `parley run` with these arguments on free ports, with `command` beside it; it is gone at the end."""
    http_port, grpc_port, metrics_port = free_port(), free_port(), free_port()
    ports = {
        "PARLEY_HTTP_PORT": str(http_port),
        "PARLEY_GRPC_PORT": str(grpc_port),
        "PARLEY_METRICS_PORT": str(metrics_port),
        "PARLEY_STORE_SECONDS": "5",  # a stall of this machine is no fault of Redis
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PARLEY_", "OPENAI"))}
    words = [*COMMAND, "run", *arguments, *(["--", *command] if command else [])]
    with (directory / "stdout").open("w") as out, (directory / "stderr").open("w") as err:
        popen = subprocess.Popen(words, env={**inherited, **ports, **environ}, stdout=out, stderr=err, text=True)
    try:
        yield Process(popen, directory, http_port, grpc_port, metrics_port)
    finally:
        popen.kill()
        popen.wait()


def examples(directory: Path) -> Path:
    """Copy the example components, so that a test may change them."""
    return Path(shutil.copytree(EXAMPLES, directory / "components"))


def gpt(directory: Path, standin: Standin) -> Path:
    """Write a component of the provider stand-in, with its key in a file of Secrets."""
    components = directory / "components"
    components.mkdir()
    (components / "gpt.yaml").write_text(
        f"""
apiVersion: parley.dev/v1alpha1
kind: ConversationComponent
metadata: {{name: gpt}}
spec:
  type: conversation.openai
  metadata:
  - {{name: key, secretKeyRef: {{name: openai, key: apiKey}}}}
  - {{name: endpoint, value: "{standin.url}/v1"}}
  cache: {{ttl: 10m}}
"""
    )
    (directory / "secrets.yaml").write_text("openai: {apiKey: sk-hush}")
    return components
