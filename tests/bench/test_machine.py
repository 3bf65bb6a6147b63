"""What the machine says about itself, and how its cores are shared out."""

import os
from pathlib import Path

import pytest

from bench.machine import Cores, busy_s, cores, cpu_s, describe, forget_peak, parsed_busy_s, peak_bytes, resident_bytes
from bench.processes import environment
from bench.report import MIB


def test_the_server_has_a_core_for_itself() -> None:
    """What is around the server shares the other cores; with one core there is nothing to share."""
    assert Cores((0,), (1, 2), pinned=True) == cores({2, 0, 1})
    assert Cores((5,), (5,), pinned=False) == cores({5})


def test_busy_is_all_time_but_idle_and_waiting() -> None:
    """User, nice, system, interrupts and the hypervisor's share count; guests are in user already."""
    ticks = os.sysconf("SC_CLK_TCK")
    numbers = [ticks * factor for factor in (1, 2, 3, 100, 50, 4, 5, 6, 99, 99)]

    assert 21.0 == parsed_busy_s(f"cpu  {' '.join(map(str, numbers))}\ncpu0 1 1\n")


def test_a_process_is_measured() -> None:
    """The kernel knows a process's CPU time and memory; the machine's busy time is no less than one process's."""
    before_s = cpu_s(os.getpid())
    sum(range(100_000))

    assert before_s < cpu_s(os.getpid()) < busy_s()
    assert resident_bytes(os.getpid()) > 1024 * 1024


def test_a_peak_is_forgotten() -> None:
    """The most that was in memory is known after it has gone, until it is to begin anew."""
    forget_peak(os.getpid())
    before = peak_bytes(os.getpid())
    much = b"x" * 64 * MIB
    del much
    with_much = peak_bytes(os.getpid())
    forget_peak(os.getpid())

    assert with_much > before + 32 * MIB
    assert peak_bytes(os.getpid()) < with_much - 32 * MIB


def test_the_description_names_what_was_measured() -> None:
    """Versions of all that takes part are known."""
    described = describe(cores({0, 1}))

    assert {"parley", "aiohttp", "redis", "redis-server"} <= described.versions.keys()
    assert "unknown" not in described.versions.values()


@pytest.mark.parametrize("name", ["PARLEY_COMPONENTS", "DAPR_API_TOKEN", "PYTHONDONTWRITEBYTECODE", "OPENAI_API_KEY"])
def test_measured_processes_are_a_users(name: str) -> None:
    """Nothing in the caller's environment makes them other than they are by themselves."""
    given = environment({name: "1", "PATH": "/bin"}, Path("/tmp/bytecode"))

    assert {"PATH": "/bin", "PYTHONPYCACHEPREFIX": "/tmp/bytecode"} == given
