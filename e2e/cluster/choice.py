"""Choose the kind of cluster that this machine and the settings allow."""

import shutil
import subprocess
from typing import Literal

from e2e.cluster.binaries import BinariesCluster
from e2e.cluster.external import ExistingCluster, KindCluster
from e2e.cluster.interface import Cluster
from e2e.cluster.settings import Choice, Kind, Proxy, Settings
from e2e.cluster.settings import settings as read_settings

Provider = Literal["binaries", "existing", "kind"]


def choose(choice: Choice, *, kind_usable: bool) -> Provider:
    """Keep an explicit choice; otherwise kind where it is usable, else our own programs.

    An existing cluster is never chosen by itself: a test run must not fall on whatever KUBECONFIG happens to name.
    """
    if choice == "auto":
        return "kind" if kind_usable else "binaries"
    return choice


def open_cluster(*, kubelet: bool = False, proxy: Proxy = "nftables", settings: Settings | None = None) -> Cluster:
    """Return the cluster for this machine, not yet up: `with` brings it up and takes it down.

    Without `kubelet` our own cluster has a control plane and a node that only pretends to run pods; every other kind
    has a kubelet, and a proxy of its own choice, always.

    Raises:
        ClusterError: when it can't be brought up here; the message says what is missing.
    """
    chosen = settings or read_settings()
    opened = _cluster(chosen, "kubelet" if kubelet else "control-plane", proxy)
    opened.check()
    return opened


def _cluster(settings: Settings, kind: Kind, proxy: Proxy) -> Cluster:
    match choose(settings.choice, kind_usable=settings.choice == "auto" and kind_is_usable()):
        case "existing":
            return ExistingCluster()
        case "kind":
            return KindCluster(settings)
        case "binaries":
            return BinariesCluster(settings, kind, proxy)


def kind_is_usable() -> bool:
    """Tell whether kind is on PATH and a Docker engine answers."""
    if not (shutil.which("kind") and shutil.which("docker")):
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0
