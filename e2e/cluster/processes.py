"""The cluster's processes: started with a record on disk, found again by it, ended by it.

A process number alone is no identity, because the kernel gives it to another process later; with the time of the
process's start and the machine's boot it is one.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from e2e.cluster.errors import ClusterError

POLL_S = 0.1
READY_LIMIT_S = 300.0  # generous: the machine may be busy with anything else
END_LIMIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Identity:
    """One process, for ever: number, start in the kernel's ticks, boot of the machine."""

    pid: int
    ticks: str
    boot: str

    @classmethod
    def of(cls, pid: int, proc: Path = Path("/proc")) -> "Identity | None":
        """Return the identity of the process that has this number now, None when it has ended, with all its threads.

        Of one that was killed the first thread may be a zombie while others still hold its ports.
        """
        try:
            state, *fields = (proc / str(pid) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            boot = (proc / "sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        except (FileNotFoundError, ProcessLookupError):
            return None
        has_ended = state == "X" or (state == "Z" and len(_threads(proc / str(pid))) <= 1)
        return None if has_ended else cls(pid, fields[18], boot)

    def alive(self) -> bool:
        """Tell whether this very process still runs."""
        return Identity.of(self.pid) == self


def _threads(process: Path) -> list[str]:
    """Return the numbers of a process's threads; none when it has just gone."""
    try:
        return [entry.name for entry in (process / "task").iterdir()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def ended(pid: int) -> Identity:
    """Return an identity that is never alive: of a process that ended before anybody could look at it."""
    return Identity(pid, "ended", "")


@dataclass(frozen=True, slots=True)
class Record:
    """What a process was started with; no identity after it was stopped on purpose."""

    command: list[str]
    environment: dict[str, str]
    identity: Identity | None


class Processes:
    """The processes of one cluster, whose records and logs lie in one directory."""

    def __init__(self, directory: Path, prefix: Sequence[str] = ()) -> None:
        self._directory = directory
        self._prefix = tuple(prefix)
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> None:
        """Start a process under a name; its output is appended to NAME.log."""
        words, added = list(map(str, command)), dict(environment or {})
        with (self._directory / f"{name}.log").open("ab") as log:
            # Its own session: a Ctrl-C meant for the tests must not end the cluster under them.
            child = subprocess.Popen(
                [*self._prefix, *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._directory,
                env=os.environ | added,
                start_new_session=True,
            )
        self._children[name] = child
        self._write(name, Record(words, added, Identity.of(child.pid) or ended(child.pid)))

    def restart(self, name: str) -> None:
        """Start a stopped process again, as it was started first."""
        record = self._read(name)
        if not (record.identity and record.identity.alive()):
            self.start(name, record.command, record.environment)

    def stop(self, name: str, grace_s: float = END_LIMIT_S) -> None:
        """End a process: SIGTERM and, after the grace, SIGKILL; no grace means SIGKILL at once."""
        record = self._read(name)
        if record.identity:
            if grace_s:
                self._signal(record.identity, signal.SIGTERM, grace_s)
            self._signal(record.identity, signal.SIGKILL, END_LIMIT_S)
        if child := self._children.pop(name, None):
            child.wait()
        self._write(name, Record(record.command, record.environment, None))

    def names(self) -> list[str]:
        """List what was started, by name."""
        return sorted(path.name.removesuffix(".process.json") for path in self._directory.glob("*.process.json"))

    def identity(self, name: str) -> Identity | None:
        """Return the living process of this name."""
        identity = self._read(name).identity
        return identity if identity and identity.alive() else None

    def wait(self, what: str, ready: Callable[[], bool], limit_s: float = READY_LIMIT_S) -> None:
        """Wait until `ready`.

        Raises:
            ClusterError: after the limit, or at once with the log's end when a process ended by itself.
        """
        end = time.monotonic() + limit_s
        while not ready():
            for name in self.names():
                if self._ended(name):
                    raise ClusterError(f"{name} ended while waiting for {what}:\n{self._log_end(name)}")
            if time.monotonic() > end:
                raise ClusterError(f"{what} not ready after {limit_s:.0f} s; logs are in {self._directory}")
            time.sleep(POLL_S)

    def _ended(self, name: str) -> bool:
        identity = self._read(name).identity
        return identity is not None and not identity.alive()

    def _log_end(self, name: str) -> str:
        return (self._directory / f"{name}.log").read_text(encoding="utf-8", errors="replace")[-2000:]

    def _signal(self, identity: Identity, number: signal.Signals, limit_s: float) -> None:
        if not identity.alive():
            return
        os.kill(identity.pid, number)
        end = time.monotonic() + limit_s
        while identity.alive() and time.monotonic() < end:
            time.sleep(POLL_S / 2)

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.process.json"

    def _read(self, name: str) -> Record:
        try:
            fields = json.loads(self._path(name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ClusterError(f"no process {name}; there are {', '.join(self.names()) or 'none'}") from None
        identity = fields["identity"]
        return Record(fields["command"], fields["environment"], Identity(**identity) if identity else None)

    def _write(self, name: str, record: Record) -> None:
        self._path(name).write_text(json.dumps(asdict(record)), encoding="utf-8")


def resident_mib(pid: int) -> int:
    """Return a process's resident memory in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) // 1024
    return 0
