"""Our own cluster: the programs of `programs.py` as processes of this machine, without any engine or registry."""

import contextlib
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from e2e.cluster import controlplane, network, node, packages, programs
from e2e.cluster.controlplane import ControlPlane, Ports, add_fake_node, free_ports
from e2e.cluster.errors import ClusterError, OccupiedError
from e2e.cluster.interface import Cluster
from e2e.cluster.locks import RunLock
from e2e.cluster.node import Containerd, Node
from e2e.cluster.processes import Processes, resident_mib
from e2e.cluster.programs import Programs
from e2e.cluster.settings import Kind, Proxy, Settings
from e2e.cluster.sweep import end_processes, remove, sweep_node

# One real node a machine, whatever its directory: its network, addresses and control group have fixed names.
KUBELET_LOCK = Path("/run/lock/parley-e2e-kubelet.lock")
ENDED_FIRST = ("kubelet", "kube-proxy", "coredns", "kwok", "kube-scheduler", "kube-controller-manager")
ENDED_LAST = ("containerd", "kube-apiserver", "etcd")


class BinariesCluster(Cluster):
    """A control plane with a pretended node, or the same with a real kubelet in a network of its own."""

    def __init__(self, settings: Settings, kind: Kind = "control-plane", proxy: Proxy = "nftables") -> None:
        self.directory = settings.run / kind
        self.programs = Programs.of(settings)
        self._kind: Kind = kind
        self._proxy: Proxy = proxy
        self._real = kind == "kubelet"
        self._processes = Processes(self.directory, network.INSIDE if self._real else ())
        self._lock = RunLock(KUBELET_LOCK if self._real else settings.run / f"{kind}.lock")
        self._adopted = False

    @property
    def kubeconfig(self) -> Path:
        """Return the administrator's kubeconfig."""
        return self.directory / "admin.kubeconfig"

    @property
    def leave_up(self) -> bool:
        """Tell whether `python -m e2e.cluster up` started it, for more than one run."""
        return self._adopted

    def check(self) -> None:
        """Check the system, the rights, the packages and the compiler."""
        if platform.system() != "Linux":
            raise ClusterError("our own cluster runs on Linux only: start a Docker engine and install kind")
        if self._real and os.geteuid():
            raise ClusterError("a kubelet needs root: run as root, or start a Docker engine and install kind")
        packages.check(self._packages())
        programs.go_version()

    def up(self) -> None:
        """Make the cluster ready, or take the one that the command line left for us."""
        self.check()
        self._take_lock()
        packages.install(self._packages())
        self.programs.build(self.program_names())
        self._adopted = self._kept_and_whole()
        if self._adopted:
            return
        self._clear(self.directory, self._processes)
        self.directory.mkdir(parents=True)
        with contextlib.ExitStack() as failure:  # the logs stay for reading, nothing keeps running
            failure.callback(self._end, self.directory, self._processes)
            self._start()
            failure.pop_all()

    def down(self) -> None:
        """Remove the cluster and everything it made."""
        self._take_lock()
        self._clear(self.directory, self._processes)
        self._adopted = False
        self._lock.release()

    def __exit__(self, *reason: object) -> None:
        """Take it down; one that was there before is only let go of, for the next run."""
        super().__exit__(*reason)
        self._lock.release()

    def keep(self) -> None:
        """Leave the cluster for other runs, which then use it and don't take it down."""
        self._kept.write_text(self._signature(), encoding="utf-8")
        self._lock.release()

    def stop(self, name: str) -> None:
        """Kill one process with SIGKILL."""
        self._processes.stop(name, grace_s=0)

    def start(self, name: str) -> None:
        """Start a killed process again and wait until the API server answers."""
        self._processes.restart(name)
        if self._processes.identity("etcd") and self._processes.identity("kube-apiserver"):
            self._processes.wait("the API server", self._answers)

    def inside(self, command: Sequence[str | Path]) -> list[str]:
        """Prefix a command so that it runs in the cluster's network."""
        return [*(network.INSIDE if self._real else ()), *map(str, command)]

    def environment(self) -> dict[str, str]:
        """Return the environment with our kubectl and helm first on PATH."""
        path = os.pathsep.join((self.programs.search_path, os.environ.get("PATH", os.defpath)))
        return os.environ | {"KUBECONFIG": str(self.kubeconfig), "PATH": path}

    def load(self, image: Path) -> None:
        """Import an image archive into the real node."""
        if not self._real:
            raise ClusterError("there are no containers without a kubelet: images load into the kubelet's cluster only")
        Containerd(self.directory).load(image)

    def program_names(self) -> list[str]:
        """List the programs that this kind is built from."""
        return [*programs.CONTROL_PLANE, *(programs.KUBELET if self._real else ())]

    def status(self) -> str:
        """Describe each process in a line, then the nodes."""
        names = [*controlplane.NAMES, *(node.NAMES if self._real else ())]
        recorded = self._processes.names()
        lines = [self._state(name) if name in recorded else f"{name:24} down" for name in names]
        if "kube-apiserver" in recorded and self._processes.identity("kube-apiserver"):
            lines.append(self.kubectl("get", "nodes", "-o", "wide", check=False).rstrip())
        return "\n".join(lines)

    def _start(self) -> None:
        plane = self._plane()
        plane.certify()
        plane.kubeconfig("admin")
        if not self._real:
            plane.start(self._processes, self.kubectl)
            add_fake_node(self._processes, self.kubectl)
            return
        network.create()
        real = Node(plane, self._proxy)
        real.certify()
        plane.start(self._processes, self.kubectl)
        real.start(self._processes, self.kubectl)

    def _packages(self) -> dict[str, str]:
        return packages.CONTROL_PLANE | (packages.KUBELET if self._real else {})

    def _plane(self) -> ControlPlane:
        if self._real:
            fixed = Ports(api=6443, etcd=2379, etcd_peer=2380, kwok=10247)
            return ControlPlane(self.directory, self.programs, network.NODE_ADDRESS, fixed)
        return ControlPlane(self.directory, self.programs, "127.0.0.1", free_ports())

    def _take_lock(self) -> None:
        last = self._lock.take(f"the {self._kind} cluster", self.directory)
        if last and Path(last.directory) != self.directory and Path(last.directory).exists():
            other = Path(last.directory)
            if (other / "kept").exists():
                self._lock.release()
                raise OccupiedError(f"another checkout keeps its {self._kind} cluster in {other}: take that down first")
            self._clear(other, Processes(other))

    @property
    def _kept(self) -> Path:
        return self.directory / "kept"

    def _kept_and_whole(self) -> bool:
        if not self._kept.exists() or self._kept.read_text(encoding="utf-8") != self._signature():
            return False
        return all(map(self._processes.identity, self._processes.names())) and self._answers()

    def _signature(self) -> str:
        return json.dumps([str(self.programs.path("kubectl")), self._proxy])

    def _answers(self) -> bool:
        return self.kubectl("get", "--raw", "/readyz", check=False) == "ok"

    def _state(self, name: str) -> str:
        identity = self._processes.identity(name)
        return f"{name:24} " + (f"pid {identity.pid}, {resident_mib(identity.pid)} MiB" if identity else "down")

    def _clear(self, directory: Path, processes: Processes) -> None:
        self._end(directory, processes)
        remove(directory)

    def _end(self, directory: Path, processes: Processes) -> None:
        end_processes(processes, ENDED_FIRST)
        if self._real and "containerd" in processes.names() and processes.identity("containerd"):
            Containerd(directory).empty()
        end_processes(processes, ENDED_LAST)
        if self._real:
            sweep_node(directory)
            network.delete()
