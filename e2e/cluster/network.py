"""The real node's network: a namespace whose only links are loopback and an empty bridge.

Nothing in it reaches the outside, and nothing outside reaches it, so fixed addresses and ports never collide.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from e2e.cluster.controlplane import SERVICE_RANGE
from e2e.cluster.errors import ClusterError

NAMESPACE = "parley-e2e"
NODE_ADDRESS = "10.123.0.1"
BRIDGE = "node0"

# `ip netns exec` would mount a new /sys and so hide the control groups from the kubelet: nsenter does not.
INSIDE = ("nsenter", f"--net=/run/netns/{NAMESPACE}")


def create() -> None:
    """Make the namespace with the node's address in it."""
    _run("ip", "netns", "add", NAMESPACE)
    for command in (
        "ip link set lo up",
        f"ip link add {BRIDGE} type bridge",
        f"ip address add {NODE_ADDRESS}/24 dev {BRIDGE}",
        f"ip link set {BRIDGE} up",
        # The kernel looks for a route before kube-proxy's rules rewrite a Service's address.
        f"ip route add {SERVICE_RANGE} dev {BRIDGE}",
        "sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1",
    ):
        _run(*INSIDE, *command.split())


def delete() -> None:
    """Remove the namespace if it is there."""
    if Path("/run/netns", NAMESPACE).exists():
        _run("ip", "netns", "delete", NAMESPACE)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{' '.join(command)}: {_reason(done.stderr)}")


def _reason(error: str, hints: Sequence[str] = ("ermission", "not permitted")) -> str:
    return error.strip() + (" (a kubelet needs root)" if any(hint in error for hint in hints) else "")
