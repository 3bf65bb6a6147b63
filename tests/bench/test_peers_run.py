"""A whole run in small: the sidecar, a peer that cannot be had, one that does not start, and one that asks nobody."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.machine import ROOT
from bench.peers import __main__ as command
from bench.peers.__main__ import BEGIN
from bench.peers.installs import Install, UnavailableError
from bench.peers.kinds import Kind, completed
from bench.peers.run import Plan, measured
from bench.peers.servers import PEERS, Peer, Place, Served
from bench.peers.started import only_on, reason
from bench.processes import BenchError, free_port
from bench.table import END

SMALL = Plan(rounds=1, job_s=0, starts=1, starts_s=0, bursts=1)


def unavailable(_: Path, __: str) -> None:
    """Fail, as an installation without a network does."""
    raise UnavailableError("pip failed with 1")


def broken(_: Place) -> list[Served]:
    """Return a server that ends at once."""
    return [Served("broken", [sys.executable, "-c", "raise SystemExit('no')"], free_port(), "/", {})]


def selfish(_: Place) -> list[Served]:
    """Return a server that answers by itself, where it should ask the provider."""
    port = free_port()
    standin = [sys.executable, str(ROOT / "bench/standin.py"), "--port", str(port)]
    return [Served("selfish", standin, port, "/healthz", {Kind.PASS_OPENAI: completed("bench")})]


def test_the_command_measures_the_sidecar_and_tells_of_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every kind that the sidecar answers has figures; what a peer has not is told in the page, and ends nothing."""
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    absent = Peer("absent", broken, Install("absent", "1", unavailable))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(command, "PEERS", (PEERS[0], absent, Peer("broken", broken), Peer("selfish", selfish)))
    monkeypatch.setattr(command, "QUICK", SMALL)
    monkeypatch.setattr(sys, "argv", ["bench.peers", "--quick", "--markdown", str(page)])

    assert 0 == command.main()
    written = page.read_text()
    assert written.startswith(f"before\n{BEGIN}\n\n2")
    assert "old" not in written
    assert 7 == written.count("| parley |") - 2
    assert "| parley | 1 |" in written
    assert "| absent | everything | not available: pip failed with 1 |" in written
    assert "| broken | everything | not available: broken does not answer on / |" in written
    assert "| selfish | pass-through, OpenAI's form | the stand-in was asked 0 times for " in written


def test_without_the_sidecar_there_are_no_figures() -> None:
    """A run that has nothing to compare with fails, and says what was wrong."""
    with pytest.raises(BenchError, match="nothing to compare with: broken does not answer"):
        measured([Peer("parley", broken)], SMALL)


def test_what_is_started_meanwhile_counts_those_cores_alone() -> None:
    """Afterwards this process has all its cores again."""
    before = os.sched_getaffinity(0)
    core = min(before)

    with only_on([core]):
        asked = [sys.executable, "-c", "import os; print(os.sched_getaffinity(0))"]
        inherited = subprocess.run(asked, capture_output=True, text=True, check=True).stdout

    assert f"{{{core}}}\n" == inherited
    assert before == os.sched_getaffinity(0)


def test_a_reason_is_one_line_without_the_answer() -> None:
    """A table has no place for what a server said at length."""
    assert "a request to /v1 failed: status 500" == reason(BenchError("a request to /v1 failed: status 500: b'HTTP'"))
    assert "b'redis' is not in the answer" == reason(BenchError("b'redis' is not in the answer b'HTTP'"))
    assert "x does not answer on /" == reason(BenchError("x does not answer on /:\nlog"))


def test_a_page_without_marks_fails_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four minutes of measuring would be lost otherwise."""
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}\nno end")
    monkeypatch.setattr(sys, "argv", ["bench.peers", "--peers", "parley", "--markdown", str(page)])

    assert 1 == command.main()
    assert f"{page} cannot take the figures" in capsys.readouterr().err
