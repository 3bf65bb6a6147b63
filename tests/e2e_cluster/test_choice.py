"""Which kind of cluster a run gets, and what its settings say."""

from pathlib import Path

import pytest

from e2e.cluster.choice import Provider, choose
from e2e.cluster.errors import ClusterError
from e2e.cluster.images import IMAGE_NAMES, references
from e2e.cluster.settings import Choice, settings


@pytest.mark.parametrize(
    ("choice", "kind_usable", "expected"),
    [
        ("auto", True, "kind"),
        ("auto", False, "binaries"),
        ("binaries", True, "binaries"),
        ("existing", True, "existing"),
        ("kind", False, "kind"),
    ],
)
def test_a_choice_is_kept_and_auto_never_means_existing(
    choice: Choice, expected: Provider, *, kind_usable: bool
) -> None:
    """Tests must not fall on whatever cluster KUBECONFIG happens to name."""
    assert choose(choice, kind_usable=kind_usable) == expected


def test_directories_follow_the_environment() -> None:
    """The cache is a cache directory's, and both places can be moved."""
    usual = settings({"XDG_CACHE_HOME": "/caches"})
    moved = settings({"XDG_CACHE_HOME": "/caches", "PARLEY_E2E_CACHE": "/fast", "PARLEY_E2E_RUN": "/run/here"})

    assert usual.cache == Path("/caches/parley/cluster")
    assert (moved.cache, moved.run) == (Path("/fast"), Path("/run/here"))


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("PARLEY_E2E", "minikube", "binaries"),
        ("PARLEY_E2E_KUBERNETES", "1.2", "1.36"),
        ("PARLEY_E2E_KUBERNETES", "promtool", "1.36"),
    ],
)
def test_a_wrong_setting_is_refused_with_those_allowed(variable: str, value: str, allowed: str) -> None:
    """A typing error does not silently choose the default."""
    with pytest.raises(ClusterError, match=f"{variable} is '{value}'.*{allowed}"):
        settings({variable: value})


def test_an_image_is_ours_unless_the_environment_names_another() -> None:
    """An existing cluster pulls images from where its owner pushed them."""
    named = references(IMAGE_NAMES, {"PARLEY_E2E_IMAGE_SIDECAR": "registry.example/parley-sidecar:1"})

    assert named["sidecar"] == "registry.example/parley-sidecar:1"
    assert named["operator"] == "localhost/parley-operator:dev"
