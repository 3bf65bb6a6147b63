"""Write the Python of Dapr's messages from sidecar/proto: `make generate`; `--check` in CI."""

import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from grpc_tools import protoc

from parley_crds.generated_files import write_or_check

FOLDER: Final = Path(__file__).parent
PROTOS: Final = FOLDER.parents[1] / "proto"
PACKAGE: Final = "dapr/proto/runtime/v1"
SUFFIXES: Final = ("_pb2.py", "_pb2.pyi")


def generated(folder: Path, protos: Path = PROTOS) -> dict[Path, str]:
    """Return every module's text by its path in `folder`; raises RuntimeError if a file does not compile.

    Python's protobuf imports by the file's path, which is that of Dapr's SDK: here the modules are our own.
    """
    names = sorted(path.name for path in (protos / PACKAGE).glob("*.proto"))
    well_known = str(files("grpc_tools") / "_proto")
    with TemporaryDirectory() as made:
        words = [
            f"-I{protos}",
            f"-I{well_known}",
            f"--python_out={made}",
            f"--plugin={Path(sys.executable).with_name('protoc-gen-mypy')}",
            f"--mypy_out=quiet:{made}",
        ]
        if protoc.main(["protoc", *words, *(f"{PACKAGE}/{name}" for name in names)]):
            raise RuntimeError("protoc failed; its words are above")
        made_paths = [Path(made, PACKAGE, Path(name).stem + suffix) for name in names for suffix in SUFFIXES]
        return {folder / path.name: _ours(path.read_text("utf-8")) for path in made_paths}


def main(words: Sequence[str], folder: Path = FOLDER) -> int:
    """Write the files, or with `--check` say which ones are stale or have no source."""
    there = (path for suffix in SUFFIXES for path in folder.glob(f"*{suffix}"))
    return write_or_check(generated(folder), there, words)


def _ours(text: str) -> str:
    package = PACKAGE.replace("/", ".")
    return text.replace(f"from {package} import", "from parley_sidecar.rpc import")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
