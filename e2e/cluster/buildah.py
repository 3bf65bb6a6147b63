"""Build Dockerfiles with buildah: no daemon, no registry, and a storage apart from the machine's own images.

The storage stays from build to build, so a change of the sources alone doesn't install the dependencies again.
"""

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster.errors import ClusterError
from e2e.cluster.sweep import unmount_below


@dataclass(frozen=True, slots=True)
class Buildah:
    """buildah on the storage in one directory."""

    directory: Path

    def pull(self, archive: Path, reference: str) -> None:
        """Take an OCI archive into the storage under a name, unless the name is there."""
        if reference not in self._run("images", "--format", "{{.Name}}:{{.Tag}}").split():
            identity = self._run("pull", "--quiet", f"oci-archive:{archive}").split()[-1]
            self._run("tag", identity, reference)

    def build(self, context: Path, dockerfile: str, reference: str, arguments: Mapping[str, str]) -> None:
        """Build a Dockerfile of the context; only what is in the storage can be its base."""
        words = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
        # Other isolation needs rights that containers often lack.
        options = ("--isolation", "chroot", "--pull-never", "--layers", "--tag", reference)
        self._run("bud", *options, "--file", str(context / dockerfile), *words, str(context))

    def save(self, reference: str, out: Path) -> None:
        """Write an image as an archive that carries its name."""
        self._run("push", "--quiet", reference, f"docker-archive:{out}:{reference}")

    def release(self) -> None:
        """Give up what a build keeps, failed or not: its containers and the storage's mounts."""
        self._run("rm", "--all")
        unmount_below(self.directory)
        shutil.rmtree(self.directory / "run", ignore_errors=True)

    def _run(self, *arguments: str) -> str:
        storage = ("--root", str(self.directory / "storage"), "--runroot", str(self.directory / "run"))
        return output("buildah", *storage, *arguments)


def output(*command: str) -> str:
    """Run a command and return what it prints.

    Raises:
        ClusterError: with the end of its output when it fails.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{' '.join(command)}: {(done.stdout + done.stderr).strip()[-3000:]}")
    return done.stdout
