"""The project's own test cluster: tests use it from here, people as `python -m e2e.cluster`.

with open_cluster(kubelet=True) as cluster:
    cluster.load_images()
    cluster.kubectl("apply", "-f", "-", feed=manifest)
"""

from e2e.cluster.choice import open_cluster
from e2e.cluster.errors import ClusterError, OccupiedError
from e2e.cluster.images import ImageName, build_images, references
from e2e.cluster.interface import Cluster
from e2e.cluster.settings import Kind, Proxy, Settings, settings

__all__ = [
    "Cluster",
    "ClusterError",
    "ImageName",
    "Kind",
    "OccupiedError",
    "Proxy",
    "Settings",
    "build_images",
    "open_cluster",
    "references",
    "settings",
]
