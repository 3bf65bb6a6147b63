"""The last snapshot that was applied, kept in a file for a container that starts while the operator is away.

The file holds keys. It lies in a memory-backed volume that the sidecar alone mounts, and is readable by it alone.
"""

import os
from pathlib import Path


def read(path: Path) -> bytes | None:
    """Return what was kept, or None where nothing was; raises OSError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def write(path: Path, snapshot: bytes) -> None:
    """Replace the file as a whole, mode 0600, so that a reader never sees half; raises OSError."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    try:
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123 - takes a descriptor, made with its mode
            file.write(snapshot)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
