"""The cluster that the story is told on, with Parley installed by Helm and a provider stand-in in it.

All three are made once per run. Tests use a namespace of their own and poll; nothing here sleeps for a fixed time.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.cluster import Cluster, ClusterError, open_cluster
from e2e.world import Namespace, World

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster that runs containers, with our images in it; says in one line why there is none."""
    try:
        opened = open_cluster(kubelet=True)
    except ClusterError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no cluster that runs containers: {error}")
    with opened as running:
        running.load_images()
        yield running


@pytest.fixture(scope="session")
def world(cluster: Cluster) -> World:
    """Parley from the chart, and the provider stand-in."""
    made = World(cluster)
    made.install("missedPods.evict=true")
    made.provider()
    return made


@pytest.fixture
def namespace(world: World, request: pytest.FixtureRequest) -> Iterator[Namespace]:
    """An empty namespace with Pod Security "restricted" enforced, gone after the test."""
    name = request.node.name.removeprefix("test_").replace("_", "-")[:50].strip("-")
    yield world.namespace(name)
    world.cluster.kubectl("delete", "namespace", name, "--wait=false")
