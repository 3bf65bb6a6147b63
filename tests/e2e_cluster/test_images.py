"""The images' inputs: what makes one be built again."""

import shutil
from pathlib import Path

import pytest

from e2e.cluster.archive import one_program
from e2e.cluster.images import ROOT, SOURCES, input_key


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what goes into the sidecar's image."""
    for source in SOURCES["sidecar"]:
        target = tmp_path / source
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / source).is_dir() else shutil.copy)(ROOT / source, target)
    return tmp_path


def test_a_changed_source_is_another_image(checkout: Path) -> None:
    """The sidecar's code, its dependencies and its Dockerfile are all in the key."""
    keys = [input_key("sidecar", "buildah", checkout)]
    for source in ("crds/parley_crds/__init__.py", "requirements/sidecar.txt", "sidecar/Dockerfile"):
        with (checkout / source).open("a") as file:
            file.write("\n")
        keys.append(input_key("sidecar", "buildah", checkout))

    assert len(set(keys)) == 4


def test_bytecode_is_not_in_the_key(checkout: Path) -> None:
    """Running the tests before building changes nothing."""
    before = input_key("sidecar", "buildah", checkout)
    (checkout / "crds/parley_crds/__pycache__").mkdir(exist_ok=True)
    (checkout / "crds/parley_crds/__pycache__/new.pyc").write_bytes(b"code")

    assert input_key("sidecar", "buildah", checkout) == before


def test_an_archive_carries_its_name(tmp_path: Path) -> None:
    """The name is in the archive, where containerd and buildah look for it."""
    program = tmp_path / "program"
    program.write_bytes(b"machine code")
    one_program(program, "localhost/pause:1", tmp_path / "image.tar")

    content = (tmp_path / "image.tar").read_bytes()

    assert b'"io.containerd.image.name": "localhost/pause:1"' in content
