"""The real servers that tests run against, each started once per run: Redis, a provider stand-in, a control plane.

A missing program is installed where that is possible (root on Debian); otherwise the run fails and names it.
"""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pytest

from e2e.cluster import Cluster, open_cluster, packages

ROOT = Path(__file__).resolve().parent.parent
Value = TypeVar("Value")
PATIENCE_S = 60.0
"""How long a server may take to start on a slow and noisy machine."""


def free_port() -> int:
    """Find a port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as opened:
        return int(opened.getsockname()[1])


def until(what: str, probe: Callable[[], Value]) -> Value:
    """Poll until `probe` returns something truthy; an OSError counts as not yet."""
    end = time.monotonic() + PATIENCE_S
    seen: object = None
    while time.monotonic() < end:
        try:
            if found := probe():
                return found
            seen = found
        except OSError as error:
            seen = error
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {PATIENCE_S:.0f} s, last seen {seen!r}")


async def eventually(probe: Callable[[], object]) -> None:
    """Poll in the loop until `probe` returns something truthy."""
    async with asyncio.timeout(PATIENCE_S):
        while not probe():
            await asyncio.sleep(0.01)


def listens(port: int) -> bool:
    """Say whether somebody accepts connections on a port of loopback; raises OSError where nobody does."""
    with socket.create_connection(("127.0.0.1", port), 1):
        return True


@contextlib.contextmanager
def started(command: list[str]) -> Iterator[None]:
    """Run a server inside the block, and end it whatever happens there."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a real redis-server without persistence."""
    packages.install({"redis-server": "redis-server"})
    port = free_port()
    directory = tmp_path_factory.mktemp("redis")
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(directory)]
    with started(command):
        until("redis-server", lambda: listens(port))
        yield port


@pytest.fixture
def redis_url(redis_server: int) -> str:
    """The URL of the real redis-server, emptied for this test."""
    with socket.create_connection(("127.0.0.1", redis_server)) as connection:
        connection.sendall(b"FLUSHALL\r\n")
        assert connection.recv(64) == b"+OK\r\n"
    return f"redis://127.0.0.1:{redis_server}/0"


@dataclass(frozen=True, slots=True)
class Standin:
    """The provider stand-in: a real HTTP server that speaks OpenAI's wire format."""

    url: str
    """Its root; components use `{url}/v1` as their endpoint."""

    def last(self) -> dict[str, Any]:
        """Return the last request it got: `headers` (lower-case names) and `body`."""
        return dict(self._get("/last"))

    def count(self) -> int:
        """Return how many completions it was asked for since it started."""
        return int(self._get("/count")["count"])

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=10) as reply:
            return json.load(reply)


@pytest.fixture(scope="session")
def standin() -> Iterator[Standin]:
    """A running provider stand-in, on a port of its own."""
    port = free_port()
    command = [sys.executable, str(ROOT / "bench/standin.py"), "--host", "127.0.0.1", "--port", str(port)]
    with started(command):
        running = Standin(f"http://127.0.0.1:{port}")
        until("the stand-in", lambda: listens(port))
        yield running


@dataclass(frozen=True, slots=True)
class Vendors:
    """Every vendor's stand-in, in one process: strict on its wire form, and remembering what it was asked."""

    url: str
    """Its root; a vendor answers below `{url}/{mount}`, which is its component type unless that has several."""

    def settings(self, mount: str) -> dict[str, str]:
        """Return the settings of a component that reaches a vendor, with its good key."""
        return dict(vendor_modules()[mount].settings(f"{self.url}/{mount}"))

    def last(self, mount: str) -> dict[str, Any]:
        """Return the last request that a vendor got: `path`, `headers` (lower-case names) and `body`."""
        return dict(self._get(f"/{mount}/last"))

    def count(self, mount: str) -> int:
        """Return how many requests a vendor got since it started."""
        return int(self._get(f"/{mount}/count")["count"])

    def open(self, mount: str) -> int:
        """Return how many requests a vendor is answering now."""
        return int(self._get(f"/{mount}/count")["open"])

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=10) as reply:
            return json.load(reply)


@cache
def vendor_modules() -> dict[str, ModuleType]:
    """Import every vendor, by where its paths begin."""
    named = (import_module(f"tests.vendors.{path.stem}") for path in sorted((ROOT / "tests/vendors").glob("*.py")))
    return {str(getattr(module, "MOUNT", module.TYPE)): module for module in named if hasattr(module, "TYPE")}


@pytest.fixture(scope="session")
def vendors() -> Iterator[Vendors]:
    """Every vendor's stand-in, running."""
    port = free_port()
    with started([sys.executable, str(ROOT / "tests/vendors/serve.py"), "--port", str(port)]):
        until("the vendors", lambda: listens(port))
        yield Vendors(f"http://127.0.0.1:{port}")


@pytest.fixture(scope="session")
def control_plane() -> Iterator[Cluster]:
    """A real API server with etcd, controllers and a node that only pretends, for this run.

    Where it cannot be had the tests fail and say why; `make unit` leaves them out.
    """
    os.environ.setdefault("PARLEY_E2E", "binaries")
    with open_cluster() as cluster:
        yield cluster
