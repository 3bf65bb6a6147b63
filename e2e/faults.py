"""What goes wrong on purpose while pods are created: parts restarted, killed or frozen, certificates changed.

Killing needs the containers to be processes of this machine, so it works with PARLEY_E2E=binaries alone.
"""

import base64
import json
import os
import re
import signal
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography import x509

from e2e.cluster import Cluster, ClusterError
from e2e.cluster.controlplane import FAKE_NODE, NODE_READY, fake_node
from e2e.world import SYSTEM, until
from parley_operator.certificates import CA_LIFE, CA_OVERLAP, TRUSTED_BEFORE_USE, make_authority

LEASE: Final = "parley-operator"
POLL_S: Final = 0.05
PATIENCE_S: Final = 120.0
SIGNS_SOON: Final = timedelta(seconds=25)
"""What is left, in a rotation of the authority that is seen in a test, of the hour before the new one signs."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Parley's own Deployments in a cluster, as faults meet them."""

    cluster: Cluster

    def restart(self, part: str) -> None:
        """Roll a Deployment, and wait until it is done."""
        self.kubectl("rollout", "restart", f"deployment/parley-{part}")
        self.rolled(part)

    def rolled(self, part: str) -> None:
        """Wait until a Deployment's pods are all new and ready."""
        self.kubectl("rollout", "status", f"deployment/parley-{part}", f"--timeout={PATIENCE_S:.0f}s")

    def pods(self, part: str) -> list[str]:
        """Name a part's pods."""
        chosen = ("-l", f"app.kubernetes.io/component={part}", "-o", "jsonpath={.items[*].metadata.name}")
        return self.kubectl("get", "pods", *chosen).split()

    def lease(self) -> dict[str, Any]:
        """Read the operators' Lease."""
        return dict(json.loads(self.kubectl("get", "lease", LEASE, "-o", "json"))["spec"])

    def leader(self) -> str:
        """Name the pod that leads."""
        return str(until("a leader", lambda: self.lease().get("holderIdentity")))

    def held_again_s(self, since: dict[str, Any]) -> float:
        """Wait until the Lease is written again, by whomever; return how long that took, in seconds."""
        began_s = time.monotonic()
        while self.lease().get("renewTime") == since.get("renewTime") or not self.lease().get("holderIdentity"):
            if time.monotonic() > began_s + PATIENCE_S:
                raise ClusterError("nobody takes the Lease")
            time.sleep(POLL_S)
        return time.monotonic() - began_s

    def metric(self, pod: str, name: str, label: str = "") -> float:
        """Sum a metric's samples in a pod, those with a label; 0 where it does not answer."""
        path = f"/api/v1/namespaces/{SYSTEM}/pods/{pod}:9464/proxy/metrics"
        lines = self.cluster.kubectl("get", "--raw", path, check=False).splitlines()
        return sum(float(line.split()[-1]) for line in lines if re.match(rf"{name}[ {{]", line) and label in line)

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl in Parley's namespace."""
        return self.cluster.kubectl("-n", SYSTEM, *arguments)

    def authority_near_its_end(self, signs_soon: timedelta = SIGNS_SOON) -> str:
        """Put an authority near its end, and a successor that soon signs, where ours is; return the successor.

        The present authority goes on being trusted, by the bundle it is in. What then happens is what happens at the
        end of each year, with most of the hour between trust and signature left out.
        """
        now = datetime.now(UTC)
        ending = make_authority(now - CA_LIFE + CA_OVERLAP - timedelta(minutes=1))
        coming = make_authority(now - TRUSTED_BEFORE_USE + signs_soon)
        texts = {
            "tls.crt": ending.certificate, "tls.key": ending.key,
            "next.crt": coming.certificate, "next.key": coming.key,
        }  # fmt: skip
        self._write("parley-ca", texts)
        return coming.certificate

    def leaf(self) -> str:
        """Return the serving certificate."""
        return self._tls("tls.crt")

    def trusted(self) -> str:
        """Return the bundle of authorities."""
        return self._tls("ca.crt")

    def is_served(self, leaf: str) -> bool:
        """Say whether all injectors serve this certificate, by the time of its end."""
        ends = x509.load_pem_x509_certificate(leaf.encode()).not_valid_after_utc.timestamp()
        served = "parley_certificate_expiry_timestamp_seconds"
        return all(self.metric(pod, served) == ends for pod in self.pods("injector"))

    def _tls(self, key: str) -> str:
        data = json.loads(self.kubectl("get", "secret", "parley-tls", "-o", "json")).get("data") or {}
        return base64.b64decode(data.get(key, "")).decode()

    def _write(self, secret: str, texts: dict[str, str]) -> None:
        data = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
        self.kubectl("patch", "secret", secret, "--type=merge", "-p", json.dumps({"data": data}))


def add_tainted_node(cluster: Cluster) -> None:
    """Have a node that only pretends beside the real one, for pods that name it; nothing else is scheduled there."""
    if not cluster.kubectl("get", "node", FAKE_NODE, "--ignore-not-found").strip():
        document = fake_node(FAKE_NODE)
        document["spec"] = {"taints": [{"key": "pretended", "effect": "NoSchedule"}]}
        cluster.kubectl("create", "-f", "-", feed=json.dumps(document))
    ready = ("get", "node", FAKE_NODE, "-o", NODE_READY)
    until("the pretended node", lambda: cluster.kubectl(*ready, check=False) == "True")


def process_of(pod: str, proc: Path = Path("/proc")) -> int:
    """Return the number of the process that runs one of our pods on this machine.

    Raises:
        ClusterError: when there is none.
    """
    for directory in proc.glob("[0-9]*"):
        try:
            command, variables = (directory / "cmdline").read_bytes(), (directory / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"parley_operator" in command and f"HOSTNAME={pod}".encode() in variables:
            return int(directory.name)
    raise ClusterError(f"no process of the pod {pod} on this machine")


def kill(pod: str) -> None:
    """End a pod's process with SIGKILL; the kubelet starts its container again."""
    os.kill(process_of(pod), signal.SIGKILL)


def restart_api_server(cluster: Cluster) -> None:
    """End the API server with SIGKILL and start it again, and wait until it answers."""
    cluster.stop("kube-apiserver")
    cluster.start("kube-apiserver")
