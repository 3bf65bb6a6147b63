"""Real processes: started on their cores, waited for, stopped; and the load generator, spoken to over a pipe."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import msgspec

from bench.job import Job, Result
from bench.machine import ROOT

if TYPE_CHECKING:
    from bench.grpc_load import GrpcJob

PATIENCE_S: Final = 60.0
"""How long a server may take to start or to stop on a slow and noisy machine."""
POLL_S: Final = 0.002
"""How often a starting server is asked; the error of the start times."""
_NOT_HANDED_ON: Final = ("PARLEY_", "DAPR_", "OPENAI_", "COVERAGE_", "PYTHON")
"""Variables that would make the measured processes other than a user's."""


class BenchError(Exception):
    """There are no figures; the message says why."""


@dataclass(frozen=True, slots=True)
class Running:
    """A started process."""

    name: str
    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    @property
    def pid(self) -> int:
        """Its id."""
        return self.process.pid

    def wait_until_answers(self, path: str, body: str = "") -> None:
        """Ask until it answers with a status of success; raises BenchError if it ends or stays silent."""
        wait_until(self, f"answer on {path}", lambda: succeeds(self.port, path, body))


def wait_until(running: Running, what: str, probe: Callable[[], bool]) -> None:
    """Poll until a process does something; raises BenchError, with the end of its log, when it does not."""
    end = time.monotonic() + PATIENCE_S
    while not probe():
        if running.process.poll() is not None or time.monotonic() > end:
            raise BenchError(f"{running.name} does not {what}:\n{running.log.read_text()[-2000:]}")
        time.sleep(POLL_S)


def succeeds(port: int, path: str, body: str = "") -> bool:
    """Get a path, or post to it; say whether there was an answer with a status of success."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST" if body else "GET", path, body.encode())
        return connection.getresponse().status // 100 == 2
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def fetched(port: int, path: str) -> str:
    """Return what stands under a path."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    except (OSError, HTTPException) as error:
        raise BenchError(f"{path} cannot be read: {error}") from error
    finally:
        connection.close()


def listens(port: int) -> bool:
    """Say whether somebody listens on a port."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """Find a port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as opened:
        return int(opened.getsockname()[1])


def environment(given: Mapping[str, str], bytecode: Path) -> dict[str, str]:
    """Return the environment of measured processes: modules are compiled once and kept, as they are in the image."""
    kept = {name: value for name, value in given.items() if not name.startswith(_NOT_HANDED_ON)}
    return kept | {"PYTHONPYCACHEPREFIX": str(bytecode)}


@dataclass(frozen=True, slots=True)
class Starter:
    """Starts processes for one run; `directory` takes their logs."""

    directory: Path
    bytecode: Path
    """Where compiled modules are kept from run to run."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What else is in the environment of what is started."""

    @contextmanager
    def running(self, name: str, command: Sequence[str], port: int, cores: Iterable[int]) -> Iterator[Running]:
        """Run a command on its cores meanwhile. It is not waited for until it answers."""
        log = self.directory / f"{name}.log"
        with log.open("ab") as output:
            process = self._start(command, cores, subprocess.DEVNULL, output.fileno())
        try:
            yield Running(name, process, port, log)
        finally:
            process.send_signal(signal.SIGINT)  # SIGTERM would make a sidecar wait for late requests
            _wait(process)

    @contextmanager
    def load(self, cores: Iterable[int], module: str = "bench.load") -> Iterator["Load"]:
        """Run a load generator meanwhile."""
        process = self._start([sys.executable, "-m", module], cores, subprocess.PIPE, subprocess.PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Load(process.pid, process.stdin, process.stdout)
        finally:
            process.stdin.close()
            _wait(process)
            process.stdout.close()

    def environment(self) -> dict[str, str]:
        """Return the environment of what is started."""
        return {**environment(os.environ, self.bytecode), **self.variables}

    def _start(
        self, command: Sequence[str], cores: Iterable[int], stdin: int, stdout: int
    ) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            command,
            stdin=stdin,
            stdout=stdout,
            stderr=None if stdout == subprocess.PIPE else subprocess.STDOUT,
            env=self.environment(),
            cwd=ROOT,
            start_new_session=True,  # Ctrl+C is for the bench alone, which then stops them in order
        )
        os.sched_setaffinity(process.pid, cores)
        return process


@dataclass(frozen=True, slots=True)
class Load:
    """A load generator's near end: the one for HTTP, or `grpc_load`."""

    pid: int
    asked: IO[bytes]
    answered: IO[bytes]

    def do(self, job: "Job | GrpcJob") -> Result:
        """Do a job; raises BenchError if a single request failed."""
        self.begin(job)
        return self.end(job)

    def begin(self, job: "Job | GrpcJob") -> None:
        """Begin a job, and do not wait for its end."""
        self.asked.write(msgspec.json.encode(job) + b"\n")
        self.asked.flush()

    def end(self, job: "Job | GrpcJob") -> Result:
        """Wait for the end of the job that was begun; raises BenchError if a single request failed."""
        line = self.answered.readline()
        if not line:
            raise BenchError("the load generator ended")
        result = msgspec.json.decode(line, type=Result)
        if result.failure:
            raise BenchError(f"a request to {job.path} failed: {result.failure}")
        return result


def _wait(process: "subprocess.Popen[bytes]") -> None:
    """Wait for the end of a process that was told to end; kill it where it does not."""
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
