"""Flame graphs: the real sidecar at work, and py-spy beside it."""

import re
from pathlib import Path

import pytest

from bench import flame
from bench.flame import flames
from bench.processes import BenchError
from tests.bench.test_run import SMALL


def test_graphs_show_the_sidecar_at_work(tmp_path: Path) -> None:
    """One of each row, without any path of this machine, small enough to be kept."""
    paths = list(flames(SMALL, tmp_path / "graphs", 1))

    assert ["pass-through.svg", "redis-hit.svg"] == [path.name for path in paths]
    for path in paths:
        graph = path.read_text()
        assert "<svg" in graph
        assert re.search(r"<title>\w.*parley_sidecar/", graph)
        assert str(tmp_path) not in graph
        assert len(graph) < 300_000


def test_without_py_spy_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what is missing."""
    monkeypatch.setattr(flame, "PY_SPY", tmp_path / "py-spy")

    with pytest.raises(BenchError, match="py-spy is not installed"):
        next(flames(SMALL, tmp_path, 1))
