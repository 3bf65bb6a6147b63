"""Locks between runs: one run holds a cluster, one build writes the cache.

The kernel drops a `flock` with its holder's last descriptor, so a killed run never leaves one behind. The file's
text only names the holder, for the other run's message and for the sweep.
"""

import contextlib
import fcntl
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from e2e.cluster.errors import OccupiedError


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds, or held last: its process and the directory of its state."""

    pid: int
    directory: str


class RunLock:
    """A cluster's lock, held from `take` to `release` or the end of the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None

    def take(self, what: str, directory: Path) -> Holder | None:
        """Hold the lock and return who held it last.

        Raises:
            OccupiedError: when another living process holds it.
        """
        if self._file:
            return None
        file = _opened(self._path)
        last = _holder(file)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise OccupiedError(occupied_message(what, last)) from None
        _write_holder(file, Holder(os.getpid(), str(directory)))
        self._file = file
        return last

    def release(self) -> None:
        """Let the next run have it."""
        if self._file:
            self._file.close()
            self._file = None


def occupied_message(what: str, holder: Holder | None) -> str:
    """Name the process to wait for."""
    return f"{what} is in use by {_named(holder)}: wait until it ends, or end it"


@contextlib.contextmanager
def waited_for(path: Path, what: str) -> Iterator[None]:
    """Hold the lock at `path`; when another process has it, say so once and wait as long as it takes."""
    with _opened(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{what} is in use by {_named(_holder(file))}: waiting for it", file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        _write_holder(file, Holder(os.getpid(), str(path.parent)))
        yield


def _opened(path: Path) -> TextIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("a+", encoding="utf-8")


def _named(holder: Holder | None) -> str:
    return f"process {holder.pid}" if holder else "another process"


def _holder(file: TextIO) -> Holder | None:
    file.seek(0)
    try:
        return Holder(**json.load(file))
    except (ValueError, TypeError):
        return None


def _write_holder(file: TextIO, holder: Holder) -> None:
    file.seek(0)
    file.truncate()
    json.dump(asdict(holder), file)
    file.flush()
