"""The control plane: etcd, API server, controller manager, scheduler, and kwok for nodes that only pretend."""

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.cluster.certificates import Authority
from e2e.cluster.processes import Processes
from e2e.cluster.programs import Programs

NAMES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
SERVICE_RANGE, FIRST_SERVICE = "10.96.0.0/16", "10.96.0.1"
FAKE_POD_RANGE = "10.245.0.0/16"
DOMAIN = "cluster.local"
ISSUER = f"https://kubernetes.default.svc.{DOMAIN}"
FAKE_NODE = "kwok-0"
FAKE_NODE_LABEL = "type=kwok"
NODE_READY = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'

Kubectl = Callable[..., str]


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports on one address."""

    api: int
    etcd: int
    etcd_peer: int
    kwok: int


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """The control plane's commands, for one directory of state, one address and its ports."""

    run: Path
    programs: Programs
    host: str
    ports: Ports

    @property
    def authority(self) -> Authority:
        """Return the cluster's certificate authority."""
        return Authority(self.run / "pki")

    @property
    def server(self) -> str:
        """Return the API server's URL."""
        return f"https://{self.host}:{self.ports.api}"

    def kubeconfig(self, user: str) -> Path:
        """Write and return the user's kubeconfig."""
        return self.authority.kubeconfig(user, self.server, self.run / f"{user}.kubeconfig")

    def certify(self) -> None:
        """Make the authority and the certificates of all users and of the API server."""
        self.authority.create()
        service = "kubernetes.default.svc"
        names = ("kubernetes", "kubernetes.default", service, f"{service}.{DOMAIN}", "localhost")
        self.authority.issue("apiserver", "/CN=kube-apiserver", (*names, "127.0.0.1", FIRST_SERVICE, self.host))
        self.authority.issue("admin", "/O=system:masters/CN=admin")
        for user in ("kube-controller-manager", "kube-scheduler"):
            self.authority.issue(user, f"/CN=system:{user}")

    def start(self, processes: Processes, kubectl: Kubectl) -> None:
        """Start all of it and wait until accounts are made and the API server is ready."""
        processes.start("etcd", self._etcd())
        processes.start("kube-apiserver", self._apiserver())
        processes.wait("the API server", lambda: kubectl("get", "--raw", "/readyz", check=False) == "ok")
        processes.start("kube-controller-manager", self._controller_manager())
        processes.start("kube-scheduler", self._scheduler())
        processes.start("kwok", self._kwok())
        account = ("get", "serviceaccount", "default", "-o", "name")
        processes.wait("the default service account", lambda: "default" in kubectl(*account, check=False))

    def _etcd(self) -> list[str | Path]:
        clients, peers = (f"http://127.0.0.1:{port}" for port in (self.ports.etcd, self.ports.etcd_peer))
        return [
            self.programs.path("etcd"),
            f"--data-dir={self.run}/etcd",
            "--unsafe-no-fsync",  # the data live no longer than the run
            "--log-level=warn",
            f"--listen-client-urls={clients}",
            f"--advertise-client-urls={clients}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
        ]

    def _apiserver(self) -> list[str | Path]:
        pki, loopback = self.authority.directory, self.host == "127.0.0.1"
        return [
            self.programs.path("kube-apiserver"),
            f"--etcd-servers=http://127.0.0.1:{self.ports.etcd}",
            f"--secure-port={self.ports.api}",
            f"--bind-address={'127.0.0.1' if loopback else '0.0.0.0'}",
            f"--advertise-address={self.host}",
            f"--endpoint-reconciler-type={'none' if loopback else 'lease'}",  # loopback can't be an endpoint
            f"--tls-cert-file={pki}/apiserver.crt",
            f"--tls-private-key-file={pki}/apiserver.key",
            f"--client-ca-file={pki}/ca.crt",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            f"--service-account-issuer={ISSUER}",
            f"--service-account-key-file={pki}/sa.pub",
            f"--service-account-signing-key-file={pki}/sa.key",
            f"--service-cluster-ip-range={SERVICE_RANGE}",
            f"--kubelet-certificate-authority={pki}/ca.crt",
            f"--kubelet-client-certificate={pki}/admin.crt",
            f"--kubelet-client-key={pki}/admin.key",
            "--kubelet-preferred-address-types=InternalIP",
        ]

    def _controller_manager(self) -> list[str | Path]:
        pki = self.authority.directory
        return [
            self.programs.path("kube-controller-manager"),
            f"--kubeconfig={self.kubeconfig('kube-controller-manager')}",
            "--leader-elect=false",
            "--secure-port=0",
            "--use-service-account-credentials=true",
            f"--root-ca-file={pki}/ca.crt",
            f"--service-account-private-key-file={pki}/sa.key",
            f"--cluster-signing-cert-file={pki}/ca.crt",
            f"--cluster-signing-key-file={pki}/ca.key",
            "--concurrent-deployment-syncs=10",
            "--kube-api-qps=200",  # the default, 20, makes a burst of pods wait for the client
            "--kube-api-burst=400",
        ]

    def _scheduler(self) -> list[str | Path]:
        config = {
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "leaderElection": {"leaderElect": False},
            "clientConnection": {"kubeconfig": str(self.kubeconfig("kube-scheduler")), "qps": 500, "burst": 1000},
        }
        path = write_json(self.run / "kube-scheduler.json", config)
        return [self.programs.path("kube-scheduler"), f"--config={path}", "--secure-port=0"]

    def _kwok(self) -> list[str | Path]:
        return [
            self.programs.path("kwok"),
            f"--kubeconfig={self.kubeconfig('admin')}",
            f"--config={self.programs.stages}",
            "--manage-all-nodes=false",
            f"--manage-nodes-with-label-selector={FAKE_NODE_LABEL}",
            f"--server-address=127.0.0.1:{self.ports.kwok}",
            f"--cidr={FAKE_POD_RANGE}",
            "--node-lease-duration-seconds=40",
        ]


def add_fake_node(processes: Processes, kubectl: Kubectl) -> None:
    """Register a node that kwok plays, with room for everything, and wait until it is ready."""
    kubectl("create", "-f", "-", feed=json.dumps(fake_node(FAKE_NODE)))
    ready = ("get", "node", FAKE_NODE, "-o", NODE_READY)
    processes.wait("the fake node", lambda: kubectl(*ready, check=False) == "True")


def fake_node(name: str) -> dict[str, Any]:
    """Return the manifest of a node that kwok plays."""
    room = {"cpu": "10000", "memory": "100Ti", "pods": "100000"}
    labels = {"type": "kwok", "kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "status": {"capacity": room, "allocatable": room},
    }


def free_ports() -> Ports:
    """Find ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
    numbers = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return Ports(*numbers)


def write_json(path: Path, document: object) -> Path:
    """Write a configuration file; all programs of the cluster read JSON where they read YAML."""
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")
    return path
