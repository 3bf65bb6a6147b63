"""The test cluster's programs: pins, stamps and the cache's key."""

import shutil
from pathlib import Path

import pytest

from e2e.cluster.errors import ClusterError
from e2e.cluster.programs import PACKAGES, cache_key, linker_flags, module_of, pinned
from e2e.cluster.settings import MODULES


@pytest.mark.parametrize("changed", ["go.mod", "go.sum", "tools.go", "pause/main.go"])
def test_every_file_of_a_module_is_in_its_key(changed: str, tmp_path: Path) -> None:
    """A change of pins, checksums or sources makes programs be built again."""
    module = tmp_path / "module"
    shutil.copytree(MODULES / "1.36", module)
    before = cache_key(module, "go1.26.8")

    (module / changed).write_text((module / changed).read_text() + "\n")

    assert cache_key(module, "go1.26.8") != before


def test_the_compiler_is_in_the_key() -> None:
    """Another Go builds again, the same Go does not."""
    keys = [cache_key(MODULES / "1.36", compiler) for compiler in ("go1.26.8", "go1.26.8", "go1.27.0")]

    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize("module", ["1.34", "1.36"])
def test_each_module_pins_the_version_it_is_named_by(module: str) -> None:
    """A directory below modules/ is a Kubernetes minor version."""
    version = pinned(MODULES / module / "go.mod", "k8s.io/kubernetes")

    assert version.startswith(f"v{module}.")


def test_a_module_without_the_pin_is_refused(tmp_path: Path) -> None:
    """A replace line or a comment is no requirement."""
    go_mod = tmp_path / "go.mod"
    go_mod.write_text("module m\nreplace k8s.io/kubernetes => ../kubernetes\n")

    with pytest.raises(ClusterError, match="does not require"):
        pinned(go_mod, "k8s.io/kubernetes")


def test_only_kubernetes_own_programs_come_from_another_versions_module() -> None:
    """Helm, etcd, kwok and CoreDNS are compiled once for all Kubernetes versions; promtool and Helm 4 stand apart."""
    common = {name for name in PACKAGES if module_of(name, "1.34") == "1.36"}
    apart = {name for name in PACKAGES if module_of(name, "1.34") == module_of(name, "1.36") == name}

    assert common == {"etcd", "kwok", "helm", "coredns", "pause"}
    assert apart == {"promtool", "helm4"}


def test_kubernetes_programs_know_their_version() -> None:
    """Helm reads the API server's version, which is v0.0.0 without a stamp."""
    flags = linker_flags("k8s.io/kubernetes/cmd/kubectl", "v1.36.3").split(" -X ")

    assert "k8s.io/client-go/pkg/version.gitVersion=v1.36.3" in flags
    assert "k8s.io/component-base/version.gitMinor=36" in flags
    assert linker_flags("go.etcd.io/etcd/server/v3", "v1.36.3") == "-s -w"
