"""Two authorities for the operator's certificate."""

from pathlib import Path

import pytest

from tests.sidecar.sources.small_operator import authority


@pytest.fixture(scope="module")
def first_ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority and its certificate for the operator."""
    return authority(tmp_path_factory.mktemp("first") / "ca")


@pytest.fixture(scope="module")
def second_ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another authority."""
    return authority(tmp_path_factory.mktemp("second") / "ca")
