"""A redis-server of one test alone: to be killed, frozen, filled up, or started with flags of its own."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster import packages
from tests.conftest import free_port, listens, until


@dataclass(slots=True)
class OwnRedis:
    """The server; `start` may be called again after it was killed."""

    port: int
    directory: Path
    flags: tuple[str, ...]
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it listens."""
        flags = self.flags or ("--port", str(self.port))
        command = ["redis-server", "--bind", "127.0.0.1", "--save", "", "--dir", str(self.directory), *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until("redis-server", lambda: listens(self.port))

    def send(self, number: signal.Signals) -> None:
        """Signal it; SIGKILL is waited for."""
        assert self.process
        self.process.send_signal(number)
        if number is signal.SIGKILL:
            self.process.wait()

    def say(self, *words: str) -> None:
        """Send it a command, as an administrator does."""
        subprocess.run(["redis-cli", "-p", str(self.port), *words], stdout=subprocess.DEVNULL, check=True)


@contextmanager
def own_redis(directory: Path, *flags: str, port: int | None = None) -> Iterator[OwnRedis]:
    """Run one meanwhile; `flags` replace `--port`."""
    packages.install({"redis-server": "redis-server", "redis-tools": "redis-cli"})
    server = OwnRedis(port or free_port(), directory, flags)
    server.start()
    try:
        yield server
    finally:
        server.send(signal.SIGKILL)
