"""A namespace of its own for each test of the rounds."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.cluster import Cluster
from tests.conftest import until
from tests.operator.world import Plant

NUMBERS = itertools.count(1)


@pytest.fixture
def place(control_plane: Cluster, tmp_path: Path) -> Iterator[Plant]:
    """A namespace of the test's own."""
    plant = Plant(control_plane, f"rounds-{next(NUMBERS)}", tmp_path)
    control_plane.kubectl("create", "namespace", plant.namespace)
    account = ("get", "serviceaccount", "default", "-o", "name", "--ignore-not-found")
    until("the default service account", lambda: plant.kubectl(*account).strip())
    yield plant
    control_plane.kubectl("delete", "namespace", plant.namespace, "--wait=false")
