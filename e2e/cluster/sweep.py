"""Clear what a run left behind, killed or not: processes, containers, mounts, control groups, links.

Everything is recognised by the run's directory or by the control group that only this cluster uses, so nothing of
the machine's own, another container runtime's included, is touched.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from e2e.cluster.errors import ClusterError
from e2e.cluster.processes import Processes

CGROUP = "parley-e2e"
CGROUPS = Path("/sys/fs/cgroup")
LIMIT_S = 60.0
POD_NETWORK = "parley-e2e"
CNI_RESULTS = Path("/var/lib/cni/results")
DEVICE_PLUGINS = Path("/var/lib/kubelet/device-plugins")
SHIM_SOCKETS = Path("/run/containerd/s")
CONTAINER_LOGS = Path("/var/log/containers")
# Places that containerd, the kubelet and the network plugins do not let one choose; removed when empty.
FIXED_PLACES = (
    CNI_RESULTS,
    CNI_RESULTS.parent,
    DEVICE_PLUGINS,
    DEVICE_PLUGINS.parent,
    SHIM_SOCKETS,
    SHIM_SOCKETS.parent,
    CONTAINER_LOGS,
)


def end_processes(processes: Processes, names: Iterable[str]) -> None:
    """End those of the processes that were ever started, in this order."""
    recorded = processes.names()
    for name in names:
        if name in recorded:
            processes.stop(name)


def sweep_node(run: Path) -> None:
    """Clear what containers leave: for a real node, after its processes have ended."""
    for pid in _shims(run):
        _kill(pid)
    for root in _cgroup_roots():
        _until(f"processes in {root} ended", partial(_kill_members, root))
        _until(f"{root} was removed", partial(_remove_groups, root))
    for path in _shim_sockets(run):
        path.unlink(missing_ok=True)
    unmount_below(run)
    _remove_log_links(run)
    _remove_network_results(CNI_RESULTS)
    _remove_dead_socket(DEVICE_PLUGINS / "kubelet.sock")
    for place in FIXED_PLACES:
        _remove_if_empty(place)


def remove(run: Path) -> None:
    """Delete the run's directory."""
    shutil.rmtree(run, ignore_errors=True)
    if run.exists():
        raise ClusterError(f"{run} could not be deleted: something still uses it")


def create_cgroup() -> None:
    """Make the cluster's control group in every hierarchy that has controllers."""
    for hierarchy in _hierarchies(CGROUPS):
        group = hierarchy / CGROUP
        group.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):  # version 1: empty, so no process may enter, until set
            if (group / name).exists() and (hierarchy / name).exists():
                (group / name).write_text((hierarchy / name).read_text(encoding="utf-8"), encoding="utf-8")


def unmount_below(directory: Path) -> None:
    """Unmount everything below a directory, now or as soon as nobody uses it."""
    for mount in mounts_below(directory, Path("/proc/mounts").read_text(encoding="utf-8")):
        subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)


def mounts_below(run: Path, mounts: str) -> list[str]:
    """Pick the mount points below a directory from /proc/mounts, innermost first."""
    points = [line.split()[1] for line in mounts.splitlines() if line]
    return [point for point in reversed(points) if point.startswith(f"{run}/")]


def _hierarchies(root: Path) -> list[Path]:
    if (root / "cgroup.controllers").exists():
        return [root]
    return [path for path in sorted(root.iterdir()) if path.is_dir() and not path.is_symlink()]


def _cgroup_roots() -> list[Path]:
    return [root for path in _hierarchies(CGROUPS) if (root := path / CGROUP).is_dir()]


def _members(root: Path) -> list[int]:
    files = [root / "cgroup.procs", *root.rglob("cgroup.procs")]
    return [int(word) for file in files if file.exists() for word in file.read_text(encoding="utf-8").split()]


def _kill_members(root: Path) -> bool:
    members = _members(root)
    for pid in members:
        _kill(pid)
    return not members


def _remove_groups(root: Path) -> bool:
    groups = sorted((path for path in root.rglob("*") if path.is_dir()), reverse=True)
    remaining = [group for group in (*groups, root) if not _remove_if_empty(group)]
    return not remaining


def _shims(run: Path) -> list[int]:
    marker = str(run / "containerd.sock").encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"containerd-shim" in words[0] and marker in words:
            found.append(int(process.name))
    return found


def _shim_sockets(run: Path) -> list[Path]:
    bundles = run / "containerd/state/io.containerd.runtime.v2.task/k8s.io"
    addresses = [file.read_text(encoding="utf-8").strip() for file in bundles.glob("*/address")]
    return [Path(address.removeprefix("unix://")) for address in addresses]


def _remove_log_links(run: Path) -> None:
    for link in CONTAINER_LOGS.glob("*.log"):
        if link.is_symlink() and str(link.readlink()).startswith(f"{run}/"):
            link.unlink()


def _remove_network_results(directory: Path) -> None:
    """Remove what the plugins noted of our pods: by our network's name, and their loopbacks by the pods' numbers."""
    for result in directory.glob(f"{POD_NETWORK}-*-eth0"):
        identity = result.name.removeprefix(f"{POD_NETWORK}-").removesuffix("-eth0")
        (directory / f"cni-loopback-{identity}-lo").unlink(missing_ok=True)
        result.unlink()


def _remove_dead_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except ConnectionRefusedError:  # nobody listens: it was our kubelet's
            path.unlink()
        except FileNotFoundError:
            return


def _remove_if_empty(directory: Path) -> bool:
    """Tell whether it is gone; control groups are empty for this though they hold files."""
    try:
        directory.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _until(what: str, done: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT_S
    while not done():
        if time.monotonic() > end:
            raise ClusterError(f"waited {LIMIT_S:.0f} s in vain until {what}")
        time.sleep(0.1)
