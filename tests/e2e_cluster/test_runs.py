"""Runs of the test cluster beside and after each other: locks, processes and what is swept."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from e2e.cluster.errors import ClusterError, OccupiedError
from e2e.cluster.locks import Holder, RunLock, occupied_message
from e2e.cluster.processes import Identity, Processes
from e2e.cluster.sweep import mounts_below

HOLD = "import sys, time; from pathlib import Path; from e2e.cluster.locks import RunLock; "
HOLD += "lock = RunLock(Path(sys.argv[1])); lock.take('it', Path('/state')); print('held', flush=True); time.sleep(60)"


def test_a_second_run_names_the_first_and_a_killed_one_frees_the_lock(tmp_path: Path) -> None:
    """The lock ends with its holder, and who it was is known to the next."""
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE) as first:
        assert first.stdout
        first.stdout.readline()
        with pytest.raises(OccupiedError, match=f"the cluster is in use by process {first.pid}"):
            RunLock(path).take("the cluster", tmp_path)
        first.kill()
    second = RunLock(path)
    last = second.take("the cluster", tmp_path)
    second.release()

    assert last == Holder(first.pid, "/state")


def test_the_message_says_what_to_do_even_without_a_name() -> None:
    """The holder may not have written its number yet."""
    assert occupied_message("it", None) == "it is in use by another process: wait until it ends, or end it"


def test_a_number_given_to_another_process_is_another_identity() -> None:
    """Nothing is signalled because of its number alone."""
    ours = Identity.of(os.getpid())
    assert ours

    assert ours.alive()
    assert not replace(ours, ticks="1").alive()
    assert not replace(ours, boot="another").alive()


def test_a_process_is_found_again_killed_and_restarted(tmp_path: Path) -> None:
    """A later run knows the processes from their records alone."""
    first = Processes(tmp_path)
    first.start("sleeper", ["sleep", "60"])
    started = Processes(tmp_path).identity("sleeper")
    first.stop("sleeper", grace_s=0)
    first.restart("sleeper")
    restarted = first.identity("sleeper")
    first.stop("sleeper")

    assert started
    assert restarted
    assert started != restarted
    assert first.identity("sleeper") is None


def test_waiting_ends_at_once_when_a_process_ends_by_itself(tmp_path: Path) -> None:
    """The reason is in the message, not five minutes away."""
    processes = Processes(tmp_path)
    processes.start("broken", ["sh", "-c", "echo no such flag >&2; exit 1"])

    with pytest.raises(ClusterError, match=r"broken ended while waiting for readiness:\nno such flag"):
        processes.wait("readiness", lambda: False)
    processes.stop("broken")


def test_mounts_of_a_run_are_undone_from_the_inside_out() -> None:
    """A run whose directory only begins alike keeps its mounts."""
    mounts = "a /tmp/run/pod tmpfs\nb /tmp/run/pod/volume tmpfs\nc /tmp/runner/pod tmpfs\nd /tmp ext4\n"

    assert mounts_below(Path("/tmp/run"), mounts) == ["/tmp/run/pod/volume", "/tmp/run/pod"]
