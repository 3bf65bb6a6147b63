"""The control plane with the injector's namespaces, and one injector for all tests behind it."""

from collections.abc import Iterator

import pytest

from e2e.cluster import Cluster
from tests.injector.live import LABELLED, LOOSE, RELEASE, RULED, SHARED, STRICT, Api, behind
from tests.injector.process import Running


@pytest.fixture(scope="session")
def api(control_plane: Cluster) -> Api:
    """The API server over one connection, for tests that ask it much."""
    return Api.of(control_plane)


@pytest.fixture(scope="session")
def cluster(control_plane: Cluster, api: Api) -> Iterator[Cluster]:
    """The control plane with our namespaces: one enforces Pod Security, one opts in as a whole."""
    labels = {
        STRICT: {"pod-security.kubernetes.io/enforce": "restricted"},
        LABELLED: {"parley.dev/inject": "enabled"},
    }
    for name in (STRICT, LABELLED, LOOSE, SHARED):
        api.make_namespace(name, labels.get(name, {}))
    yield control_plane
    gone = (STRICT, LABELLED, LOOSE, SHARED, *RULED)
    control_plane.kubectl("delete", "namespace", "--wait=false", "--ignore-not-found", *gone)


@pytest.fixture(scope="session")
def injector(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An injector with the policy Ignore behind the API server."""
    with behind(cluster, tmp_path_factory.mktemp("injector"), RELEASE, "Ignore") as started:
        yield started
