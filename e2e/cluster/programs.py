"""The cluster's own programs: pinned Go modules, compiled once and kept.

All that shares a module compiles client-go and the API types once, which is most of the work, so everything of the
default version is one module. Another Kubernetes version is a module of its own, with Kubernetes' programs alone, and
so are Helm 4, whose pins are to leave the others' alone, and promtool, which asks for newer packages than Kubernetes.
"""

import functools
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster.errors import ClusterError
from e2e.cluster.locks import waited_for
from e2e.cluster.settings import DEFAULT_KUBERNETES, MODULES, Settings

# The order is the order of building: whichever Kubernetes program comes first pays for the packages shared by all.
CONTROL_PLANE = {
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "etcd": "go.etcd.io/etcd/server/v3",
    "kwok": "sigs.k8s.io/kwok/cmd/kwok",
    "helm": "helm.sh/helm/v3/cmd/helm",
}
KUBELET = {
    "kubelet": "k8s.io/kubernetes/cmd/kubelet",
    "kube-proxy": "k8s.io/kubernetes/cmd/kube-proxy",
    "coredns": "./coredns",
    "pause": "./pause",
}
CHECKERS = {"promtool": "github.com/prometheus/prometheus/cmd/promtool", "helm4": "helm.sh/helm/v4/cmd/helm"}
"""What no cluster runs, and tests of the chart do."""
PACKAGES = CONTROL_PLANE | KUBELET | CHECKERS

MODULE_OF_ITS_OWN = {"promtool": "promtool", "helm4": "helm4"}
MONITORS = ("podmonitors", "prometheusrules", "servicemonitors")
TAGS = {"promtool": "remove_all_sd"}  # without the clouds' service discoveries

KWOK_STAGES = (
    "node/fast/node-initialize",
    "node/heartbeat-with-lease/node-heartbeat-with-lease",
    "pod/fast/pod-ready",
    "pod/fast/pod-complete",
    "pod/fast/pod-delete",
)


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs of one Kubernetes version in the cache."""

    cache: Path
    kubernetes: str

    @classmethod
    def of(cls, settings: Settings) -> "Programs":
        """Take directory and version from the settings."""
        return cls(settings.cache, settings.kubernetes)

    def path(self, name: str) -> Path:
        """Return where a program is, or will be once built."""
        return self.directory(module_of(name, self.kubernetes)) / name

    @property
    def stages(self) -> Path:
        """Return kwok's stages: what it does with nodes and pods."""
        return self.path("kwok").with_name("kwok-stages.yaml")

    @property
    def monitors(self) -> Path:
        """Return the Prometheus operator's CRDs, as far as the chart has objects of them; built with promtool."""
        return self.path("promtool").with_name("monitors.yaml")

    @property
    def search_path(self) -> str:
        """Return the directories with kubectl and helm, for PATH."""
        return os.pathsep.join(dict.fromkeys(str(self.path(name).parent) for name in ("kubectl", "helm")))

    def directory(self, module: str) -> Path:
        """Return the module's directory in the cache, named by all that its programs depend on."""
        return self.cache / f"{module}-{cache_key(MODULES / module, go_version())}"

    def build(self, names: Sequence[str]) -> None:
        """Compile what the cache lacks, with a line before and after each program.

        Raises:
            ClusterError: when there is no Go compiler, or it fails.
        """
        unknown = [name for name in names if name not in PACKAGES]
        if unknown:
            raise ClusterError(f"no program {', '.join(unknown)}; there are {', '.join(PACKAGES)}")
        if all(self.path(name).exists() for name in names):
            return
        with waited_for(self.cache / "build.lock", f"the build cache {self.cache}"):
            for number, name in enumerate(names, start=1):
                if not self.path(name).exists():
                    self._build_one(name, f"{number} of {len(names)}")

    def _build_one(self, name: str, place: str) -> None:
        print(f"building {name} ({place}) ...", file=sys.stderr, flush=True)
        began = time.monotonic()
        module = MODULES / module_of(name, self.kubernetes)
        final = self.path(name)
        final.parent.mkdir(parents=True, exist_ok=True)
        if name == "kwok":
            self.stages.write_text(_stages(module), encoding="utf-8")
        if name == "promtool":
            self.monitors.write_text(_monitors(module), encoding="utf-8")
        # Under its name only once it is whole: a killed build leaves nothing that looks finished.
        partial = final.with_suffix(".partial")
        flags = linker_flags(PACKAGES[name], pinned(MODULES / self.kubernetes / "go.mod", "k8s.io/kubernetes"))
        options = ("-trimpath", "-tags", TAGS.get(name, ""), "-ldflags", flags, "-o", str(partial))
        _go("build", *options, PACKAGES[name], module=module)
        partial.rename(final)
        print(f"built {name} in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def module_of(name: str, kubernetes: str) -> str:
    """Name the module that pins a program."""
    if PACKAGES[name].startswith("k8s.io/kubernetes/"):
        return kubernetes
    return MODULE_OF_ITS_OWN.get(name, DEFAULT_KUBERNETES)


def cache_key(module: Path, compiler: str) -> str:
    """Hash the module's pins, checksums and sources together with the compiler's version."""
    digest = hashlib.sha256(compiler.encode())
    for path in sorted([module / "go.mod", module / "go.sum", *module.rglob("*.go")]):
        digest.update(f"\0{path.relative_to(module)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def pinned(go_mod: Path, module: str) -> str:
    """Read a module's version from go.mod.

    Raises:
        ClusterError: when it is not required there.
    """
    for line in go_mod.read_text(encoding="utf-8").splitlines():
        match line.removeprefix("require ").split():
            case [name, version, *_] if name == module and version.startswith("v"):
                return version
    raise ClusterError(f"{go_mod} does not require {module}")


def linker_flags(package: str, kubernetes: str) -> str:
    """Strip symbols, and stamp Kubernetes' programs: unstamped they call themselves v0.0.0, and Helm believes it."""
    flags = ["-s", "-w"]
    if package.startswith("k8s.io/kubernetes/"):
        major, minor, _ = kubernetes.removeprefix("v").split(".", maxsplit=2)
        stamps = {"gitVersion": kubernetes, "gitMajor": major, "gitMinor": minor}
        for target in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
            flags += [f"-X {target}.{variable}={value}" for variable, value in stamps.items()]
    return " ".join(flags)


@functools.cache
def go_version() -> str:
    """Ask the compiler on PATH for its version.

    Raises:
        ClusterError: when there is none.
    """
    if not shutil.which("go"):
        raise ClusterError(
            "no Go compiler on PATH: install Go 1.26 or newer, or set PARLEY_E2E=existing and KUBECONFIG"
        )
    return _go("env", "GOVERSION", module=MODULES).strip()


def _go(*arguments: str, module: Path) -> str:
    # Memory is cheaper here than time: collecting less often saves the compiler a tenth to a quarter of its work.
    environment = {"GOGC": "400", **os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
    command = ("nice", "-n", "10", "go", *arguments)
    done = subprocess.run(command, cwd=module, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"go {arguments[0]} failed in {module.name}: {done.stderr.strip()[-4000:]}")
    return done.stdout


def _stages(module: Path) -> str:
    """Join the stages that kwok's module brings as files: its program has none built in."""
    source = _source("sigs.k8s.io/kwok", module) / "kustomize" / "stage"
    return _joined(source / f"{name}.yaml" for name in KWOK_STAGES)


def _monitors(module: Path) -> str:
    """Join the CRDs that the Prometheus operator's module brings as files."""
    source = _source("github.com/prometheus-operator/prometheus-operator", module) / "example/prometheus-operator-crd"
    return _joined(source / f"monitoring.coreos.com_{name}.yaml" for name in MONITORS)


def _source(dependency: str, module: Path) -> Path:
    """Return where the sources of what a module pins are, downloaded if need be."""
    _go("mod", "download", dependency, module=module)
    return Path(_go("list", "-m", "-f", "{{.Dir}}", dependency, module=module).strip())


def _joined(files: Iterable[Path]) -> str:
    return "\n---\n".join(file.read_text(encoding="utf-8") for file in files)
