"""Generated files are written, or compared with what they would be. Called by the commands of `make generate`."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path


def write_or_check(wanted: Mapping[Path, str], there: Iterable[Path], words: Sequence[str]) -> int:
    """Write the files and remove those of `there` that nobody wants; with `--check` only say which are stale.

    Returns the exit code of the command: 1 where the check finds something.
    """
    orphans = sorted(set(there) - set(wanted))
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    if "--check" in words:
        for path in stale + orphans:
            print(f"{path.name} is not up to date: run make generate", file=sys.stderr)
        return 1 if stale or orphans else 0
    for path in orphans:
        path.unlink()
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")
    return 0
