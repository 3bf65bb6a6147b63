"""The machine: its cores, what is busy on it, and the description that goes beside the figures. Linux only.

CPU time is read from the kernel's clock of a process, in nanoseconds; /proc/PID/stat would round it to 10 ms.
"""

import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec

PACKAGES: Final = ("parley", "uvicorn", "uvloop", "httptools", "starlette", "fastapi", "msgspec", "aiohttp", "redis")
ROOT: Final = Path(__file__).resolve().parent.parent
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_IDLE: Final = (3, 4)
"""The places of idle and iowait among the numbers of /proc/stat, whose first eight are all time. Source: proc(5)."""


class Cores(msgspec.Struct, frozen=True):
    """Which cores the server under test runs on, and which all that is around it."""

    server: tuple[int, ...]
    others: tuple[int, ...]
    pinned: bool
    """Whether they differ: with one core, load and server take each other's time."""


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What ran where."""

    cpu: str
    cores: Cores
    kernel: str
    python: str
    versions: Mapping[str, str]
    commit: str
    load_average: float
    """Of the minute before the run."""


def cores(available: Iterable[int]) -> Cores:
    """Give the server one core for itself, and the rest to the load, the stand-in and Redis."""
    first, *rest = sorted(available)
    return Cores((first,), tuple(rest) or (first,), bool(rest))


def cpu_s(pid: int) -> float:
    """Return the CPU time that a process has used, all its threads together. Source: clock_getcpuclockid(3)."""
    return time.clock_gettime((~pid << 3) | 2)


def resident_bytes(pid: int) -> int:
    """Return what a process has in memory now, shared pages included."""
    return _status_bytes(pid, "VmRSS:")


def peak_bytes(pid: int) -> int:
    """Return the most that a process had in memory since `forget_peak`."""
    return _status_bytes(pid, "VmHWM:")


def forget_peak(pid: int) -> None:
    """Let a process's peak begin anew at what it has in memory now. Source: proc(5), clear_refs."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _status_bytes(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def busy_s() -> float:
    """Return the CPU time of the whole machine that was not idle, the hypervisor's share included."""
    return parsed_busy_s(Path("/proc/stat").read_text())


def parsed_busy_s(stat: str) -> float:
    """Read it from the text of /proc/stat."""
    numbers = [int(word) for word in stat.split("\n", 1)[0].split()[1:9]]
    return sum(number for place, number in enumerate(numbers) if place not in _IDLE) / _TICKS_PER_S


def describe(pinned: Cores) -> Description:
    """Return the description of this machine and of the software that is measured."""
    return Description(
        cpu=_cpu_model(),
        cores=pinned,
        kernel=platform.release(),
        python=sys.version.split()[0],
        versions={name: version(name) for name in PACKAGES} | {"redis-server": _redis_version()},
        commit=_said("git", "describe", "--always", "--dirty"),
        load_average=os.getloadavg()[0],
    )


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _redis_version() -> str:
    found = re.search(r"v=(\S+)", _said("redis-server", "--version"))
    return found[1] if found else "unknown"


def _said(*command: str) -> str:
    """Return what a command prints, or that it is unknown."""
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return run.stdout.strip()
