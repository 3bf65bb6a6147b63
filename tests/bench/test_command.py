"""The command `python -m bench`: what it says without measuring anything."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from bench.shown import text
from tests.bench.samples import report


def bench(*words: str) -> "subprocess.CompletedProcess[str]":
    """Run the command."""
    return subprocess.run([sys.executable, "-m", "bench", *words], capture_output=True, text=True, check=False)


def test_a_report_is_shown_again(tmp_path: Path) -> None:
    """What was written as JSON is printed as tables."""
    written = tmp_path / "report.json"
    written.write_bytes(msgspec.json.encode(report()))
    shown = bench("--report", str(written))

    assert (0, text(report())) == (shown.returncode, shown.stdout.removesuffix("\n"))


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--rows", "pass-thru"], "there is no row 'pass-thru', only 'stand-in, asked directly', "),
        (["--report", "README.md"], "README.md is no report of the bench"),
        (["--markdown", "README.md"], "README.md cannot take the figures"),
    ],
)
def test_what_cannot_be_done_is_said_at_once(words: list[str], complaint: str) -> None:
    """The command fails with a sentence, before it starts anything."""
    refused = bench(*words)

    assert (1, "") == (refused.returncode, refused.stdout)
    assert refused.stderr.startswith(f"bench: {complaint}")
