"""The peers' programs: each by its ecosystem's ordinary client, in a pinned version, into a directory of its own.

    $XDG_CACHE_HOME/parley/peers/NAME-VERSION

What is there is not installed again. A peer that cannot be had is no failure: the report says so.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LIMIT_S: Final = 3600.0
"""How long one command may take; daprd is half an hour of compiling on two busy cores."""
MARK: Final = "installed"
"""The file that is written last: a directory without it is left from an installation that did not end."""
COMPONENTS: Final = "allcomponents"
"""The build tag of the released daprd: every component, those of conversation among them."""


class UnavailableError(Exception):
    """A peer cannot be had; the message says why."""


@dataclass(frozen=True, slots=True)
class Install:
    """A peer's program."""

    name: str
    version: str
    fill: Callable[[Path, str], None]
    """Installs a version into a directory; raises UnavailableError."""

    def installed(self, caches: Path) -> Path:
        """Return the directory that it is in, filled if it is not yet; raises UnavailableError."""
        directory = caches / f"{self.name}-{self.version}"
        mark = directory / MARK
        if not mark.exists():
            print(f"installing {self.name} {self.version} into {directory}", file=sys.stderr, flush=True)
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir(parents=True)
            self.fill(directory, self.version)
            mark.touch()
        return directory


def caches() -> Path:
    """Return where the peers are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "parley/peers"


def litellm(directory: Path, version: str) -> None:
    """Install LiteLLM with its proxy, from the Python registry."""
    _python_package(directory, f"litellm[proxy]=={version}")


def ferro(directory: Path, version: str) -> None:
    """Install Ferro, a Go program that the Python registry hands out."""
    _python_package(directory, f"ferrogw=={version}")


def portkey(directory: Path, version: str) -> None:
    """Install Portkey's gateway, from the npm registry. Its scripts stay unrun: they are its developers'."""
    options = ("--ignore-scripts", "--no-audit", "--no-fund")
    run(["npm", "install", "--prefix", str(directory), *options, f"@portkey-ai/gateway@{version}"])


def daprd(directory: Path, version: str) -> None:
    """Build daprd as it is released: its go.mod has replacements, so it must be the main module."""
    said = run(["go", "mod", "download", "-json", f"github.com/dapr/dapr@v{version}"])
    build = ["go", "build", "-tags", COMPONENTS, "-ldflags", "-s -w", "-o", str(directory / "bin/daprd"), "./cmd/daprd"]
    run(build, Path(json.loads(said)["Dir"]), CGO_ENABLED="0")


def _python_package(directory: Path, wanted: str) -> None:
    run([sys.executable, "-m", "venv", str(directory)])
    run([str(directory / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", wanted])


def run(command: Sequence[str], directory: Path | None = None, **variables: str) -> str:
    """Run a client and return what it prints. What it complains of goes to stderr as it is.

    Raises:
        UnavailableError: when there is no such client, or it fails.
    """
    program, environment = Path(command[0]).name, os.environ | variables
    try:
        done = subprocess.run(
            command, cwd=directory, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=LIMIT_S
        )
    except FileNotFoundError as error:
        raise UnavailableError(f"there is no {program} here") from error
    except subprocess.CalledProcessError as error:
        raise UnavailableError(f"{program} failed with {error.returncode}") from error
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"{program} took more than {LIMIT_S:.0f} s") from error
    return done.stdout


def bytes_of(directory: Path) -> int:
    """Return what the files below a directory take; links are not followed, Python's compiled modules left out."""
    paths = (path for path in directory.rglob("*") if not path.is_symlink() and path.is_file())
    return sum(path.stat().st_size for path in paths if path.suffix != ".pyc")
