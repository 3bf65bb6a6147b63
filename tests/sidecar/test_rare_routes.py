"""The routes that are asked rarely: FastAPI is loaded for the first of them, and for nothing else."""

import asyncio
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from parley_sidecar.app import WhenAsked
from parley_sidecar.connection import respond
from tests.conftest import eventually, free_port
from tests.sidecar.processes import EXAMPLES

ASK = """
import json, os, sys, time, urllib.request

def ask(port, path, body=None):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", body, timeout=60) as reply:
        assert reply.status // 100 == 2, path

api, public = os.environ["DAPR_HTTP_PORT"], sys.argv[1]
converse = json.dumps({"inputs": ["hello"]}).encode()
ask(api, "/v1.0-alpha1/conversation/echo/converse", converse)
ask(api, "/v1/models")
for path in ("/v1.0/healthz", "/v1.0/healthz/outbound"):
    ask(api, path)
for path in ("/healthz", "/readyz", "/metrics"):
    ask(public, path)
for path in sys.argv[2:]:
    ask(api, path)
"""
RUN = """
import json, sys
from parley_sidecar.cli import main

code = main(json.loads(sys.argv[1]))
print("|".join(sys.modules), code)
"""
HEAVY = {
    "aiohttp",
    "botocore",
    "cryptography",
    "fastapi",
    "grpc_reflection.v1alpha",
    "httpx2",
    "openai",
    "redis",
    "starlette.routing",
}


def loaded_for(directory: Path, *paths: str) -> tuple[str, set[str]]:
    """Run a sidecar for an application that asks what all ask, and `paths`; return the exit code and the modules."""
    shutil.copy(EXAMPLES / "echo.yaml", directory)
    ports = [str(free_port()) for _ in range(3)]
    flags = zip(("--http-port", "--grpc-port", "--metrics-port"), ports, strict=True)
    words = ["run", "--components", str(directory), *(word for flag in flags for word in flag)]
    words += ["--", sys.executable, "-c", ASK, ports[2], *paths]
    done = subprocess.run([sys.executable, "-c", RUN, json.dumps(words)], capture_output=True, text=True, check=True)
    modules, code = done.stdout.splitlines()[-1].rsplit(" ", 1)
    return code, set(modules.split("|"))


@pytest.mark.parametrize(("paths", "heavy"), [((), set()), (("/v1.0/metadata",), {"fastapi", "starlette.routing"})])
def test_what_nobody_asks_for_is_not_loaded(tmp_path: Path, paths: tuple[str, ...], heavy: set[str]) -> None:
    """Answers, health checks and metrics need none of the heavy packages."""
    code, modules = loaded_for(tmp_path, *paths)

    assert ("0", heavy) == (code, HEAVY & modules)


SCOPE: dict[str, Any] = {"type": "http"}


async def nothing() -> Message:
    """Receive nothing."""
    return {"type": "http.disconnect"}


async def said(_: Scope, __: Receive, send: Send) -> None:
    """Answer."""
    await respond(send, 200, (), b"said")


async def test_an_app_is_made_once_and_beside_the_loop() -> None:
    """The first request has the app made, others go on meanwhile and wait for the same, and may leave."""
    made, may_go_on = threading.Event(), threading.Event()
    times = 0

    def make() -> Any:
        nonlocal times
        times += 1
        made.set()
        may_go_on.wait(60)
        return said

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    app = WhenAsked(make)
    first, second = (asyncio.create_task(app(SCOPE, nothing, send)) for _ in range(2))
    await eventually(made.is_set)
    before = list(sent)
    first.cancel()
    await asyncio.wait([first])
    may_go_on.set()
    await second

    assert ([], True) == (before, first.cancelled())
    assert (1, [b"said"]) == (times, [message["body"] for message in sent if "body" in message])
