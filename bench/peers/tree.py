"""CPU time and memory of a process with all its descendants: a peer may be several processes. Linux only."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from bench.machine import cpu_s, resident_bytes


def tree(pid: int) -> list[int]:
    """Return a process and its descendants."""
    return descendants(pid, _parents())


def descendants(pid: int, parents: Mapping[int, int]) -> list[int]:
    """Return a process and its descendants, in the order of generations; `parents` maps children to parents."""
    found = [pid]
    for ancestor in found:  # grows meanwhile
        found += [child for child, parent in parents.items() if parent == ancestor]
    return found


def tree_cpu_s(pid: int) -> float:
    """Return the CPU time of a tree; one that ends meanwhile takes its own with it."""
    total_s = 0.0
    for member in tree(pid):
        with suppress(OSError):
            total_s += cpu_s(member)
    return total_s


def tree_resident_bytes(pid: int) -> int:
    """Return what a tree has in memory; pages that are shared within it count for each."""
    total = 0
    for member in tree(pid):
        with suppress(OSError, StopIteration):  # one that has ended and is not buried has no memory
            total += resident_bytes(member)
    return total


def _parents() -> dict[int, int]:
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = parent_in(stat.read_text())
    return parents


def parent_in(stat: str) -> int:
    """Read the parent from the text of /proc/PID/stat; a command may hold spaces and brackets. Source: proc(5)."""
    return int(stat.rpartition(")")[2].split()[1])
