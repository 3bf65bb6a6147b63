"""What a test may ask of a cluster, whichever kind it is."""

import abc
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from e2e.cluster.errors import ClusterError
from e2e.cluster.images import IMAGE_NAMES, ImageName, build_images, references


class Cluster(abc.ABC):
    """A cluster to test against; as a context manager it is up inside and gone after, unless it was there before."""

    @property
    @abc.abstractmethod
    def kubeconfig(self) -> Path:
        """Return the administrator's kubeconfig."""

    @abc.abstractmethod
    def check(self) -> None:
        """Check, without changing anything, that the cluster can be brought up here.

        Raises:
            ClusterError: saying what is missing.
        """

    @abc.abstractmethod
    def up(self) -> None:
        """Make the cluster ready, after clearing what a killed run left behind.

        Raises:
            OccupiedError: when another living run holds it.
            ClusterError: when something is missing or does not start.
        """

    @abc.abstractmethod
    def down(self) -> None:
        """Remove the cluster and everything it made."""

    @abc.abstractmethod
    def load(self, image: Path) -> None:
        """Import an image archive into the node, under the name that the archive carries."""

    @abc.abstractmethod
    def environment(self) -> dict[str, str]:
        """Return the process's environment with KUBECONFIG, and PATH with kubectl and helm in it."""

    @property
    def leave_up(self) -> bool:
        """Tell whether the cluster outlives the context."""
        return False

    def inside(self, command: Sequence[str | Path]) -> list[str]:
        """Prefix a command so that it runs where pods and Services can be reached."""
        return list(map(str, command))

    def stop(self, name: str) -> None:
        """Kill one of the cluster's own processes, such as etcd, with SIGKILL."""
        raise ClusterError(f"{name} can't be killed in a cluster of this kind, only with PARLEY_E2E=binaries")

    def start(self, name: str) -> None:
        """Start a killed process again and wait until the API server answers."""
        raise ClusterError(f"{name} can't be started in a cluster of this kind, only with PARLEY_E2E=binaries")

    def load_images(self, *names: ImageName) -> dict[ImageName, str]:
        """Build and load the project's images, all unless named; return the references that pods use."""
        wanted = names or IMAGE_NAMES
        for archive in build_images(wanted).values():
            self.load(archive)
        return references(wanted)

    def kubectl(self, *arguments: str, feed: str | None = None, check: bool = True) -> str:
        """Run kubectl as administrator, with `feed` on its standard input, and return what it prints.

        Raises:
            ClusterError: when it fails and `check` is set.
        """
        return self._tool(("kubectl", *arguments), feed, check=check)

    def helm(self, *arguments: str) -> str:
        """Run helm as administrator and return what it prints.

        Raises:
            ClusterError: when it fails.
        """
        return self._tool(("helm", *arguments), None, check=True)

    def _tool(self, command: Sequence[str], feed: str | None, *, check: bool) -> str:
        environment: Mapping[str, str] = self.environment()
        done = subprocess.run(
            self.inside(command), input=feed, env=environment, text=True, capture_output=True, check=False
        )
        if check and done.returncode:
            raise ClusterError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def __enter__(self) -> Self:
        """Bring it up."""
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        """Take it down, unless it was there before."""
        if not self.leave_up:
            self.down()
