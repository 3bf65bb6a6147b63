"""Clusters that other software makes: one that exists already, and one made by kind in a Docker engine."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from e2e.cluster.errors import ClusterError
from e2e.cluster.images import IMAGE_NAMES, ImageName, references
from e2e.cluster.interface import Cluster
from e2e.cluster.locks import RunLock
from e2e.cluster.settings import Settings

KIND_CONFIG = Path(__file__).resolve().parent.parent / "kind.yaml"
KIND_NAME = "parley-e2e"


class ExistingCluster(Cluster):
    """The cluster that KUBECONFIG names; images must be pullable there, see `images.references`."""

    @property
    def kubeconfig(self) -> Path:
        """Return what KUBECONFIG names."""
        return Path(os.environ.get("KUBECONFIG", ""))

    @property
    def leave_up(self) -> bool:
        """Tell that it isn't ours."""
        return True

    def check(self) -> None:
        """Check that a cluster is named and that there are tools for it."""
        if not os.environ.get("KUBECONFIG"):
            raise ClusterError("PARLEY_E2E=existing needs KUBECONFIG")
        require("kubectl", "helm")

    def up(self) -> None:
        """Check that it answers."""
        self.check()
        self.kubectl("get", "--raw", "/readyz")

    def down(self) -> None:
        """Leave it alone."""

    def load(self, image: Path) -> None:
        """Refuse: how images come into that cluster is its owner's matter."""
        raise ClusterError(f"{image} can't be loaded into an existing cluster: push it where the cluster pulls from")

    def load_images(self, *names: ImageName) -> dict[ImageName, str]:
        """Return the references that PARLEY_E2E_IMAGE_<NAME> gives, without building anything."""
        return references(names or IMAGE_NAMES)

    def environment(self) -> dict[str, str]:
        """Return the environment as it is."""
        return dict(os.environ)


class KindCluster(Cluster):
    """A cluster made by kind, with the configuration in e2e/kind.yaml.

    Not run where this was written: there kind's node image could not be pulled. The commands are those of kind's
    documentation; the first who has an engine should expect to correct a detail.
    """

    def __init__(self, settings: Settings) -> None:
        self._directory = settings.run / "kind"
        self._lock = RunLock(settings.run / "kind.lock")

    @property
    def kubeconfig(self) -> Path:
        """Return the kubeconfig that kind wrote."""
        return self._directory / "kubeconfig"

    def check(self) -> None:
        """Check that there are tools for it."""
        require("docker", "kind", "kubectl", "helm")

    def up(self) -> None:
        """Delete what a killed run left and create the cluster."""
        self.check()
        self._lock.take("the kind cluster", self._directory)
        self._delete()
        self._directory.mkdir(parents=True, exist_ok=True)
        self._kind("create", "cluster", "--config", str(KIND_CONFIG), "--wait", "300s")

    def down(self) -> None:
        """Delete the cluster."""
        self._lock.take("the kind cluster", self._directory)
        self._delete()
        self._lock.release()

    def load(self, image: Path) -> None:
        """Import an image archive into the node."""
        self._kind("load", "image-archive", str(image))

    def inside(self, command: Sequence[str | Path]) -> list[str]:
        """Prefix a command so that it runs in the node; kubectl and helm reach the API server from here."""
        words = list(map(str, command))
        return (
            words if words[0] in {"kubectl", "helm"} else ["docker", "exec", "-i", f"{KIND_NAME}-control-plane", *words]
        )

    def environment(self) -> dict[str, str]:
        """Return the environment with kind's kubeconfig."""
        return os.environ | {"KUBECONFIG": str(self.kubeconfig)}

    def _delete(self) -> None:
        self._kind("delete", "cluster")
        shutil.rmtree(self._directory, ignore_errors=True)

    def _kind(self, *arguments: str) -> None:
        command = ["kind", *arguments, "--name", KIND_NAME]
        done = subprocess.run(command, env=self.environment(), capture_output=True, text=True, check=False)
        if done.returncode:
            raise ClusterError(f"{' '.join(command)}: {done.stderr.strip()}")


def require(*tools: str) -> None:
    """Check that programs are on PATH.

    Raises:
        ClusterError: naming those that are not.
    """
    absent = [tool for tool in tools if not shutil.which(tool)]
    if absent:
        raise ClusterError(f"not on PATH: {', '.join(absent)}")
