"""The project's own test cluster, by hand: `python -m e2e.cluster VERB`, from the repository's root.

    build [--real] [NAME..]                     compile what the cache lacks
    up [--real] [--proxy iptables|nftables]     start it and leave it; test runs use it until `down`
    down [--real] | status [--real]
    stop|start [--real] NAME..                  SIGKILL and restart of one process
    load IMAGE.tar..                            into the real node
    images [NAME..]                             build the project's images and print their archives
    exec [--real] -- COMMAND..                  with KUBECONFIG and PATH, and in the real cluster's network

Without --real: etcd, API server, controllers, scheduler and a node that only pretends.
With --real, as root: the same and containerd, kubelet, kube-proxy and CoreDNS. e2e/README.md says more.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from e2e.cluster.binaries import BinariesCluster
from e2e.cluster.errors import ClusterError
from e2e.cluster.images import IMAGE_NAMES, build_images
from e2e.cluster.programs import CHECKERS
from e2e.cluster.settings import Kind, Proxy, settings

VERBS = ("build", "up", "down", "status", "stop", "start", "load", "images", "exec")


def main(words: Sequence[str]) -> int:
    """Run a verb and return the exit code."""
    ours, command = split(words)
    parser = argparse.ArgumentParser(
        prog="python -m e2e.cluster", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("verb", choices=VERBS)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--proxy", choices=get_args(Proxy), default="nftables")
    arguments = parser.parse_intermixed_args(ours)
    try:
        cluster = BinariesCluster(settings(), _kind(arguments), arguments.proxy)
        return run(arguments.verb, cluster, arguments.names or command)
    except ClusterError as error:
        print(error, file=sys.stderr)
        return 1


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part our own words from the command behind `--`."""
    mark = words.index("--") if "--" in words else len(words)
    return list(words[:mark]), list(words[mark + 1 :])


def run(verb: str, cluster: BinariesCluster, names: Sequence[str]) -> int:
    """Do what the verb says."""
    match verb:
        case "build":
            cluster.programs.build(names or [*cluster.program_names(), *CHECKERS])
        case "up":
            _up(cluster)
        case "down":
            cluster.down()
        case "status":
            print(cluster.status())
        case "images":
            _images(names)
        case "exec":
            return subprocess.run(cluster.inside(names), env=cluster.environment(), check=False).returncode
        case _:
            for name in names:
                _each(verb, cluster, name)
    return 0


def _kind(arguments: argparse.Namespace) -> Kind:
    return "kubelet" if arguments.real or arguments.verb == "load" else "control-plane"


def _up(cluster: BinariesCluster) -> None:
    began = time.monotonic()
    cluster.up()
    cluster.keep()
    print(f"up after {time.monotonic() - began:.1f} s, export KUBECONFIG={cluster.kubeconfig}")


def _images(names: Sequence[str]) -> None:
    chosen = [name for name in IMAGE_NAMES if not names or name in names]
    for archive in build_images(chosen).values():
        print(archive)


def _each(verb: str, cluster: BinariesCluster, name: str) -> None:
    match verb:
        case "stop":
            cluster.stop(name)
        case "start":
            cluster.start(name)
        case "load":
            cluster.load(Path(name))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
