"""Root file systems made of Debian packages: what a base image would be, on machines that reach no image registry."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from e2e.cluster.archive import NOBODY, write_image
from e2e.cluster.errors import ClusterError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SYSTEM_PYTHON = "/usr/bin/python3"
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
# Dependencies that only the packages' own scripts use, and those are not run.
SCRIPTS_ONLY = (
    "adduser",
    "debconf",
    "dpkg",
    "init-system",
    "libpam",
    "libperl",
    "lsb-base",
    "passwd",
    "perl",
    "usrmerge",
)
NOT_NEEDED = ("doc", "info", "lintian", "locale", "man")
USERS = {
    "passwd": "root:x:0:0::/:/bin/sh\nnobody:x:65532:65532::/tmp:/bin/sh\n",
    "group": "root:x:0:\nnobody:x:65532:\n",
}


def write_debian_image(
    packages: Sequence[str], requirements: Path | None, config: dict[str, object], out: Path
) -> None:
    """Write an image of packages with all they depend on and, in /app, the wheels of a file with hashes.

    There is no shell in it unless `dash` is among the packages. `config["Reference"]` is the image's name.
    """
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory, "root")
        _unpack(_downloaded(packages, Path(directory)), root)
        _complete(root)
        if requirements:
            _pip("install", "--no-compile", "--target", str(root / "app"), requirements=requirements)
        _compile(root)
        reference = str(config["Reference"])
        rest = {key: value for key, value in config.items() if key != "Reference"}
        python = ["PYTHONPATH=/app", "PYTHONUNBUFFERED=1"] if requirements else []
        added = {"User": NOBODY, "Env": [f"PATH={PATH}", "LANG=C.UTF-8", *python]}
        write_image(root, reference, added | rest, out)


def download_wheels(requirements: Path, out: Path) -> None:
    """Download the wheels of a requirements file with hashes, for the Python of Debian's images."""
    _pip("download", "--dest", str(out), requirements=requirements)


def _pip(*arguments: str, requirements: Path) -> None:
    # Run by the system's own Python: markers and wheel tags are then those of the image, to the last digit.
    command = [sys.executable, "-m", "pip", "--python", SYSTEM_PYTHON, *arguments, "--quiet", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--require-hashes", "--requirement", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"pip {arguments[0]}: {done.stderr.strip()[-2000:]}")


def _downloaded(packages: Sequence[str], directory: Path) -> list[Path]:
    """Fetch the packages and everything they need: with an empty list of what is installed, that is everything."""
    archives = directory / "archives"
    (archives / "partial").mkdir(parents=True)
    (directory / "status").touch()
    settings = (
        f"Dir::State::status={directory}/status",
        f"Dir::Cache::archives={archives}",
        "Debug::NoLocking=1",
        "APT::Sandbox::User=root",
    )
    options = [word for setting in settings for word in ("-o", setting)]
    flags = ["-y", "-qq", "--no-install-recommends", "--download-only"]
    command = ["apt-get", "install", *flags, *options, *packages]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"apt-get install --download-only: {done.stderr.strip()[-2000:]}")
    return [path for path in sorted(archives.glob("*.deb")) if not path.name.startswith(SCRIPTS_ONLY)]


def _unpack(archives: Sequence[Path], root: Path) -> None:
    root.mkdir()
    for archive in archives:
        subprocess.run(["dpkg-deb", "--extract", str(archive), str(root)], check=True)
    for name in NOT_NEEDED:
        shutil.rmtree(root / "usr/share" / name, ignore_errors=True)


def _complete(root: Path) -> None:
    """Make what the packages' scripts would have made: the shell's link, authorities, users, empty directories."""
    if (root / "bin/dash").exists() and not (root / "bin/sh").exists():
        (root / "bin/sh").symlink_to("dash")
    (root / "etc/ssl/certs").mkdir(parents=True, exist_ok=True)
    shutil.copy(AUTHORITIES, root / "etc/ssl/certs")
    for name, text in USERS.items():
        (root / "etc" / name).write_text(text, encoding="utf-8")
    for name in ("app", "dev", "proc", "run", "sys", "tmp"):
        (root / name).mkdir(exist_ok=True)
        (root / name).chmod(0o1777 if name == "tmp" else 0o755)


def _compile(root: Path) -> None:
    """Compile all Python in it: an image with a read-only root would do so at every start."""
    if os.geteuid() or not (root / "usr/bin/python3").exists():
        return
    libraries = sorted(f"/{path.relative_to(root)}" for path in root.glob("usr/lib/python3*"))
    compiler = ["/usr/bin/python3", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    subprocess.run(["chroot", str(root), *compiler, *libraries, "/app"], check=False, capture_output=True)
