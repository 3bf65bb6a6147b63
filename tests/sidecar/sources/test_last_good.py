"""The file that outlives a container."""

import stat
from pathlib import Path

import pytest

from parley_sidecar.sources import last_good


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """The file is replaced as a whole, and nobody but its owner may read it."""
    path = tmp_path / "last-good.json"
    last_good.write(path, b"first")
    last_good.write(path, b"second")

    assert b"second" == last_good.read(path)
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert [path] == list(tmp_path.iterdir())


def test_there_may_be_none_yet(tmp_path: Path) -> None:
    """The first container of a pod finds nothing."""
    assert last_good.read(tmp_path / "last-good.json") is None


def test_what_a_killed_process_left_is_replaced(tmp_path: Path) -> None:
    """Half a new file from before neither counts nor hinders."""
    path = tmp_path / "last-good.json"
    (tmp_path / ".last-good.json.new").write_bytes(b"ha")
    last_good.write(path, b"whole")

    assert b"whole" == last_good.read(path)


def test_a_failed_write_keeps_the_old(tmp_path: Path) -> None:
    """Where the new file cannot take the old one's place, nothing is lost and nothing is left over."""
    path = tmp_path / "last-good.json"
    (path / "in the way").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        last_good.write(path, b"new")

    assert [path] == list(tmp_path.iterdir())
