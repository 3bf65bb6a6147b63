"""Programs that come from the system's packages, and installing those that are missing."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from e2e.cluster.errors import ClusterError

# Debian package: the program or file that shows that it is there, whatever brought it.
CONTROL_PLANE = {"openssl": "openssl"}
KUBELET = {
    "containerd": "containerd",
    "runc": "runc",
    "containernetworking-plugins": "host-local",  # iproute2 has a `bridge` too
    "iptables": "iptables",
    "nftables": "nft",
    "conntrack": "conntrack",
    "iproute2": "ip",
}
IMAGES = {"buildah": "buildah", "python3": "/usr/bin/python3", "ca-certificates": "update-ca-certificates"}

CNI_DIRECTORIES = ("/usr/lib/cni", "/opt/cni/bin")
_SEARCH = os.pathsep.join((*CNI_DIRECTORIES, "/usr/local/sbin", "/usr/sbin", "/sbin"))


def check(wanted: Mapping[str, str]) -> None:
    """Check that what is missing can be installed: as root, with apt.

    Raises:
        ClusterError: naming what to install.
    """
    absent = missing(wanted)
    if absent and (os.geteuid() or not shutil.which("apt-get")):
        raise ClusterError(f"the test cluster needs {', '.join(absent)} (Debian's package names): install them first")


def install(wanted: Mapping[str, str]) -> None:
    """Install what is missing, as root on Debian or Ubuntu.

    Raises:
        ClusterError: elsewhere, naming what to install.
    """
    check(wanted)
    absent = missing(wanted)
    if not absent:
        return
    print(f"installing {' '.join(absent)}", file=sys.stderr, flush=True)
    # Only the files are wanted: run level 1 keeps the packages' scripts from starting services.
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    options = ("-y", "-qq", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=600")
    for command in (("apt-get", "update", "-qq"), ("apt-get", "install", *options, *absent)):
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)


def missing(wanted: Mapping[str, str]) -> list[str]:
    """List the packages whose program is nowhere to be found."""
    return [package for package, program in wanted.items() if not found(program)]


def found(program: str) -> str | None:
    """Look on PATH, in the directories of the system's own programs and in those of network plugins."""
    return shutil.which(program) or shutil.which(program, path=_SEARCH)


def plugin_directory(candidates: Iterable[str] = CNI_DIRECTORIES) -> str:
    """Return the directory of the network plugins."""
    for candidate in candidates:
        if Path(candidate, "bridge").exists():
            return candidate
    raise ClusterError("no network plugins: install containernetworking-plugins")
