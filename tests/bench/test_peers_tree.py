"""A tree of processes: who belongs to it, and what all of them use."""

import subprocess
import sys

from bench.machine import cpu_s, resident_bytes
from bench.peers.tree import descendants, parent_in, tree, tree_cpu_s, tree_resident_bytes
from tests.conftest import until

BUSY_CHILD = """
import subprocess, sys
child = "sum(range(10_000_000)); print(flush=True); input()"
subprocess.run([sys.executable, "-c", child])
"""


def test_descendants_are_found_over_generations() -> None:
    """Children of children belong to the tree; siblings and ancestors do not."""
    assert [2, 3, 5, 4] == descendants(2, {1: 0, 2: 1, 3: 2, 4: 3, 5: 2, 6: 1})


def test_a_parent_is_read_from_the_kernels_line() -> None:
    """The command's own brackets and spaces are no fields."""
    assert 7 == parent_in("12 (a ) b) S 7 12 12 0 -1")


def test_a_childs_time_and_memory_are_counted() -> None:
    """What a process leaves to its child is its own."""
    with subprocess.Popen([sys.executable, "-c", BUSY_CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        until("the child belongs to the tree", lambda: len(tree(parent.pid)) == 2)

        assert tree_cpu_s(parent.pid) > cpu_s(parent.pid) + 0.05
        assert tree_resident_bytes(parent.pid) > resident_bytes(parent.pid) + 1_000_000
        parent.communicate(b"\n")
