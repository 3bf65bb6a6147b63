"""The real node: containerd, kubelet, kube-proxy and CoreDNS as processes in the cluster's network."""

import resource
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster import packages
from e2e.cluster.archive import one_program
from e2e.cluster.controlplane import DOMAIN, NODE_READY, ControlPlane, Kubectl, write_json
from e2e.cluster.errors import ClusterError
from e2e.cluster.network import NODE_ADDRESS
from e2e.cluster.processes import Processes
from e2e.cluster.settings import Proxy
from e2e.cluster.sweep import CGROUP, POD_NETWORK, create_cgroup

NAMES = ("containerd", "kubelet", "kube-proxy", "coredns")
NODE = "node-1"
POD_RANGE = "10.244.0.0/24"
PAUSE_IMAGE = "localhost/parley-pause:1"

_CONTAINERD = """\
version = 2
root = "{run}/containerd/root"
state = "{run}/containerd/state"
[grpc]
address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
# Without CAP_SYS_RESOURCE runc may not lower an OOM score, and no pod would start.
restrict_oom_score_adj = true
# Below `state`, where the sweep finds them, and not among the machine's own.
netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{plugins}"
conf_dir = "{run}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
Root = "{run}/runc"
SystemdCgroup = false
"""

_COREFILE = """\
.:53 {{
 bind {address}
 errors
 health {address}:8089
 kubernetes {domain} in-addr.arpa {{
  kubeconfig {kubeconfig} parley-e2e
  pods insecure
 }}
}}
"""


@dataclass(frozen=True, slots=True)
class Containerd:
    """The node's container runtime."""

    run: Path

    @property
    def socket(self) -> Path:
        """Return where it listens."""
        return self.run / "containerd.sock"

    def ctr(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run containerd's own client in the kubelet's namespace of images and containers."""
        command = ["ctr", "--address", str(self.socket), "--namespace", "k8s.io", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def load(self, image: Path) -> None:
        """Import an image archive under the name that it carries."""
        done = self.ctr("images", "import", str(image))
        if done.returncode:
            raise ClusterError(f"{image} could not be imported: {done.stderr.strip()}")

    def empty(self) -> None:
        """Kill and delete all containers."""
        for task in self.ctr("tasks", "ls", "-q").stdout.split():
            self.ctr("tasks", "kill", "--signal", "SIGKILL", task)
            self.ctr("tasks", "delete", "--force", task)
        for container in self.ctr("containers", "ls", "-q").stdout.split():
            self.ctr("containers", "delete", container)


@dataclass(frozen=True, slots=True)
class Node:
    """The real node's processes, beside their control plane."""

    plane: ControlPlane
    proxy: Proxy

    @property
    def containerd(self) -> Containerd:
        """Return the node's container runtime."""
        return Containerd(self.plane.run)

    def certify(self) -> None:
        """Make the certificates of the node's programs."""
        self.plane.authority.issue("kubelet", f"/O=system:nodes/CN=system:node:{NODE}", (NODE, NODE_ADDRESS))
        self.plane.authority.issue("kube-proxy", "/CN=system:kube-proxy")

    def start(self, processes: Processes, kubectl: Kubectl) -> None:
        """Start all of it and wait until the node is ready."""
        self._start_containerd(processes)
        create_cgroup()
        starts: dict[str, Callable[[], list[str | Path]]] = {
            "kubelet": self._kubelet,
            "kube-proxy": self._kube_proxy,
            "coredns": self._coredns,
        }
        for name, command in starts.items():
            processes.start(name, command())
        ready = ("get", "node", NODE, "-o", NODE_READY)
        processes.wait("the node", lambda: kubectl(*ready, check=False) == "True")

    def _start_containerd(self, processes: Processes) -> None:
        run, socket = self.plane.run, self.containerd.socket
        text = _CONTAINERD.format(run=run, socket=socket, pause=PAUSE_IMAGE, plugins=packages.plugin_directory())
        (run / "containerd.toml").write_text(text, encoding="utf-8")
        (run / "cni").mkdir()
        write_json(run / "cni" / "10-pods.conflist", self._pod_network())
        processes.start("containerd", ["containerd", "--config", run / "containerd.toml"])
        processes.wait("containerd", lambda: self.containerd.ctr("version").returncode == 0)
        one_program(self.plane.programs.path("pause"), PAUSE_IMAGE, run / "pause.tar")
        self.containerd.load(run / "pause.tar")

    def _pod_network(self) -> dict[str, object]:
        addresses = {
            "type": "host-local",
            "ranges": [[{"subnet": POD_RANGE}]],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": f"{self.plane.run}/ipam",
        }
        # hairpinMode: a pod reaches itself through its Service.
        bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True, "ipam": addresses}
        ports = {"type": "portmap", "capabilities": {"portMappings": True}}
        return {"cniVersion": "1.0.0", "name": POD_NETWORK, "plugins": [bridge, ports]}

    def _kubelet(self) -> list[str | Path]:
        run = self.plane.run
        return [
            self.plane.programs.path("kubelet"),
            f"--config={write_json(run / 'kubelet.json', self._kubelet_config())}",
            f"--kubeconfig={self.plane.kubeconfig('kubelet')}",
            f"--hostname-override={NODE}",
            f"--node-ip={NODE_ADDRESS}",
            f"--root-dir={run}/kubelet",
        ]

    def _kubelet_config(self) -> dict[str, object]:
        run, pki = self.plane.run, self.plane.authority.directory
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "containerRuntimeEndpoint": f"unix://{self.containerd.socket}",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": f"{pki}/ca.crt"},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": f"{pki}/kubelet.crt",
            "tlsPrivateKeyFile": f"{pki}/kubelet.key",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{CGROUP}",  # ours alone: the sweep may kill whatever is in it
            "failCgroupV1": False,  # from 1.35 on the kubelet refuses version 1 unless told
            "maxOpenFiles": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
            "clusterDNS": [NODE_ADDRESS],
            "clusterDomain": DOMAIN,
            "resolvConf": "",
            "podLogsDir": f"{run}/pod-logs",
            "volumePluginDir": f"{run}/volume-plugins",
            # A nearly full disk of the developer's is no reason to evict pods or delete images.
            "evictionHard": {"imagefs.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%"},
            "imageGCHighThresholdPercent": 100,
            "syncFrequency": "10s",
        }

    def _kube_proxy(self) -> list[str | Path]:
        config = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": self.proxy,
            "clusterCIDR": POD_RANGE,
            "hostnameOverride": NODE,
            "bindAddress": NODE_ADDRESS,
            "clientConnection": {"kubeconfig": str(self.plane.kubeconfig("kube-proxy"))},
            # The limits of connection tracking are the whole machine's: leave them as they are.
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        }
        path = write_json(self.plane.run / "kube-proxy.json", config)
        return [self.plane.programs.path("kube-proxy"), f"--config={path}"]

    def _coredns(self) -> list[str | Path]:
        path = self.plane.run / "Corefile"
        text = _COREFILE.format(address=NODE_ADDRESS, domain=DOMAIN, kubeconfig=self.plane.kubeconfig("admin"))
        path.write_text(text, encoding="utf-8")
        return [self.plane.programs.path("coredns"), "-conf", path]
