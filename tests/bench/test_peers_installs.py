"""Peers' programs: installed once, by clients that may be missing or fail."""

import os
import sys
from pathlib import Path

import pytest

from bench.peers.installs import MARK, Install, UnavailableError, bytes_of, caches, daprd, portkey, run
from bench.peers.ours import needed, runtime_bytes


def test_what_is_installed_is_not_installed_again(tmp_path: Path) -> None:
    """A directory with the mark is as it was left."""
    versions = []
    install = Install("some", "1.2", lambda directory, version: versions.append((directory.name, version)))

    first, second = install.installed(tmp_path), install.installed(tmp_path)

    assert tmp_path / "some-1.2" == first == second
    assert [("some-1.2", "1.2")] == versions


def test_half_an_installation_is_begun_anew(tmp_path: Path) -> None:
    """What failed left no mark: the next run starts from an empty directory."""

    def fail(directory: Path, version: str) -> None:
        (directory / "half").write_text(version)
        raise UnavailableError("no network")

    with pytest.raises(UnavailableError, match="no network"):
        Install("some", "1", fail).installed(tmp_path)
    directory = Install("some", "1", lambda _, __: None).installed(tmp_path)

    assert [MARK] == [path.name for path in directory.iterdir()]


def test_a_missing_client_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without go there is no daprd, and the reason names go."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(UnavailableError, match="there is no go here"):
        daprd(tmp_path, "1.0")


def test_a_failing_client_is_told() -> None:
    """The reason has the client and its exit code; its own words go to stderr alone."""
    with pytest.raises(UnavailableError, match=rf"^{Path(sys.executable).name} failed with 3$"):
        run([sys.executable, "-c", "raise SystemExit(3)"])


def test_a_client_is_run_where_it_is_told(tmp_path: Path) -> None:
    """A directory and variables of its own, and what it prints comes back."""
    said = run([sys.executable, "-c", "import os; print(os.getcwd(), os.environ['WORD'])"], tmp_path, WORD="yes")

    assert f"{tmp_path} yes\n" == said


def test_the_caches_place_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the desktop's rules put caches, there the peers are."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert tmp_path / "parley/peers" == caches()


def test_a_directorys_size_is_its_files(tmp_path: Path) -> None:
    """Links take nothing, since what they name is elsewhere, nor does what Python makes of its files."""
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner/file").write_bytes(b"12345")
    (tmp_path / "inner/module.pyc").write_bytes(b"123")
    (tmp_path / "link").symlink_to(tmp_path / "inner/file")

    assert 5 == bytes_of(tmp_path)


def test_the_sidecar_takes_what_it_needs_and_no_more() -> None:
    """Packages of its extra and theirs; neither the operator's nor those of development."""
    names = needed("parley", "sidecar")

    assert {"msgspec", "starlette", "hiredis"} <= names
    assert not {"kopf", "pytest", "mypy"} & names
    assert 10_000_000 < runtime_bytes() < 500_000_000


def test_pinned_versions_reach_the_clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Npm is told a version and a place; daprd is built, whole, where go has put its module.

    Neither client runs for real: daprd takes a quarter of an hour.
    """
    said = tmp_path / "said"
    answer = f'echo "{{\\"Dir\\": \\"{tmp_path}\\"}}"'
    for client in ("npm", "go"):
        (tmp_path / client).write_text(f'#!/bin/sh\necho {client} "$PWD $CGO_ENABLED $@" >> {said}\n{answer}\n')
        (tmp_path / client).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    portkey(tmp_path / "there", "1.2.3")
    daprd(tmp_path / "there", "4.5.6")

    npm, download, build = said.read_text().splitlines()
    assert f"--prefix {tmp_path}/there" in npm
    assert npm.endswith("@portkey-ai/gateway@1.2.3")
    assert download.endswith("github.com/dapr/dapr@v4.5.6")
    assert build.startswith(f"go {tmp_path} 0 build -tags allcomponents")
