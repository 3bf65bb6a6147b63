"""A redis-server of one test alone: to be killed, frozen, filled up, or started with flags of its own."""

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster import packages
from tests.conftest import free_port, listens, until

SERVER = ("redis-server", "--save", "", "--repl-diskless-sync-delay", "0")
"""Without persistence."""


@dataclass(slots=True)
class OwnRedis:
    """The server; `start` may be called again after it was killed."""

    port: int
    directory: Path
    flags: tuple[str, ...]
    command: tuple[str, ...] = SERVER
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it listens."""
        flags = self.flags or ("--port", str(self.port))
        command = [*self.command, "--bind", "127.0.0.1", "--dir", str(self.directory), *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until(self.command[0], lambda: listens(self.port))

    def send(self, number: signal.Signals) -> None:
        """Signal it; SIGKILL is waited for."""
        assert self.process
        self.process.send_signal(number)
        if number is signal.SIGKILL:
            self.process.wait()

    def say(self, *words: str) -> str:
        """Send it a command, as an administrator does, and return its answer."""
        return self._cli(words).stdout

    def said(self, *words: str) -> str:
        """Return its answer, or the error it says, or nothing if it is not there."""
        return self._cli(words, check=False).stdout

    def fill(self) -> None:
        """Leave it no memory; it evicts nothing."""
        self.say("config", "set", "maxmemory", "1")

    def _cli(self, words: Sequence[str], *, check: bool = True) -> "subprocess.CompletedProcess[str]":
        command = ["redis-cli", "-e", "-p", str(self.port), *words]
        return subprocess.run(command, capture_output=True, text=True, check=check)


@contextmanager
def own_redis(
    directory: Path, *flags: str, port: int | None = None, command: tuple[str, ...] = SERVER
) -> Iterator[OwnRedis]:
    """Run one meanwhile; `flags` replace `--port`."""
    packages.install({"redis-server": "redis-server", "redis-tools": "redis-cli"})
    server = OwnRedis(port or free_port(), directory, flags, command)
    server.start()
    try:
        yield server
    finally:
        server.send(signal.SIGKILL)
